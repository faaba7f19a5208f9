//! The formats, one module each, and the list of them.

pub mod ambient_weather;
pub mod aws_iot_http;
pub mod azure_event_grid;
pub mod chirpstack_v4;
pub mod cloudevents;
pub mod ecowitt;
pub mod influx_line_protocol;
pub mod json;
mod lorawan;
pub mod senml_json;
pub mod tasmota;
pub mod ttn_v3;
pub mod weather_station;

use crate::format::Decoder;

/// Every format that is built, by name.
pub(crate) static ALL: &[&dyn Decoder] = &[
    &ambient_weather::AmbientWeather,
    &aws_iot_http::AwsIotHttp,
    &azure_event_grid::AzureEventGrid,
    &cloudevents::CloudEvents,
    &chirpstack_v4::ChirpstackV4,
    &ecowitt::Ecowitt,
    &influx_line_protocol::InfluxLineProtocol,
    &json::Json,
    &senml_json::SenmlJson,
    &tasmota::Tasmota,
    &ttn_v3::TtnV3,
];
