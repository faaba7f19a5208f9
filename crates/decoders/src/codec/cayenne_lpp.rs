//! Cayenne Low Power Payload: channel, type and value, one after the other.
//!
//! Source: Cayenne LPP 1.0 and 2.0 (types 0 to 142 of its data type table, which numbers IPSO objects from 3200); the keys are
//! those of The Things Stack's formatter (`relative_humidity_3`), so that a device reads alike whoever decodes it.

use indexmap::IndexMap;

use crate::json::{Member, Node, Number, Object};

/// A value of a type: how many bytes, and what they say.
struct Field {
    /// What stands before the channel's number; with an axis or colour behind it where a type has several values.
    name: &'static str,
    bytes: usize,
    is_signed: bool,
    /// The value is the number divided by this.
    divisor: u32,
}

const fn field(name: &'static str, bytes: usize, is_signed: bool, divisor: u32) -> Field {
    Field { name, bytes, is_signed, divisor }
}

/// The values of each type, in their order.
#[rustfmt::skip]
const TYPES: &[(u8, &[Field])] = &[
    (0, &[field("digital_in", 1, false, 1)]),
    (1, &[field("digital_out", 1, false, 1)]),
    (2, &[field("analog_in", 2, true, 100)]),
    (3, &[field("analog_out", 2, true, 100)]),
    (100, &[field("generic", 4, false, 1)]),
    (101, &[field("luminosity", 2, false, 1)]),
    (102, &[field("presence", 1, false, 1)]),
    (103, &[field("temperature", 2, true, 10)]),
    (104, &[field("relative_humidity", 1, false, 2)]),
    (113, &[field("accelerometer.x", 2, true, 1000), field("accelerometer.y", 2, true, 1000), field("accelerometer.z", 2, true, 1000)]),
    (115, &[field("barometric_pressure", 2, false, 10)]),
    (116, &[field("voltage", 2, false, 100)]),
    (117, &[field("current", 2, false, 1000)]),
    (118, &[field("frequency", 4, false, 1)]),
    (120, &[field("percentage", 1, false, 1)]),
    (121, &[field("altitude", 2, true, 1)]),
    (125, &[field("concentration", 2, false, 1)]),
    (128, &[field("power", 2, false, 1)]),
    (130, &[field("distance", 4, false, 1000)]),
    (131, &[field("energy", 4, false, 1000)]),
    (132, &[field("direction", 2, false, 1)]),
    (133, &[field("unix_time", 4, false, 1)]),
    (134, &[field("gyrometer.x", 2, true, 100), field("gyrometer.y", 2, true, 100), field("gyrometer.z", 2, true, 100)]),
    (135, &[field("colour.r", 1, false, 1), field("colour.g", 1, false, 1), field("colour.b", 1, false, 1)]),
    (136, &[field("gps.latitude", 3, true, 10_000), field("gps.longitude", 3, true, 10_000), field("gps.altitude", 3, true, 100)]),
    (142, &[field("switch", 1, false, 1)]),
];

/// What a frame says: `{"temperature_3": 21.5, "gps_1": {"latitude": ...}}`.
///
/// # Errors
/// The reason, where a type is not known (its length is not, either, so that nothing behind it can be read) or the frame ends within a value.
pub fn decode(frame: &[u8]) -> Result<Node, String> {
    let mut object = empty();
    let mut rest = frame;
    while let [channel, kind, behind @ ..] = rest {
        let at = frame.len() - rest.len();
        let (_, fields) = TYPES
            .iter()
            .find(|(known, _)| known == kind)
            .ok_or_else(|| format!("byte {}: {kind} is no type of Cayenne LPP", at + 1))?;
        rest = behind;
        for field in *fields {
            let Some((bytes, behind)) = rest.split_at_checked(field.bytes) else {
                return Err(format!("byte {at}: the frame ends within a value of type {kind}"));
            };
            rest = behind;
            add(&mut object, (field, *channel), &value(bytes, field));
        }
    }
    if !rest.is_empty() {
        return Err(format!("byte {}: the frame ends behind a channel", frame.len() - rest.len()));
    }
    Ok(Node::Object(object))
}

