//! The formats, one module each, and the list of them.

pub mod ambient_weather;
pub mod aws_iot_http;
pub mod ecowitt;
pub mod influx_line_protocol;
pub mod json;
pub mod senml_json;
pub mod weather_station;

use crate::format::Decoder;

/// Every format that is built, by name.
pub(crate) static ALL: &[&dyn Decoder] = &[
    &ambient_weather::AmbientWeather,
    &aws_iot_http::AwsIotHttp,
    &ecowitt::Ecowitt,
    &influx_line_protocol::InfluxLineProtocol,
    &json::Json,
    &senml_json::SenmlJson,
];
