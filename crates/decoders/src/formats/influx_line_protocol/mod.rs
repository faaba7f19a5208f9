#![doc = include_str!("../influx_line_protocol.md")]

mod number;
mod options;
mod parser;
mod point;
mod precision;
mod reading;
mod server;

use event_model::{RecordedRequest, form};
use settings::Fields;

use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::format::{Decoder, Document, Health};
use crate::options::Options;

pub use parser::{Parser, parse};
pub use point::{FieldValue, Point, SyntaxError, SyntaxErrorKind, Tag};
pub use precision::Precision;

/// InfluxDB line protocol, as `/api/v2/write` takes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct InfluxLineProtocol;

/// Query parameters that are credentials: user and password of version 1, and a token.
const CREDENTIALS: [&str; 3] = ["u", "p", "token"];

impl Decoder for InfluxLineProtocol {
    fn name(&self) -> &'static str {
        "influx_line_protocol"
    }

    /// InfluxDB answers 204 to a write; clients of version 1 take nothing else.
    fn success_status(&self) -> u16 {
        204
    }

    fn own_paths(&self) -> &'static [(&'static str, &'static str)] {
        &server::WRITES
    }

    fn health(&self, path: &str, query: &str) -> Option<Health> {
        server::health(path, query)
    }

    fn error_members(&self, status: u16, detail: &str) -> Vec<(&'static str, String)> {
        server::error_members(status, detail)
    }

    fn redact(&self, request: &mut RecordedRequest) {
        let is_credential = |name: &str| CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known));
        request.query = form::without(&request.query, is_credential);
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        options::read(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        if request.method != "POST" {
            return Err(FormError::MethodNotAllowed {
                found: request.method.clone(),
                expected: "POST".into(),
            });
        }
        if let Some(query) = server::query(request) {
            return query;
        }
        let precision = precision(request).map_err(FormError::Malformed)?;
        Ok(Box::new(Lines { precision, lines: parse(&request.body).collect() }))
    }
}

/// The lines of a body, and the unit of their timestamps.
struct Lines<'r> {
    precision: Precision,
    lines: Vec<Result<Point<'r>, SyntaxError>>,
}

impl Document for Lines<'_> {
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError> {
        let mut first_error = None;
        let mut device = None;
        let mut has_point = false;
        for line in &self.lines {
            match line {
                Ok(point) => {
                    let of_point = reading::device_tag(point, profile).map(|(_, device)| device.to_owned());
                    // Only where all points agree is there one device.
                    device = if has_point {
                        device.filter(|device| Some(device) == of_point.as_ref())
                    } else {
                        of_point
                    };
                    has_point = true;
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        if has_point {
            return Ok(Inspection { device, ..Inspection::default() });
        }
        let reason = first_error.map_or_else(
            || "the body holds no points".to_owned(),
            |error| format!("no line can be read; line {}: {error}", error.line),
        );
        Err(FormError::Malformed(reason))
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let mut points = reading::Points::new(context, self.precision);
        for line in &self.lines {
            if decoded.is_full() {
                break;
            }
            match line {
                Ok(point) => points.add(point, &mut decoded),
                Err(error) => decoded.problems.note(|| problem(error.line, error.to_string())),
            }
        }
        points.finish(&mut decoded);
        Ok(decoded)
    }
}

fn problem(line: usize, reason: impl Into<String>) -> Problem {
    Problem { place: format!("line {line}"), reason: reason.into() }
}

/// The precision that the query states; if none, what the version of the API means by that.
fn precision(request: &RecordedRequest) -> Result<Precision, String> {
    let stated = form::fields(&request.query).rfind(|field| field.raw_name == "precision");
    let name = stated.map(|field| field.value()).unwrap_or_default();
    if name.is_empty() {
        let is_version_3 = request.path.ends_with(server::WRITE_3);
        return Ok(if is_version_3 { Precision::Auto } else { Precision::default() });
    }
    Precision::by_name(&name).ok_or_else(|| "the precision is none of ns, us, ms and s".to_owned())
}

#[cfg(test)]
mod tests;
