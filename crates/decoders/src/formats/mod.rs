//! The formats, one module each, and the list of them.

pub mod ambient_weather;
pub mod ecowitt;
pub mod influx_line_protocol;
pub mod senml_json;
pub mod weather_station;

use crate::format::Decoder;

/// Every format that is built, by name.
pub(crate) static ALL: &[&dyn Decoder] = &[
    &ambient_weather::AmbientWeather,
    &ecowitt::Ecowitt,
    &influx_line_protocol::InfluxLineProtocol,
    &senml_json::SenmlJson,
];
