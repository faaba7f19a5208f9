#![doc = include_str!("../senml_json.md")]

mod quantity;
mod record;
mod resolve;
mod stream;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use event_model::{Name, Reading, RecordedRequest, Value};

use self::quantity::Naming;
use self::record::{RecordValue, WrongField};
use self::resolve::{Base, Resolution, Resolved};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::measure::{self, Measurement};
use crate::time::{Clock, Moment};
use crate::value::{self, Scalar};
use crate::walk::DUPLICATE_KEY;

/// SenML in JSON (RFC 8428).
#[derive(Debug, Clone, Copy, Default)]
pub struct SenmlJson;

const SENML: &str = "application/senml+json";
const SENSML: &str = "application/sensml+json";

/// base64url; RFC 8428 writes it without padding, which is taken all the same.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Decoder for SenmlJson {
    fn name(&self) -> &'static str {
        "senml_json"
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        if request.method != "POST" {
            return Err(FormError::MethodNotAllowed {
                found: request.method.clone(),
                expected: "POST".into(),
            });
        }
        let media_type = request.media_type();
        if let Some(found) =
            media_type.filter(|found| ![SENML, SENSML, "application/json"].contains(&found.as_str()))
        {
            let expected = format!("{SENML}, {SENSML}, application/json");
            return Err(FormError::UnsupportedMediaType { found, expected });
        }
        let (pack, is_broken_off) = parse(request).map_err(FormError::Malformed)?;
        let records = checked(pack).map_err(FormError::Unprocessable)?;
        Ok(Box::new(Pack { records, is_broken_off }))
    }
}

/// The records of a pack, and whether it ends within one more.
struct Pack {
    records: Vec<Node>,
    is_broken_off: bool,
}

impl Document for Pack {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        Ok(Inspection::default())
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let clock = Clock::new(context);
        let mut records = Records { context, clock, decoded: Decoded::default() };
        let mut base = Base::default();
        for (index, record) in self.records.iter().enumerate() {
            if records.decoded.is_full() {
                break;
            }
            let Node::Object(record) = record else {
                records.decoded.problems.note(|| {
                    let reason = format!("expected an object, found {}", record.kind());
                    Problem { place: format!("[{index}]"), reason }
                });
                continue;
            };
            // A base field that cannot be read would shift every record after it.
            base.update(record::base_fields(record).map_err(|wrong| DecodeError(at(index, wrong)))?);
            let flag = record.values().any(|member| member.repeated).then_some(DUPLICATE_KEY);
            match record::own_fields(record) {
                Ok(own) => records.take(index, base.resolve(&own), flag),
                Err(wrong) => records.decoded.problems.push(at(index, wrong)),
            }
        }
        if self.is_broken_off {
            let place = format!("[{}]", self.records.len());
            records
                .decoded
                .problems
                .push(Problem { place, reason: "the stream ends within the record".to_owned() });
        }
        Ok(records.decoded)
    }
}

/// The body as JSON, and whether it ends within a record. A SensML stream that was cut off is read up to its last
/// whole record.
fn parse(request: &RecordedRequest) -> Result<(Node, bool), String> {
    let error = match Node::parse(&request.body) {
        Ok(pack) => return Ok((pack, false)),
        Err(error) => error.to_string(),
    };
    if request.media_type().as_deref() != Some(SENSML) {
        return Err(error);
    }
    let (whole, is_broken_off) = stream::whole_records(&request.body).ok_or_else(|| error.clone())?;
    Node::parse(&whole).map(|pack| (pack, is_broken_off)).map_err(|_| error)
}

/// The records of a pack, if it is one that this version of SenML can read.
fn checked(pack: Node) -> Result<Vec<Node>, String> {
    let Node::List(records) = pack else {
        return Err(format!("expected an array of records, found {}", pack.kind()));
    };
    if records.is_empty() {
        return Err("expected at least one record".to_owned());
    }
    let mut version = None;
    for (index, record) in records.iter().enumerate() {
        let Node::Object(record) = record else { continue };
        if let Some(label) = record::mandatory_unknown(record) {
            return Err(format!("[{index}]: the label `{label}` must be understood and is not known"));
        }
        let Some(stated) = record::version(record) else { continue };
        if !(1.0..=record::VERSION).contains(&stated) || version.is_some_and(|version| version != stated) {
            return Err(format!(
                "[{index}].bver: expected one version of at most {} in all records",
                record::VERSION
            ));
        }
        version = Some(stated);
    }
    Ok(records)
}

