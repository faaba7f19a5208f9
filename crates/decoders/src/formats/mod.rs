//! The formats, one module each, and the list of them.

pub mod actility_thingpark;
pub mod airthings;
pub mod ambient_weather;
pub mod aws_iot_http;
pub mod azure_event_grid;
pub mod chirpstack_v4;
pub mod cloudevents;
pub mod ecowitt;
pub mod freshet_readings;
pub mod home_assistant;
pub mod influx_line_protocol;
pub mod json;
mod lorawan;
pub mod loriot;
pub mod milesight;
mod mqtt;
pub mod ngsi;
pub mod opensensemap;
pub mod otlp_metrics;
pub mod particle;
pub mod senml_json;
pub mod sensor_community;
mod several;
pub mod shelly;
pub mod sigfox;
pub mod tasmota;
pub mod ttn_v3;
pub mod weather_station;
pub mod zigbee2mqtt;

use crate::format::Decoder;

/// Every format that is built, in the order of their names.
pub fn all() -> &'static [&'static dyn Decoder] {
    ALL
}

/// The format that `freshet.yaml` names.
pub fn by_name(name: &str) -> Option<&'static dyn Decoder> {
    ALL.iter().copied().find(|format| format.name() == name)
}

/// The format of objects that have no form of a platform.
pub fn plain() -> &'static dyn Decoder {
    &json::Json
}

/// The format whose clients write to paths like this by themselves, and the query parameter that names the source.
pub fn by_own_path(path: &str) -> Option<(&'static dyn Decoder, &'static str)> {
    ALL.iter().copied().find_map(|format| {
        let (_, parameter) = format.own_paths().iter().find(|(own, _)| path.ends_with(own))?;
        Some((format, *parameter))
    })
}

static ALL: &[&dyn Decoder] = &[
    &actility_thingpark::ActilityThingpark,
    &airthings::Airthings,
    &ambient_weather::AmbientWeather,
    &aws_iot_http::AwsIotHttp,
    &azure_event_grid::AzureEventGrid,
    &chirpstack_v4::ChirpstackV4,
    &cloudevents::CloudEvents,
    &ecowitt::Ecowitt,
    &freshet_readings::FreshetReadings,
    &home_assistant::HomeAssistant,
    &influx_line_protocol::InfluxLineProtocol,
    &json::Json,
    &loriot::Loriot,
    &milesight::Milesight,
    &ngsi::Ngsi,
    &opensensemap::Opensensemap,
    &otlp_metrics::OtlpMetrics,
    &particle::Particle,
    &senml_json::SenmlJson,
    &sensor_community::SensorCommunity,
    &shelly::Shelly,
    &sigfox::Sigfox,
    &tasmota::Tasmota,
    &ttn_v3::TtnV3,
    &zigbee2mqtt::Zigbee2Mqtt,
];
