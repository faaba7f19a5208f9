//! What is remembered of one device.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use event_model::Reading;
use event_model::reading::ValueKind;
use jiff::Timestamp;

use super::{MAX_DEVICE_METRICS, MAX_METRICS, Tags};

/// How long a device's `last_seen_at` stands before it is moved on, in microseconds.
const SEEN_INTERVAL: i64 = 60_000_000;

/// In place of the id of one that was erased; ids count from 1.
const NONE: i32 = 0;

/// What a metric is told apart by within its stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MetricKey<'a> {
    pub(super) name: &'a str,
    /// Empty if unknown.
    pub(super) unit: &'a str,
    pub(super) kind: ValueKind,
}

impl<'a> MetricKey<'a> {
    pub(super) fn of(reading: &'a Reading) -> Self {
        Self {
            name: &reading.metric,
            unit: reading.unit.as_deref().unwrap_or_default(),
            kind: reading.value.kind(),
        }
    }
}

/// A device's source and name.
pub(super) type DeviceKey<'a> = (&'a str, &'a str);

/// A device as payloads need it.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// When the last of them was received.
    pub(super) received_at: Timestamp,
    pub(super) tags: Tags,
    pub(super) channels: BTreeMap<&'a str, BTreeSet<MetricKey<'a>>>,
}

/// One position of a stream's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) kind: String,
}

impl Metric {
    pub(super) fn is(&self, key: &MetricKey<'_>) -> bool {
        self.name == key.name && self.unit == key.unit && self.kind == key.kind.as_str()
    }
}

impl From<&MetricKey<'_>> for Metric {
    fn from(key: &MetricKey<'_>) -> Self {
        Self { name: key.name.to_owned(), unit: key.unit.to_owned(), kind: key.kind.as_str().to_owned() }
    }
}

/// A stream of the device; metrics by position.
#[derive(Debug, Clone, Default)]
pub(super) struct Channel {
    pub(super) stream: i32,
    pub(super) metrics: Vec<Metric>,
}

impl Channel {
    pub(super) fn position(&self, key: &MetricKey<'_>) -> Option<usize> {
        self.metrics.iter().position(|metric| metric.is(key))
    }

    pub(super) fn is_full(&self) -> bool {
        self.metrics.len() >= MAX_METRICS
    }
}

/// What the database said of the device last; tags, streams and metrics are only ever added.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: i32,
    pub(super) tags: Arc<Tags>,
    pub(super) channels: BTreeMap<String, Channel>,
    /// What was received before is not stored.
    begins_at: Timestamp,
    /// Microseconds since the epoch.
    last_seen: AtomicI64,
}

impl Device {
    pub(super) fn new(
        id: i32,
        tags: Tags,
        channels: BTreeMap<String, Channel>,
        (begins_at, last_seen): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let last_seen = AtomicI64::new(last_seen.as_microsecond());
        let begins_at = begins_at.unwrap_or(Timestamp::MIN);
        Self { id, tags: Arc::new(tags), channels, begins_at, last_seen }
    }

    /// One that was erased, and is made again by what is received from `begins_at` on.
    pub(super) fn erased(begins_at: Timestamp) -> Self {
        Self::new(NONE, Tags::new(), BTreeMap::new(), (Some(begins_at), Timestamp::MAX))
    }

    /// Whether it is none any more.
    pub(super) const fn was_erased(&self) -> bool {
        self.id == NONE
    }

    /// Has it begin no earlier than then.
    pub(super) fn begin_at(&mut self, begins_at: Timestamp) {
        self.begins_at = self.begins_at.max(begins_at);
    }

    /// Whether it takes, or bars, what was received at this time: one that was erased is none for what comes later.
    pub(super) fn is_there(&self, received_at: Timestamp) -> bool {
        !self.was_erased() || self.bars(received_at)
    }

    /// Whether what was received at this time belongs to a device of its name that was erased.
    pub(super) fn bars(&self, received_at: Timestamp) -> bool {
        received_at < self.begins_at
    }

    pub(super) fn metrics(&self) -> usize {
        self.channels.values().map(|channel| channel.metrics.len()).sum()
    }

    pub(super) fn is_full(&self) -> bool {
        self.metrics() >= MAX_DEVICE_METRICS
    }

    /// Whether nothing of `wanted` is to be added: it is there, or there is no room for it.
    pub(super) fn has_all(&self, wanted: &Wanted<'_>) -> bool {
        self.bars(wanted.received_at)
            || wanted.tags.iter().all(|(tag, value)| self.has_tag(tag, value))
                && wanted.channels.iter().all(|(name, keys)| self.has_metrics(name, keys.iter()))
    }

    pub(super) fn has_tag(&self, tag: &str, value: &str) -> bool {
        self.tags.get(tag).is_some_and(|known| known == value)
    }

    /// Whether these metrics of a channel are there, or there is no room for them.
    pub(super) fn has_metrics<'a>(
        &self,
        channel: &str,
        mut keys: impl Iterator<Item = impl Borrow<MetricKey<'a>>>,
    ) -> bool {
        let channel = self.channels.get(channel);
        let is_placed = |key: &MetricKey<'_>| channel.is_some_and(|channel| channel.position(key).is_some());
        channel.is_some_and(Channel::is_full) || keys.all(|key| is_placed(key.borrow())) || self.is_full()
    }

    /// Whether `last_seen_at` is to be moved on to `at`; says so to one caller a minute.
    pub(super) fn is_news(&self, at: Timestamp) -> bool {
        let at = at.as_microsecond();
        let last = self.last_seen.load(Ordering::Relaxed);
        at.saturating_sub(last) >= SEEN_INTERVAL
            && self.last_seen.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
