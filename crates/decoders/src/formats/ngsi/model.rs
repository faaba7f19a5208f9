//! The names and units of the Smart Data Models, on which FIWARE's platforms agree.
//!
//! Source: smart-data-models, `AirQualityObserved`, `WeatherObserved`, `NoiseLevelObserved`, `Device` ("doc/spec.md" of each): a unit is
//! that of the model unless `unitCode` states another one; `relativeHumidity` and a Device's `batteryLevel` are fractions of 1.

use event_model::Name;

use crate::json::Node;
use crate::walk::Named;

/// The models of what was observed: attribute, metric, unit.
#[rustfmt::skip]
const OBSERVED: &[(&str, &str, &str)] = &[
    ("airQualityIndex", "aqi", "1"),
    ("atmosphericPressure", "pressure", "hPa"),
    ("dewPoint", "dew_point", "Cel"),
    ("feelsLikeTemperature", "feels_like", "Cel"),
    ("gustSpeed", "wind_gust", "m/s"),
    ("illuminance", "illuminance", "lx"),
    ("precipitation", "precipitation", "mm"),
    ("pressure", "pressure", "hPa"),
    ("solarRadiation", "solar_irradiance", "W/m2"),
    ("temperature", "temperature", "Cel"),
    ("windDirection", "wind_direction", "deg"),
    ("windSpeed", "wind_speed", "m/s"),
];

/// What describes an entity, and measures nothing.
const DESCRIPTIONS: [&str; 9] = [
    "address",
    "alternateName",
    "areaServed",
    "dataProvider",
    "description",
    "name",
    "owner",
    "seeAlso",
    "source",
];

/// The last part of a name that is an address (`https://uri.etsi.org/ngsi-ld/default-context/temperature`).
pub(super) fn short(name: &str) -> &str {
    if !name.contains("://") {
        return name;
    }
    name.rsplit(['/', '#']).next().filter(|short| !short.is_empty()).unwrap_or(name)
}

pub(super) fn is_description(attribute: &str) -> bool {
    DESCRIPTIONS.contains(&attribute)
}

/// `refDevice` and the like name another entity.
pub(super) fn is_reference(attribute: &str) -> bool {
    attribute
        .strip_prefix("ref")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// Names an attribute of an entity of type `kind`, and gives the unit that the model has for it.
pub(super) fn name_field(kind: &str, attribute: &str) -> Named {
    let known = OBSERVED.iter().find(|(name, ..)| *name == attribute && kind.ends_with("Observed"));
    match known {
        // Nitrogen oxides: the `x` is no word of its own.
        None if attribute == "NOx" => Named::Metric { metric: Name::known("nox"), unit: None, part: None },
        Some((_, metric, unit)) => {
            Named::Metric { metric: Name::known(metric), unit: Some(Name::known(unit)), part: None }
        }
        None => Named::by_table(attribute),
    }
}

/// Whether a value is a fraction of 1 where others have per cent.
pub(super) fn is_fraction(kind: &str, attribute: &str, value: &Node, unit: Option<&str>) -> bool {
    let number = match value {
        Node::Number(number) => number.value(),
        Node::Text(text) => text.trim().parse().unwrap_or(f64::NAN),
        _ => return false,
    };
    let is_of_model = attribute == "relativeHumidity" || attribute == "batteryLevel" && kind == "Device";
    is_of_model && matches!(unit, None | Some("C62" | "1")) && (0.0..=1.0).contains(&number)
}

/// `-1` of a Device's `batteryLevel`: it could not be determined.
pub(super) fn is_unknown(kind: &str, attribute: &str, value: &Node) -> bool {
    let is_minus_one = matches!(value, Node::Number(number) if number.value() == -1.0);
    attribute == "batteryLevel" && kind == "Device" && is_minus_one
}