fn at(index: usize, wrong: WrongField) -> Problem {
    Problem { place: format!("[{index}].{}", wrong.label), reason: wrong.reason }
}

/// Takes the records of one pack, one after the other.
struct Records<'a> {
    context: Context<'a>,
    clock: Clock,
    decoded: Decoded,
}

impl Records<'_> {
    fn take(&mut self, index: usize, resolution: Resolution<'_>, flag: Option<&'static str>) {
        let mistake = |label, reason: &str| at(index, wrong(label, reason));
        let problem = match resolution {
            Resolution::Measured(resolved) => match self.add(&resolved, flag) {
                Ok(()) => return,
                Err(wrong) => at(index, wrong),
            },
            Resolution::Silent => return,
            Resolution::NoValue => mistake("v", "expected a value or a sum, found neither"),
            Resolution::LongName => mistake("n", "the device's name is longer than 512 bytes"),
            Resolution::BadName => mistake(
                "n",
                "expected a name of letters, digits and -:./_ that begins with a letter, a digit or /",
            ),
        };
        self.decoded.problems.push(problem);
    }

    /// The reading of a record's value, and that of its sum.
    fn add(&mut self, record: &Resolved<'_>, flag: Option<&'static str>) -> Result<(), WrongField> {
        let Naming { device, metric, raw } = quantity::name(record.base_name, record.own_name, record.unit);
        let device = device::normalise(&device).map_err(|reason| wrong("n", reason))?.into();
        let unit = record.unit;
        for (what, name) in [("metric", &*metric), ("unit", unit.unwrap_or_default())] {
            measure::bounded(what, name)
                .map_err(|reason| wrong(if what == "unit" { "u" } else { "n" }, reason))?;
        }
        let moment = self.moment(record.time)?;
        let template = Reading {
            metric,
            value: Value::Flag(false),
            unit: unit.map(Name::from),
            quality: moment.quality,
            flags: moment.flag.into_iter().collect(),
            raw_metric: self.context.raw_name("", &raw),
        };
        let value = record.value.map(|value| self.measured(value, unit, &template, moment)).transpose()?;
        let sum = record.sum.map(|sum| Reading {
            metric: format!("{}_sum", template.metric).into(),
            value: Value::Number(sum),
            unit: unit.map(|unit| format!("{unit}.s").into()),
            ..template
        });
        for mut reading in value.flatten().into_iter().chain(sum) {
            reading.flags.extend(flag);
            self.decoded.push(&device, &Name::default(), moment.at, reading);
        }
        Ok(())
    }

    fn moment(&self, seconds: Option<f64>) -> Result<Moment, WrongField> {
        let Some(seconds) = seconds else { return Ok(self.clock.received()) };
        let at = resolve::instant(seconds, self.context.received_at);
        Ok(self.clock.moment(Some(at.ok_or_else(|| wrong("t", "the time is out of range"))?)))
    }

    /// The reading of a value; `None` where its text says that there is none.
    fn measured(
        &self,
        value: RecordValue<'_>,
        unit: Option<&str>,
        template: &Reading,
        moment: Moment,
    ) -> Result<Option<Reading>, WrongField> {
        let with = |value| Ok(Some(Reading { value, ..template.clone() }));
        let (label, scalar) = match value {
            RecordValue::Flag(flag) => return with(Value::Flag(flag)),
            RecordValue::Data(text) => {
                let bytes = BASE64_URL.decode(text).map_err(|_| wrong("vd", "expected base64url"))?;
                return with(Value::Bytes(bytes));
            }
            // A string is a string; some senders put a quantity into one, and then state its unit.
            RecordValue::Text(text) if unit.is_none() && text.contains('\0') => {
                return Err(wrong("vs", "the text holds a NUL character"));
            }
            RecordValue::Text(text) if unit.is_none() => return with(Value::Text(text.to_owned())),
            RecordValue::Text(text) => ("vs", value::of_text(text, &[])),
            RecordValue::Number(number) if !number.is_finite() => {
                return Err(wrong("v", "the number is out of range"));
            }
            RecordValue::Number(number) => ("v", Scalar::number(number)),
        };
        let (metric, raw_metric) = (template.metric.clone(), template.raw_metric.clone());
        let unit = unit.map(quantity::plain);
        let measurement = Measurement { metric, raw_metric, value: scalar, unit, moment };
        measure::reading(self.context.profile, measurement).map_err(|reason| wrong(label, reason))
    }
}

fn wrong(label: &'static str, reason: impl Into<String>) -> WrongField {
    WrongField { label, reason: reason.into() }
}

#[cfg(test)]
mod tests;
