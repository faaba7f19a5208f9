//! What was decoded as tests look at it: one line a value.

use event_model::{Quality, Value};
use jiff::Timestamp;

use crate::decode::{self, Problem};

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Decoded {
    pub(crate) readings: Vec<Reading>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) tags: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) device: String,
    pub(crate) channel: String,
    pub(crate) metric: String,
    pub(crate) value: Value,
    pub(crate) unit: Option<String>,
    pub(crate) observed_at: Timestamp,
    pub(crate) quality: Quality,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) raw_metric: String,
}

impl From<decode::Decoded> for Decoded {
    fn from(decoded: decode::Decoded) -> Self {
        let readings = decoded.readings().map(|(sample, reading)| Reading {
            device: sample.device.to_string(),
            channel: sample.channel.to_string(),
            metric: reading.metric.to_string(),
            value: reading.value.clone(),
            unit: reading.unit.as_ref().map(ToString::to_string),
            observed_at: sample.observed_at,
            quality: reading.quality,
            flags: reading.flags.clone(),
            raw_metric: reading.raw_metric.as_deref().unwrap_or_default().to_owned(),
        });
        let readings = readings.collect();
        let tags = decoded.tags.into_iter().map(|(device, tag, value)| (device.to_string(), tag, value));
        Self { readings, problems: decoded.problems.into_kept(), tags: tags.collect() }
    }
}
