//! Which metric a state is of.

use event_model::Name;

use super::state::State;
use crate::names;

/// The metric of an entity that says nothing about what it is.
const STATE: Name = Name::known("state");

/// The entity's `device_class` in canonical form, where it says what is measured; else `state`. A cover's class (`shutter`) or
/// a switch's (`outlet`) says what the thing is. What a binary sensor tells of `power` or `moisture` is `on` or `off`, and no quantity.
///
/// Source: Home Assistant developer documentation, "Sensor entity", "Binary sensor entity", "Number entity".
pub(super) fn metric(state: &State<'_>) -> Name {
    let Some(class) = state.attribute("device_class").filter(|class| is_word(class)) else { return STATE };
    let metric = names::metric(class);
    match state.domain() {
        "binary_sensor" if names::default_unit(&metric).is_some() || metric == "battery" => STATE,
        "sensor" | "number" | "input_number" | "binary_sensor" | "" => metric,
        _ => STATE,
    }
}

/// Device classes are words of small letters, digits and underscores; Home Assistant takes no other.
fn is_word(class: &str) -> bool {
    (1..=64).contains(&class.len())
        && class.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