/// Puts a value where it belongs; a channel that comes twice keeps its last one.
fn add(object: &mut Object, (field, channel): (&Field, u8), value: &str) {
    let value = member(Node::Number(Number::new(value)));
    let Some((group, axis)) = field.name.split_once('.') else {
        object.insert(format!("{}_{channel}", field.name).into(), value);
        return;
    };
    let group =
        object.entry(format!("{group}_{channel}").into()).or_insert_with(|| member(Node::Object(empty())));
    if let Node::Object(axes) = &mut group.node {
        axes.insert(axis.into(), value);
    }
}

const fn member(node: Node) -> Member {
    Member { node, repeated: false }
}

fn empty() -> Box<Object> {
    Box::new(IndexMap::default())
}

/// The number as it is written: bytes in network order, in two's complement where it is signed.
fn value(bytes: &[u8], field: &Field) -> String {
    let unsigned = bytes.iter().fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    let bits = 8 * bytes.len();
    let is_negative = field.is_signed && bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let number = if is_negative { unsigned - (1_i64 << bits) } else { unsigned };
    if field.divisor == 1 {
        return number.to_string();
    }
    (number as f64 / f64::from(field.divisor)).to_string()
}

#[cfg(test)]
mod tests {
    use super::decode;

    fn decoded(hex: &str) -> Result<String, String> {
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        decode(&bytes).map(|node| node.to_string())
    }

    #[test]
    fn the_examples_of_its_documentation_are_read() {
        // Two temperature sensors; a temperature below zero and an accelerometer; GPS.
        for (frame, object) in [
            ("03670110056700FF", r#"{"temperature_3":27.2,"temperature_5":25.5}"#),
            (
                "0167FFD7067104D2FB2E0000",
                r#"{"temperature_1":-4.1,"accelerometer_6":{"x":1.234,"y":-1.234,"z":0}}"#,
            ),
            (
                "018806765FF2960A0003E8",
                r#"{"gps_1":{"latitude":42.3519,"longitude":-87.9094,"altitude":10}}"#,
            ),
            ("", "{}"),
        ] {
            assert_eq!(decoded(frame).as_deref(), Ok(object), "{frame}");
        }
    }

    #[test]
    fn every_type_has_its_scale() {
        for (frame, object) in [
            ("0100FF", r#"{"digital_in_1":255}"#),
            ("0203FF9C", r#"{"analog_out_2":-1}"#),
            ("016401020304", r#"{"generic_1":16909060}"#),
            ("0165FFFF", r#"{"luminosity_1":65535}"#),
            ("016881", r#"{"relative_humidity_1":64.5}"#),
            ("01732794", r#"{"barometric_pressure_1":1013.2}"#),
            ("0174014A017500FA", r#"{"voltage_1":3.3,"current_1":0.25}"#),
            ("0182000004D2", r#"{"distance_1":1.234}"#),
            ("0183000004D2", r#"{"energy_1":1.234}"#),
            ("0187010203", r#"{"colour_1":{"r":1,"g":2,"b":3}}"#),
            ("0186FF9C00000064", r#"{"gyrometer_1":{"x":-1,"y":0,"z":1}}"#),
        ] {
            assert_eq!(decoded(frame).as_deref(), Ok(object), "{frame}");
        }
    }

    #[test]
    fn what_it_cannot_be_is_said_with_its_place() {
        for (frame, reason) in [
            ("0167011002FF00", "byte 5: 255 is no type of Cayenne LPP"),
            ("016701", "byte 0: the frame ends within a value of type 103"),
            ("0167011003", "byte 4: the frame ends behind a channel"),
        ] {
            assert_eq!(decoded(frame), Err(reason.to_owned()));
        }
    }

    #[test]
    fn no_frame_makes_it_panic() {
        let mut state = 1_u64;
        for length in 0..300 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let frame: Vec<u8> = (0..length).map(|_| next()).collect();
            let _ = decode(&frame);
        }
    }
}
