//! What the stations of Ecowitt and Ambient Weather have in common: the same hardware sends the same fields.

mod fields;
mod form;

use event_model::{Quality, Reading, RecordedRequest, Value};
use jiff::Timestamp;
use jiff::civil::DateTime;

use self::fields::Field;
use crate::decode::{Context, DecodeError, Decoded, FormError, Intake, Problem};
use crate::names;
use crate::time;

pub use form::alias;
pub(super) use form::redact;

const FORM: &str = "application/x-www-form-urlencoded";

/// Checks method and content type, and that there are fields at all.
pub(super) fn inspect(format: &str, request: &RecordedRequest) -> Result<Intake, FormError> {
    if !matches!(request.method.as_str(), "GET" | "POST") {
        return Err(FormError::MethodNotAllowed { found: request.method.clone(), expected: "GET, POST".into() });
    }
    if request.method == "POST"
        && let Some(found) = request.media_type().filter(|media_type| media_type != FORM)
    {
        return Err(FormError::UnsupportedMediaType { found, expected: FORM.into() });
    }
    let fields = fields_of(request).map_err(FormError::Malformed)?;
    Ok(Intake { device: form::station(format, &fields), ..Intake::default() })
}

/// Reads the fields.
pub(super) fn decode(format: &str, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError> {
    let at_body = |reason| DecodeError(Problem { place: String::new(), reason });
    let fields = fields_of(request).map_err(at_body)?;
    let device = match form::station(format, &fields) {
        Some(station) => names::device(&station).map_err(|error| at_body(error.to_string()))?,
        None => context.profile.source.clone(),
    };
    let moment = moment(&fields, context.received_at);
    let mut decoded = Decoded::default();
    for (name, text) in &fields {
        match read(name, text) {
            Ok(Content::Reading { metric, channel, value, unit }) => decoded.readings.push(Reading {
                device: device.clone(),
                channel,
                metric,
                value: Value::Number(value),
                unit,
                observed_at: moment.at,
                quality: moment.quality,
                flags: moment.flags.clone(),
                raw_metric: name.clone(),
            }),
            Ok(Content::Tag) => decoded.tags.push((device.clone(), name.to_ascii_lowercase(), text.clone())),
            Ok(Content::Nothing) => {}
            Err(reason) => decoded.problems.push(Problem { place: name.clone(), reason }),
        }
    }
    Ok(decoded)
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
    Reading { metric: String, channel: String, value: f64, unit: Option<String> },
    Tag,
    Nothing,
}

fn read(name: &str, text: &str) -> Result<Content, String> {
    let known = fields::field(name);
    if matches!(known, Field::Envelope) || is_missing(text) {
        return Ok(Content::Nothing);
    }
    if matches!(known, Field::Tag) {
        return Ok(if text.contains(char::is_control) { Content::Nothing } else { Content::Tag });
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let Some(value) = number else {
        // What no document names may be a text that is no measurement.
        return if known == Field::Unknown { Ok(Content::Nothing) } else { Err("expected a number".to_owned()) };
    };
    Ok(match known {
        Field::Measured { metric, channel, unit } => {
            let (value, unit) = event_model::units::canonical(value, unit, metric).unwrap_or((value, unit));
            Content::Reading { metric: metric.to_owned(), channel, value, unit: Some(unit.to_owned()) }
        }
        Field::Battery => {
            Content::Reading { metric: "battery_state".to_owned(), channel: name.to_owned(), value, unit: None }
        }
        _ => Content::Reading { metric: names::snake_case(name), channel: String::new(), value, unit: None },
    })
}

/// The spellings of "no value" that firmwares use.
fn is_missing(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "" | "--" | "-" | "null" | "nan" | "inf" | "-inf" | "n/a" | "none")
}

/// When it was measured, and how far that can be trusted.
struct Moment {
    at: Timestamp,
    quality: Quality,
    flags: Vec<&'static str>,
}

/// `dateutc`, which is in UTC and says so only by its name; `now` and nothing mean the receive time.
fn moment(fields: &[(String, String)], received_at: Timestamp) -> Moment {
    let stated = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("dateutc")).map(|(_, value)| value.as_str());
    let received = Moment { at: event_model::reading::truncate_to_micros(received_at), quality: Quality::Good, flags: Vec::new() };
    match stated {
        None | Some("" | "now") => received,
        Some(text) => match date_utc(text).filter(|at| time::is_plausible(*at, received_at)) {
            Some(at) => Moment { at, ..received },
            None => Moment { quality: Quality::Uncertain, flags: vec![time::IMPLAUSIBLE], ..received },
        },
    }
}

/// `2021-07-01 20:34:06`, also with `T`, and with the spaces that some firmwares put into the time (`20: 34: 6`).
fn date_utc(text: &str) -> Option<Timestamp> {
    let (date, time) = text.trim().trim_end_matches('Z').split_once([' ', 'T'])?;
    let numbers = |text: &str, separator| {
        text.split(separator).map(|part| part.trim().parse::<i16>().ok()).collect::<Option<Vec<_>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) = (date.as_slice(), time.as_slice()) else { return None };
    let small = |number: i16| i8::try_from(number).ok();
    let (month, day, hour) = (small(*month)?, small(*day)?, small(*hour)?);
    let civil = DateTime::new(*year, month, day, hour, small(*minute)?, small(*second)?, 0).ok()?;
    civil.in_tz("UTC").ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests;
