//! `sensor,value[,createdAt[,longitude,latitude[,height]]]`, a measurement a line.

use smol_str::SmolStr;

use super::measurement::{Measurement, Measurements};
use crate::decode::{FormError, Problem};
use crate::json::Node;

/// The measurements of a text.
///
/// # Errors
/// [`FormError::Malformed`] where it is no text, or empty.
pub(super) fn read(body: &[u8]) -> Result<Measurements, FormError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        FormError::Malformed(format!(
            "the body is not UTF-8: byte {} begins no character",
            error.valid_up_to()
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let each: Vec<_> = lines.map(|(index, line)| of_line(line, format!("line {}", index + 1))).collect();
    if each.is_empty() {
        return Err(FormError::Malformed("the body is empty".to_owned()));
    }
    Ok(Measurements { each, is_one: false })
}

fn of_line(line: &str, place: String) -> Result<Measurement, Problem> {
    let mut fields = line.split(',').map(str::trim);
    let (Some(sensor), Some(value)) = (fields.next().filter(|sensor| !sensor.is_empty()), fields.next())
    else {
        return Err(Problem::new(&place, "expected a sensor and a value, with a comma between them"));
    };
    let text = |text: &str| Node::Text(SmolStr::from(text));
    let at = fields.next().filter(|at| !at.is_empty()).map(text);
    Ok(Measurement { sensor: sensor.to_owned(), value: text(value), at, place })
}
