use std::collections::BTreeMap;
use std::sync::Arc;

use event_model::Reading;
use jiff::Timestamp;
use uuid::Uuid;

use super::Tags;
use super::device::{Device, MetricKey, Wanted};
use crate::ReadingRow;

/// The readings of one payload, with what they share.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// The source's name.
    pub source: &'a str,
    /// Tags that the source gives to all its devices.
    pub source_tags: &'a Tags,
    /// Tags that the payload gives: (device, tag, value). They win over the source's.
    pub device_tags: &'a [(String, String, String)],
    /// When the payload was received.
    pub received_at: Timestamp,
    /// Its receipt.
    pub receipt_id: Uuid,
    /// The readings; of two for the same metric and moment the later in this order counts.
    pub readings: &'a [Reading],
}

/// Where a payload's readings go.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The streams that it touches, by device and channel.
    pub streams: Vec<LocatedStream>,
    /// Devices whose `last_seen_at` is to be moved on.
    pub seen: Vec<i32>,
}

/// One stream and what a payload says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LocatedStream {
    /// The stream.
    pub id: i32,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// All tags of the device, those of earlier payloads too.
    pub tags: Tags,
    /// The metrics that this payload gives values of: (name, unit).
    pub metrics: Vec<(String, String)>,
    /// Its moments in order; at least one.
    pub rows: Vec<ReadingRow>,
}

impl LocatedStream {
    /// The earliest and the latest moment.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        let at = |row: Option<&ReadingRow>| row.map(|row| row.observed_at).unwrap_or_default();
        (at(self.rows.first()), at(self.rows.last()))
    }
}

impl<'a> Sighting<'a> {
    /// The devices in the order of their names.
    pub(super) fn wanted_devices(&self) -> Vec<Wanted<'a>> {
        let mut devices: BTreeMap<&str, Wanted<'a>> = BTreeMap::new();
        for reading in self.readings {
            let device = devices.entry(&reading.device).or_insert_with(|| self.wanted(&reading.device));
            device.channels.entry(&reading.channel).or_default().insert(MetricKey::of(reading));
        }
        devices.into_values().collect()
    }

    fn wanted(&self, name: &'a str) -> Wanted<'a> {
        let own = self.device_tags.iter().filter(|(device, _, _)| device == name);
        let own = own.map(|(_, tag, value)| (tag.clone(), value.clone()));
        let tags = self.source_tags.clone().into_iter().chain(own).collect();
        Wanted { name, tags, channels: BTreeMap::new() }
    }

    /// Every reading at its place; `devices` has all that [`Sighting::wanted_devices`] names.
    pub(super) fn located(&self, devices: &BTreeMap<&str, Arc<Device>>) -> Located {
        let mut streams: BTreeMap<(&str, &str), Gathered<'_>> = BTreeMap::new();
        for reading in self.readings {
            let Some(device) = devices.get(reading.device.as_str()) else { continue };
            let Some(channel) = device.channels.get(&reading.channel) else { continue };
            let key = MetricKey::of(reading);
            let Some(position) = channel.position(&key) else { continue };
            let gathered = streams.entry((&reading.device, &reading.channel)).or_insert_with(|| Gathered {
                stream: channel.stream,
                tags: &device.tags,
                metrics: BTreeMap::new(),
                rows: BTreeMap::new(),
            });
            gathered.metrics.insert(position, key);
            gathered
                .rows
                .entry(reading.observed_at)
                .or_insert_with(|| {
                    ReadingRow::new(channel.stream, reading.observed_at, self.received_at, self.receipt_id)
                })
                .set(position, reading);
        }
        let streams = streams.into_iter().map(|((device, channel), gathered)| LocatedStream {
            id: gathered.stream,
            device: device.to_owned(),
            channel: channel.to_owned(),
            tags: gathered.tags.clone(),
            metrics: gathered
                .metrics
                .values()
                .map(|key| (key.name.to_owned(), key.unit.to_owned()))
                .collect(),
            rows: gathered.rows.into_values().collect(),
        });
        let seen = devices.values().filter(|device| device.is_news(self.received_at));
        Located { streams: streams.collect(), seen: seen.map(|device| device.id).collect() }
    }
}

struct Gathered<'a> {
    stream: i32,
    tags: &'a Tags,
    metrics: BTreeMap<usize, MetricKey<'a>>,
    rows: BTreeMap<Timestamp, ReadingRow>,
}
