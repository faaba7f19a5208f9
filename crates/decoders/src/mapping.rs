//! A field mapping for JSON payloads: where device, channel, time and metrics are, as JSON pointers (RFC 6901).

use std::collections::BTreeMap;

/// How the readings of a JSON payload are found. What is absent falls to the format's documented default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// The array whose elements are items of their own (`/readings`); the pointers below are relative to an item.
    /// `None`: the whole body is one item, or each element where the body is an array.
    pub items: Option<String>,
    /// The device's name; the first pointer that is present wins. A pointer that begins with `^/` starts at the body's root.
    pub device: Vec<String>,
    /// The channel.
    pub channel: Option<String>,
    /// The time of measurement; the first pointer that is present wins.
    pub time: Vec<String>,
    /// The platform's message id.
    pub message_id: Option<String>,
    /// The metrics by canonical name; empty takes every number, flag and text that is not named above.
    pub metrics: BTreeMap<String, MetricMapping>,
    /// Spellings of "no value" beside the usual ones (`NA`, `-999`).
    pub missing: Vec<String>,
}

/// Where one metric is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricMapping {
    /// The value; an array gives one channel per index.
    pub value: String,
    /// The unit as the platform writes it (`Far`, `°F`, `mph`).
    pub unit: Option<String>,
    /// Where the payload states the unit; wins over `unit`.
    pub unit_at: Option<String>,
    /// A channel for this metric only; wins over the mapping's.
    pub channel: Option<String>,
}
