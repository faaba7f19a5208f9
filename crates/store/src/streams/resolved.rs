use std::collections::BTreeMap;
use std::sync::Arc;

use event_model::{Name, Reading, Sample};
use jiff::Timestamp;
use uuid::Uuid;

use super::Tags;
use super::device::{Device, MetricKey, Wanted};
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

impl<'a> PayloadSamples<'a> {
    /// The devices in the order of their names.
    pub(super) fn wanted_devices(&self) -> Vec<Wanted<'a>> {
        let mut devices: BTreeMap<&str, Wanted<'a>> = BTreeMap::new();
        for sample in self.samples {
            let device = devices.entry(&sample.device).or_insert_with(|| self.wanted(&sample.device));
            let metrics = device.channels.entry(&sample.channel).or_default();
            metrics.extend(sample.readings.iter().map(MetricKey::of));
        }
        devices.into_values().collect()
    }

    fn wanted(&self, name: &'a str) -> Wanted<'a> {
        let own = self.device_tags.iter().filter(|(device, _, _)| *device == name);
        let own = own.map(|(_, tag, value)| (tag.clone(), value.clone()));
        let tags = self.source_tags.clone().into_iter().chain(own).collect();
        Wanted { name, tags, channels: BTreeMap::new() }
    }

    /// Every value at its place; `devices` has all that [`PayloadSamples::wanted_devices`] names.
    pub(super) fn resolved(&self, devices: &BTreeMap<&str, Arc<Device>>) -> ResolvedStreams {
        let mut by_stream = StreamRows::default();
        for sample in self.samples {
            let (device, channel) = (sample.device.as_str(), sample.channel.as_str());
            let Some(known) = devices.get(device) else { continue };
            let Some(stream) = known.channels.get(channel) else { continue };
            let placed = |reading: &'a Reading| Some((stream.position(&MetricKey::of(reading))?, reading));
            let placed: Vec<_> = sample.readings.iter().filter_map(placed).collect();
            if placed.is_empty() {
                continue;
            }
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
        let seen = devices.values().filter(|device| device.is_news(self.received_at));
        ResolvedStreams {
            receipt_id: self.receipt_id,
            streams: by_stream.into_streams(),
            seen: seen.map(|device| device.id).collect(),
        }
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
