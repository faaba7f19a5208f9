use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_model::{Name, Reading, Sample};
use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use super::device::{Channel, Device, DeviceKey, MetricKey, Wanted};
use super::{MAX_DEVICE_METRICS, MAX_METRICS, Tags};
use crate::MomentRow;

/// The samples of one payload, with what they share.
#[derive(Debug, Clone, Copy)]
pub struct PayloadSamples<'a> {
    /// The source's name.
    pub source: &'a str,
    /// Tags that the source gives to all its devices.
    pub source_tags: &'a Tags,
    /// Tags that the payload gives: (device, tag, value). They win over the source's.
    pub device_tags: &'a [(Name, String, String)],
    /// When the payload was received.
    pub received_at: Timestamp,
    /// Its receipt.
    pub receipt_id: Uuid,
    /// The samples; of two values of the same metric and moment the later in this order counts.
    pub samples: &'a [Sample],
    /// How many devices it may bring that the source has not had before.
    pub new_devices: NewDevices,
}

/// How many new devices are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDevices {
    /// Of one payload.
    pub per_payload: usize,
    /// Of the source within an hour; `None` is any number.
    pub per_hour: Option<usize>,
}

/// Where a payload's readings go.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedStreams {
    /// The payload's receipt, which its rows name.
    pub receipt_id: Uuid,
    /// The streams that it touches, by device and channel.
    pub streams: Vec<ResolvedStream>,
    /// Devices whose `last_seen_at` is to be moved on.
    pub seen: Vec<i32>,
    /// What there is no room for: new devices together, new metrics by stream.
    pub left_out: Vec<LeftOut>,
}

/// Readings that are not stored, since there is no room for what they measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// How many readings.
    pub readings: usize,
    /// The device, or the first of them.
    pub device: String,
    /// The channel, where the device is known; empty where it has one only.
    pub channel: String,
    /// What is missing.
    pub reason: NoRoom,
}

/// Why there is no room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoom {
    /// Too many new devices.
    #[error("{}: the payload brings more new devices than its source takes at once or within an hour", and_more(first, *devices))]
    Devices {
        /// The first of them.
        first: String,
        /// How many.
        devices: usize,
    },
    /// The stream has all the metrics that it may have.
    #[error("{}: a channel of a device has at most {MAX_METRICS} metrics, and these would be new", and_more(first, *metrics))]
    StreamMetrics {
        /// The first of the metrics that are left out.
        first: String,
        /// How many.
        metrics: usize,
    },
    /// The device has.
    #[error("{}: a device has at most {MAX_DEVICE_METRICS} metrics, and these would be new", and_more(first, *metrics))]
    DeviceMetrics {
        /// The first of the metrics that are left out.
        first: String,
        /// How many.
        metrics: usize,
    },
}

fn and_more(first: &str, all: usize) -> String {
    if all > 1 { format!("`{first}` and {} more", all - 1) } else { format!("`{first}`") }
}

/// One stream and what a payload says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedStream {
    /// The stream.
    pub id: i32,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// All tags of the device, those of earlier payloads too.
    pub tags: Tags,
    /// The names of the metrics that this payload gives values of, by position.
    pub metrics: Vec<String>,
    /// Its moments in order; at least one.
    pub rows: Vec<MomentRow>,
}

impl ResolvedStream {
    /// The earliest and the latest moment.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        let at = |row: Option<&MomentRow>| row.map(|row| row.observed_at).unwrap_or_default();
        (at(self.rows.first()), at(self.rows.last()))
    }
}

/// What payloads need of their devices, in the order of their keys.
pub(super) fn wanted_devices<'a>(payloads: &[PayloadSamples<'a>]) -> BTreeMap<DeviceKey<'a>, Wanted<'a>> {
    let mut devices: BTreeMap<DeviceKey<'a>, Wanted<'a>> = BTreeMap::new();
    for payload in payloads {
        let (received_at, mut own) = (payload.received_at, payload.tags_by_device());
        for sample in payload.samples {
            let want = devices.entry((payload.source, &sample.device)).or_insert_with(|| Wanted {
                received_at,
                tags: payload.source_tags.clone(),
                channels: BTreeMap::new(),
            });
            want.tags.extend(own.remove(sample.device.as_str()).into_iter().flatten());
            let metrics = want.channels.entry(&sample.channel).or_default();
            metrics.extend(sample.readings.iter().map(MetricKey::of));
        }
    }
    devices
}

