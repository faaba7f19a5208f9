//! What the stations of Ecowitt and Ambient Weather have in common: the same hardware sends the same fields.

mod fields;
mod form;

use std::collections::HashSet;

use event_model::{Name, Reading, RecordedRequest};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use self::fields::Field;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device::{self, MAX_RAW_BYTES};
use crate::format::Document;
use crate::measure::{self, Measurement};
use crate::names::{self, cut};
use crate::time::{self, Clock, Moment};
use crate::value::{self, Scalar};
use crate::walk;

pub use form::alias;
pub(crate) use form::redact;

/// What the `ObserverIP` and the WH2600 send in the fields of a sensor that they do not hear.
const ABSENT: f64 = -9999.0;

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields that a station sent.
pub(super) struct Report {
    format: &'static str,
    fields: Vec<(String, String)>,
}

impl Report {
    /// Checks method and content type, and that there are fields at all.
    pub(super) fn parse(format: &'static str, request: &RecordedRequest) -> Result<Self, FormError> {
        if !matches!(request.method.as_str(), "GET" | "POST") {
            return Err(FormError::MethodNotAllowed {
                found: request.method.clone(),
                expected: "GET, POST".into(),
            });
        }
        if request.method == "POST"
            && let Some(found) = request.media_type().filter(|media_type| media_type != FORM)
        {
            return Err(FormError::UnsupportedMediaType { found, expected: FORM.into() });
        }
        let fields = fields_of(request).map_err(FormError::Malformed)?;
        Ok(Self { format, fields })
    }
}

impl Document for Report {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        Ok(Inspection { device: form::station(self.format, &self.fields), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let device: Name = match form::station(self.format, &self.fields) {
            Some(station) => {
                device::normalise(&station).map_err(|reason| DecodeError(Problem::new("", reason)))?.into()
            }
            None => context.unnamed_device().map_err(DecodeError)?,
        };
        let moment = moment(&self.fields, context);
        let mut decoded = Decoded::default();
        let (mut fields, mut repeated) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for (name, text) in &self.fields {
            match read(context, moment, name, text) {
                Ok(Some(Content::Reading(channel, reading))) => {
                    let of = if names.insert(name.as_str()) { &mut fields } else { &mut repeated };
                    of.push(walk::Field { key: name, channel, at: moment.at, reading });
                }
                Ok(Some(Content::Tag)) => {
                    decoded.tags.push((device.clone(), name.to_ascii_lowercase(), text.clone()));
                }
                Ok(None) => {}
                Err(reason) => decoded.problems.note(|| Problem::new(name, reason)),
            }
        }
        // Two fields of one meaning (`tempf` and `tempc`) are two series; a field that is sent twice is one.
        walk::tell_apart(&mut fields);
        for field in fields.into_iter().chain(repeated) {
            decoded.push(&device, &field.channel, field.at, field.reading);
        }
        Ok(decoded)
    }
}

/// The fields of the body, or of the query where there is no body.
fn fields_of(request: &RecordedRequest) -> Result<Vec<(String, String)>, String> {
    let body = std::str::from_utf8(&request.body).map_err(|_| "the form is not valid UTF-8")?;
    let text = if body.trim().is_empty() { request.query.as_str() } else { body };
    let fields = form::fields(text);
    if fields.iter().any(|(name, value)| !name.is_empty() && !value.is_empty()) {
        Ok(fields)
    } else {
        Err("expected form fields (name=value&...) in the body or the query".to_owned())
    }
}

/// What one field holds.
enum Content {
    Reading(Name, Reading),
    Tag,
}

fn read(context: Context<'_>, moment: Moment, name: &str, text: &str) -> Result<Option<Content>, String> {
    let (metric, channel, unit) = match fields::field(name) {
        Field::Envelope => return Ok(None),
        _ if value::is_missing(text) => return Ok(None),
        Field::Tag => return Ok(Some(Content::Tag)),
        Field::Measured { metric, channel, unit } => (Name::known(metric), channel, Some(unit)),
        Field::Battery => (Name::known("battery_state"), device::channel(name), None),
        // What no document names may also be a text that is no measurement.
        Field::Unknown if text.parse::<f64>().is_err() => return Ok(None),
        Field::Unknown => (names::metric(cut(name, MAX_RAW_BYTES)), Name::default(), None),
    };
    // Not as in JSON: `winddir=005` is a number.
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or("expected a number, found another text")?;
    if number == ABSENT {
        return Ok(None);
    }
    let value = Scalar::number(number);
    let measurement = Measurement { metric, raw_metric: context.raw_name("", name), value, unit, moment };
    Ok(measure::reading(context.profile, measurement)?.map(|reading| Content::Reading(channel, reading)))
}

/// `dateutc`, which is in UTC and says so only by its name; `now` and nothing mean the receive time.
fn moment(fields: &[(String, String)], context: Context<'_>) -> Moment {
    let clock = Clock::new(context);
    let stated = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("dateutc"));
    match stated.map(|(_, text)| text.as_str()) {
        None | Some("" | "now") => clock.received(),
        // Some firmwares write `10: 36: 28`.
        Some(text) => {
            let text = text.replace(": ", ":");
            clock.moment(time::parse(&text, &TimeZone::UTC).or_else(|| unpadded(&text)))
        }
    }
}

/// `2018-1-23 4:3:30`, as the `ObserverIP` writes it: without the zeros that ISO 8601 wants.
fn unpadded(text: &str) -> Option<Timestamp> {
    let numbers: Vec<i16> =
        text.split(['-', ' ', ':']).map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [year, rest @ ..] = numbers.as_slice() else { return None };
    let rest: Vec<i8> = rest.iter().map(|number| i8::try_from(*number).ok()).collect::<Option<_>>()?;
    let [month, day, hour, minute, second] = rest[..] else { return None };
    let at = DateTime::new(*year, month, day, hour, minute, second, 0).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests;
