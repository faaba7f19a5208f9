//! A series as rules and messages see it: one metric of one channel of one device.

use std::collections::BTreeMap;

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