impl<'a> PayloadSamples<'a> {
    /// The devices of its samples; one for each sample.
    pub(super) fn device_keys(&self) -> impl Iterator<Item = DeviceKey<'a>> {
        let source = self.source;
        self.samples.iter().map(move |sample| (source, sample.device.as_str()))
    }

    fn tags_by_device(&self) -> BTreeMap<&'a str, Vec<(String, String)>> {
        let mut tags: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (device, tag, value) in self.device_tags {
            tags.entry(device).or_default().push((tag.clone(), value.clone()));
        }
        tags
    }

    /// Every value at its place; what has none in `devices` is left out.
    pub(super) fn resolved(&self, devices: &BTreeMap<DeviceKey<'_>, Arc<Device>>) -> ResolvedStreams {
        let mut by_stream = StreamRows::default();
        let mut left_out = Gathered::default();
        let mut seen = BTreeMap::new();
        for sample in self.samples {
            let (device, channel) = (sample.device.as_str(), sample.channel.as_str());
            let Some(known) = devices.get(&(self.source, device)) else {
                left_out.device(sample);
                continue;
            };
            seen.insert(known.id, known);
            let stream = known.channels.get(channel);
            let position = |reading| stream.and_then(|stream| stream.position(&MetricKey::of(reading)));
            let mut placed = Vec::with_capacity(sample.readings.len());
            for reading in &sample.readings {
                match position(reading) {
                    Some(position) => placed.push((position, reading)),
                    None => left_out.metric(sample, reading, stream),
                }
            }
            let Some(stream) = stream.filter(|_| !placed.is_empty()) else { continue };
            let stream_rows = by_stream.stream(device, channel, || ResolvedStream {
                id: stream.stream,
                device: device.to_owned(),
                channel: channel.to_owned(),
                tags: known.tags.clone(),
                metrics: Vec::new(),
                rows: Vec::new(),
            });
            for (position, reading) in &placed {
                stream_rows.add_metric(*position, &reading.metric);
            }
            let row = stream_rows.row(sample.observed_at, || {
                MomentRow::new(stream.stream, sample.observed_at, self.received_at, self.receipt_id)
            });
            for (position, reading) in placed {
                row.set(position, reading);
            }
        }
        let seen = seen.into_values().filter(|device| device.is_news(self.received_at));
        ResolvedStreams {
            receipt_id: self.receipt_id,
            streams: by_stream.into_streams(),
            seen: seen.map(|device| device.id).collect(),
            left_out: left_out.into_list(),
        }
    }
}

/// What is left out of a payload.
#[derive(Default)]
struct Gathered<'a> {
    devices: BTreeSet<&'a str>,
    readings_of_devices: usize,
    metrics: BTreeMap<(&'a str, &'a str), GatheredMetrics<'a>>,
}

#[derive(Default)]
struct GatheredMetrics<'a> {
    keys: BTreeSet<MetricKey<'a>>,
    readings: usize,
    stream_is_full: bool,
}

impl<'a> Gathered<'a> {
    fn device(&mut self, sample: &'a Sample) {
        self.devices.insert(&sample.device);
        self.readings_of_devices += sample.readings.len();
    }

    fn metric(&mut self, sample: &'a Sample, reading: &'a Reading, stream: Option<&Channel>) {
        let of_stream = self.metrics.entry((&sample.device, &sample.channel)).or_default();
        of_stream.keys.insert(MetricKey::of(reading));
        of_stream.readings += 1;
        of_stream.stream_is_full = stream.is_some_and(Channel::is_full);
    }

    fn into_list(self) -> Vec<LeftOut> {
        let mut list = Vec::new();
        if let Some(first) = self.devices.first() {
            list.push(LeftOut {
                readings: self.readings_of_devices,
                device: (*first).to_owned(),
                channel: String::new(),
                reason: NoRoom::Devices { first: (*first).to_owned(), devices: self.devices.len() },
            });
        }
        for ((device, channel), GatheredMetrics { keys, readings, stream_is_full }) in self.metrics {
            let first = keys.first().map(|key| key.name.to_owned()).unwrap_or_default();
            let metrics = keys.len();
            let reason = if stream_is_full {
                NoRoom::StreamMetrics { first, metrics }
            } else {
                NoRoom::DeviceMetrics { first, metrics }
            };
            list.push(LeftOut { readings, device: device.to_owned(), channel: channel.to_owned(), reason });
        }
        list
    }
}

/// Streams and moments in the order in which samples name them; the indexes hold places alone, so that their nodes are small.
#[derive(Default)]
struct StreamRows<'a> {
    streams: Vec<RowsOfStream>,
    index: BTreeMap<(&'a str, &'a str), usize>,
}

struct RowsOfStream {
    stream: ResolvedStream,
    positions: Vec<usize>,
    rows: BTreeMap<Timestamp, usize>,
}

impl<'a> StreamRows<'a> {
    fn stream(
        &mut self,
        device: &'a str,
        channel: &'a str,
        make: impl FnOnce() -> ResolvedStream,
    ) -> &mut RowsOfStream {
        let next = self.streams.len();
        let place = *self.index.entry((device, channel)).or_insert(next);
        if place == next {
            self.streams.push(RowsOfStream { stream: make(), positions: Vec::new(), rows: BTreeMap::new() });
        }
        &mut self.streams[place]
    }

    fn into_streams(self) -> Vec<ResolvedStream> {
        let mut streams: Vec<ResolvedStream> =
            self.streams.into_iter().map(|stream_rows| stream_rows.stream).collect();
        streams.sort_unstable_by(|a, b| (&a.device, &a.channel).cmp(&(&b.device, &b.channel)));
        for stream in &mut streams {
            stream.rows.sort_unstable_by_key(|row| row.observed_at);
        }
        streams
    }
}

impl RowsOfStream {
    fn add_metric(&mut self, position: usize, name: &str) {
        if let Err(place) = self.positions.binary_search(&position) {
            self.positions.insert(place, position);
            self.stream.metrics.insert(place, name.to_owned());
        }
    }

    fn row(&mut self, at: Timestamp, make: impl FnOnce() -> MomentRow) -> &mut MomentRow {
        let rows = &mut self.stream.rows;
        let next = rows.len();
        let place = *self.rows.entry(at).or_insert(next);
        if place == next {
            rows.push(make());
        }
        &mut rows[place]
    }
}
