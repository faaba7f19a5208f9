//! A series as rules and messages see it: one metric of one channel of one device.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The names of a stream: what a selector looks at beside the metric.
#[derive(Debug, Clone, Copy)]
pub struct StreamNames<'a> {
    /// The source's name in `freshet.yaml`.
    pub source: &'a str,
    /// The device's name.
    pub device: &'a str,
    /// The channel; empty where the device has one only.
    pub channel: &'a str,
    /// The tags of source and device.
    pub tags: &'a BTreeMap<String, String>,
}

/// One counting reading of a series: good quality, not from the future.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was measured.
    pub at: Timestamp,
    /// The value in the metric's canonical unit. One that is not finite is a sign of life and nothing else.
    pub value: f64,
}

/// Its names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    /// The source's name in `freshet.yaml`.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The canonical metric.
    pub metric: String,
    /// The unit's symbol; empty if unknown.
    pub unit: String,
    /// The tags of source and device.
    pub tags: BTreeMap<String, String>,
}

impl Series {
    /// The names of its stream.
    pub fn stream(&self) -> StreamNames<'_> {
        StreamNames { source: &self.source, device: &self.device, channel: &self.channel, tags: &self.tags }
    }
}
