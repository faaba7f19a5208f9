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
    /// Only those of which somebody says something ([`crate::registry`]); what comes of others is held ([`crate::held`]).
    pub known_only: bool,
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
    /// Devices that are not known, of a source that holds what comes of them, and how many readings.
    pub held: BTreeMap<String, usize>,
    /// Devices that were erased after the payload was received, and how many readings. Nothing of them is kept.
    pub erased: BTreeMap<String, usize>,
    /// The generation of the registry by which they were found.
    pub registry: i64,
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
    pub device: Name,
    /// The channel; empty where the device has one only.
    pub channel: Name,
    /// All tags of the device, those of earlier payloads too.
    pub tags: Arc<Tags>,
    /// The names of the metrics that this payload gives values of, by position.
    pub metrics: Vec<Name>,
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
            want.received_at = want.received_at.max(received_at);
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

    fn gives_tag(&self, device: &str, tag: &str) -> bool {
        self.device_tags.iter().any(|(of, name, _)| *of == device && name == tag)
    }

    fn tags_by_device(&self) -> BTreeMap<&'a str, Vec<(String, String)>> {
        let mut tags: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (device, tag, value) in self.device_tags {
            tags.entry(device).or_default().push((tag.clone(), value.clone()));
        }
        tags
    }

    /// Whether nothing is to be added for the payload, as [`Device::has_all`] says it.
    pub(super) fn needs_nothing_of<'d>(&self, device: impl Fn(&'a str) -> Option<&'d Arc<Device>>) -> bool {
        self.samples.iter().all(|sample| {
            let Some(known) = device(&sample.device).filter(|known| known.is_there(self.received_at)) else {
                return false;
            };
            if known.bars(self.received_at) {
                return true;
            }
            let has_tag = |(tag, value): (&String, &String)| {
                known.has_tag(tag, value) || self.gives_tag(&sample.device, tag)
            };
            self.source_tags.iter().all(has_tag)
                && known.has_metrics(&sample.channel, sample.readings.iter().map(MetricKey::of))
        }) && self.device_tags.iter().all(|(name, tag, value)| {
            device(name).is_some_and(|known| known.bars(self.received_at) || known.has_tag(tag, value))
        })
    }

    /// Every value at its place; what has none in `devices` is left out.
    pub(super) fn resolved<'d>(
        &self,
        device: impl Fn(&'a str) -> Option<&'d Arc<Device>>,
        registry: i64,
    ) -> ResolvedStreams {
        let mut left_out = Gathered::default();
        let (mut streams, mut seen) = (Vec::<ResolvedStream>::new(), Vec::new());
        let (mut held, mut erased) = (BTreeMap::new(), BTreeMap::new());
        // Of a metric and moment the later sample counts: the order of equals stays.
        let mut samples: Vec<&Sample> = self.samples.iter().collect();
        samples.sort_by(|a, b| {
            (&*a.device, &*a.channel, a.observed_at).cmp(&(&*b.device, &*b.channel, b.observed_at))
        });
        for of_device in samples.chunk_by(|a, b| a.device == b.device) {
            let known = device(&of_device[0].device).filter(|known| known.is_there(self.received_at));
            let Some(known) = known else {
                if self.new_devices.known_only {
                    let readings = of_device.iter().map(|sample| sample.readings.len()).sum();
                    held.insert(of_device[0].device.to_string(), readings);
                } else {
                    of_device.iter().for_each(|sample| left_out.device(sample));
                }
                continue;
            };
            if known.bars(self.received_at) {
                let readings = of_device.iter().map(|sample| sample.readings.len()).sum();
                erased.insert(of_device[0].device.to_string(), readings);
                continue;
            }
            if known.is_news(self.received_at) {
                seen.push(known.id);
            }
            for of_channel in of_device.chunk_by(|a, b| a.channel == b.channel) {
                let channel = known.channels.get(of_channel[0].channel.as_str());
                // By position.
                let mut metrics: Vec<Option<Name>> = Vec::new();
                let mut rows = Vec::with_capacity(of_channel.len());
                for of_moment in of_channel.chunk_by(|a, b| a.observed_at == b.observed_at) {
                    rows.extend(self.row(of_moment, channel, &mut metrics, &mut left_out));
                }
                if let Some(channel) = channel.filter(|_| !rows.is_empty()) {
                    streams.push(ResolvedStream {
                        id: channel.stream,
                        device: of_channel[0].device.clone(),
                        channel: of_channel[0].channel.clone(),
                        tags: Arc::clone(&known.tags),
                        metrics: metrics.into_iter().flatten().collect(),
                        rows,
                    });
                }
            }
        }
        let left_out = left_out.into_list();
        ResolvedStreams { receipt_id: self.receipt_id, streams, seen, left_out, held, erased, registry }
    }

    /// The row of what is said of one moment of a stream, if there is room for anything of it.
    fn row(
        &self,
        samples: &[&'a Sample],
        channel: Option<&Channel>,
        metrics: &mut Vec<Option<Name>>,
        left_out: &mut Gathered<'a>,
    ) -> Option<MomentRow> {
        let mut row = None;
        for sample in samples {
            for reading in &sample.readings {
                let place =
                    channel.and_then(|channel| Some((channel, channel.position(&MetricKey::of(reading))?)));
                let Some((channel, position)) = place else {
                    left_out.metric(sample, reading, channel);
                    continue;
                };
                if metrics.len() <= position {
                    metrics.resize(position + 1, None);
                }
                metrics[position].get_or_insert_with(|| reading.metric.clone());
                let row: &mut MomentRow = row.get_or_insert_with(|| {
                    MomentRow::new(channel.stream, sample.observed_at, self.received_at, self.receipt_id)
                });
                row.set(position, reading);
            }
        }
        row
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
