#![doc = include_str!("../senml_json.md")]

mod quantity;
mod record;
mod resolve;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use event_model::{Quality, Reading, RecordedRequest, Value};
use serde_json::Value as Json;

use self::quantity::Naming;
use self::record::{RecordValue, WrongField};
use self::resolve::{Base, Resolution, Resolved};
use crate::decode::{Context, DecodeError, Decoded, FormError, Intake, Problem, Profile};
use crate::format::Decoder;
use crate::{names, time, value};

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

    fn inspect(&self, request: &RecordedRequest, _profile: &Profile) -> Result<Intake, FormError> {
        if request.method != "POST" {
            return Err(FormError::MethodNotAllowed { found: request.method.clone(), expected: "POST".into() });
        }
        let media_type = request.media_type();
        if let Some(found) = media_type.filter(|found| ![SENML, SENSML, "application/json"].contains(&found.as_str())) {
            let expected = format!("{SENML}, {SENSML}, application/json");
            return Err(FormError::UnsupportedMediaType { found, expected });
        }
        let pack = parse(request).map_err(FormError::Malformed)?;
        check(&pack).map_err(FormError::Unprocessable)?;
        Ok(Intake::default())
    }

    fn decode(&self, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refuse = |reason| DecodeError(Problem { place: String::new(), reason });
        let pack = parse(request).map_err(refuse)?;
        let records = check(&pack).map_err(refuse)?;
        let mut decoded = Decoded::default();
        let mut base = Base::default();
        for (index, record) in records.iter().enumerate() {
            let Json::Object(record) = record else {
                let reason = format!("expected an object, found {}", record::kind(record));
                decoded.problems.push(Problem { place: format!("[{index}]"), reason });
                continue;
            };
            // A base field that cannot be read would shift every record after it.
            base.update(record::base_fields(record).map_err(|wrong| DecodeError(at(index, wrong)))?);
            match record::own_fields(record) {
                Ok(own) => take(index, base.resolve(&own), context, &mut decoded),
                Err(wrong) => decoded.problems.push(at(index, wrong)),
            }
        }
        Ok(decoded)
    }
}

/// The body as JSON. A SensML stream that was cut off is read up to its last whole record.
fn parse(request: &RecordedRequest) -> Result<Json, String> {
    let parsed = serde_json::from_slice(&request.body);
    let error = match parsed {
        Ok(json) => return Ok(json),
        Err(error) => error,
    };
    if error.is_eof() && request.media_type().as_deref() == Some(SENSML) {
        let open = request.body.trim_ascii_end();
        let mut closed = open.strip_suffix(b",").unwrap_or(open).to_vec();
        closed.push(b']');
        if let Ok(json) = serde_json::from_slice(&closed) {
            return Ok(json);
        }
    }
    Err(format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()))
}

/// The records of a pack, if it is one that this version of SenML can read.
fn check(pack: &Json) -> Result<&[Json], String> {
    let Json::Array(records) = pack else {
        return Err(format!("expected an array of records, found {}", record::kind(pack)));
    };
    if records.is_empty() {
        return Err("expected at least one record".to_owned());
    }
    let mut version = None;
    for (index, record) in records.iter().enumerate() {
        let Json::Object(record) = record else { continue };
        if let Some(label) = record::mandatory_unknown(record) {
            return Err(format!("[{index}]: the label `{label}` must be understood and is not known"));
        }
        let Some(stated) = record.get("bver") else { continue };
        let known = stated.as_u64().is_some_and(|stated| (1..=record::VERSION).contains(&stated));
        if !known || version.is_some_and(|version| version != stated) {
            return Err(format!("[{index}].bver: expected one version of at most {} in all records", record::VERSION));
        }
        version = Some(stated);
    }
    Ok(records)
}

fn at(index: usize, wrong: WrongField) -> Problem {
    Problem { place: format!("[{index}].{}", wrong.label), reason: wrong.reason }
}

fn take(index: usize, resolution: Resolution<'_>, context: Context<'_>, decoded: &mut Decoded) {
    let mistake = |label, reason: &str| at(index, WrongField { label, reason: reason.to_owned() });
    match resolution {
        Resolution::Measured(resolved) => match readings(&resolved, context) {
            Ok(readings) => decoded.readings.extend(readings),
            Err(wrong) => decoded.problems.push(at(index, wrong)),
        },
        Resolution::Silent => {}
        Resolution::NoValue => decoded.problems.push(mistake("v", "expected a value or a sum, found neither")),
        Resolution::BadName => decoded.problems.push(mistake(
            "n",
            "expected a name of letters, digits and -:./_ that begins with a letter or a digit",
        )),
    }
}

/// The reading of a record's value, and that of its sum.
fn readings(record: &Resolved<'_>, context: Context<'_>) -> Result<Vec<Reading>, WrongField> {
    let Naming { device, metric, raw } = quantity::name(record.base_name, record.own_name, record.unit);
    let device = names::device(&device).map_err(|error| WrongField { label: "n", reason: error.to_string() })?;
    let seconds = record.time;
    let observed_at = resolve::instant(seconds, context.received_at)
        .ok_or_else(|| WrongField { label: "t", reason: "the time is out of range".to_owned() })?;
    // A stated time is kept, however far away it is; it is only flagged.
    let plausible = time::is_plausible(observed_at, context.received_at);
    let flags = if plausible { Vec::new() } else { vec![time::IMPLAUSIBLE] };
    let template = Reading {
        device,
        channel: String::new(),
        metric,
        value: Value::Flag(false),
        unit: None,
        observed_at,
        quality: Quality::Good,
        flags,
        raw_metric: raw,
    };
    let mut readings = Vec::with_capacity(2);
    if let Some(own) = record.value
        && let Some((value, unit)) = value_of(own, record.unit, &template.metric)?
    {
        readings.push(Reading { value, unit, ..template.clone() });
    }
    if let Some(sum) = record.sum {
        readings.push(Reading {
            metric: format!("{}_sum", template.metric),
            value: Value::Number(sum),
            unit: record.unit.map(|unit| format!("{unit}.s")),
            ..template
        });
    }
    Ok(readings)
}

/// The value in its canonical unit; `None` where the text says that there is none.
fn value_of(
    value: RecordValue<'_>,
    unit: Option<&str>,
    metric: &str,
) -> Result<Option<(Value, Option<String>)>, WrongField> {
    let wrong = |label, reason: &str| WrongField { label, reason: reason.to_owned() };
    let value = match value {
        RecordValue::Number(number) => Value::Number(number),
        RecordValue::Flag(flag) => Value::Flag(flag),
        RecordValue::Text(text) if text.contains('\0') => return Err(wrong("vs", "the text holds a NUL character")),
        RecordValue::Text(text) => match text.trim().parse::<f64>() {
            Ok(number) if unit.is_some() && number.is_finite() => Value::Number(number),
            _ => Value::Text(text.to_owned()),
        },
        RecordValue::Data(text) => {
            Value::Bytes(BASE64_URL.decode(text).map_err(|_| wrong("vd", "expected base64url"))?)
        }
    };
    Ok(Some(match (value, unit) {
        (Value::Number(number), Some(unit)) => {
            let canonical = event_model::units::canonical(number, unit, metric);
            let (number, unit) = canonical.unwrap_or((number, unit));
            (Value::Number(number), Some(unit.to_owned()))
        }
        (value, unit) => (value, unit.map(str::to_owned)),
    }))
}
