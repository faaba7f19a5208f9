//! Readings that would change, kept within bounds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use event_model::reading::ValueKind;
use event_model::{Name, Quality};
use jiff::Timestamp;
use rules::StreamNames;
use store::alerts::StreamRow;

use crate::watched_rules::WatchedRules;

/// Readings that are kept, and looked at, unless another bound is given.
const MOST: usize = 200_000;
/// So many readings weigh as much as the names of a stream.
const STREAM: usize = 8;

/// What payloads would change if they were stored.
#[derive(Debug)]
pub struct ReadingChanges {
    pub(super) streams: BTreeMap<StreamKey, StreamChanges>,
    room: usize,
    left_out: u64,
}

/// A payload, by the pipeline of now.
#[derive(Debug, Clone)]
pub struct ChangingPayload<'a> {
    /// Tags that it gives: (device, tag, value).
    pub tags: &'a [(Name, String, String)],
    /// Its readings, and those that it gives no more.
    pub readings: Vec<ReadingChange<'a>>,
}

/// What becomes of one reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadingChange<'a> {
    /// Its device.
    pub device: &'a str,
    /// Its channel; empty where the device has one only.
    pub channel: &'a str,
    /// The canonical metric.
    pub metric: &'a str,
    /// The unit; empty if unknown.
    pub unit: &'a str,
    /// What kind of value it is.
    pub kind: ValueKind,
    /// When it was measured.
    pub observed_at: Timestamp,
    /// When it was received: of two accounts of a moment the later one stays.
    pub received_at: Timestamp,
    /// What happens.
    pub effect: ReadingEffect,
}

/// What happens to what is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadingEffect {
    /// This value is stored; `None` for a text.
    Stored(Option<f64>, Quality),
    /// The payload gives it, and nothing happens.
    Kept,
    /// The payload gives it no more, and nothing takes its place.
    Emptied,
}

/// A payload's source, and the tags that it gives.
type Origin<'a> = (&'a str, &'a [(Name, String, String)]);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamKey {
    pub(super) source: String,
    pub(super) device: String,
    pub(super) channel: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) kind: ValueKind,
}

/// Of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamChanges {
    /// The earliest moment of the payloads that change something and give this metric.
    given: BTreeMap<String, Timestamp>,
    /// What payloads say of the device.
    pub(super) tags: BTreeMap<String, String>,
    pub(super) series: BTreeMap<SeriesKey, BTreeMap<Timestamp, Account>>,
    /// From here on there are changes that are not kept.
    pub(super) known_until: Option<Timestamp>,
}

/// What a payload says of a moment of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Account {
    pub(super) received_at: Timestamp,
    /// `None`: nothing any more.
    pub(super) reading: Option<(f64, Quality)>,
}

impl Default for ReadingChanges {
    fn default() -> Self {
        Self::up_to(MOST)
    }
}

impl ReadingChanges {
    /// None yet; about `most` of them are kept.
    pub const fn up_to(most: usize) -> Self {
        Self { streams: BTreeMap::new(), room: most, left_out: 0 }
    }

    /// How many changed readings are not kept. What rules make of their streams is known up to the first of them.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Adds what the payloads of a receipt of `source` would do. Where they change nothing, rules do not look at what they give.
    pub fn add(&mut self, source: &str, payloads: &[ChangingPayload<'_>]) {
        let changes = |one: &ReadingChange<'_>| one.effect != ReadingEffect::Kept;
        if !payloads.iter().flat_map(|payload| &payload.readings).any(changes) {
            return;
        }
        for ChangingPayload { tags, readings } in payloads {
            for one in readings.iter().filter(|one| changes(one)) {
                self.keep((source, tags), one);
            }
            self.ask((source, tags), readings);
        }
    }

    /// Asks for the evaluation of the streams that a payload gives readings of, also where nothing of them changes.
    fn ask(&mut self, of: Origin<'_>, readings: &[ReadingChange<'_>]) {
        let given = || readings.iter().filter(|one| one.effect != ReadingEffect::Emptied);
        let mut earliest = BTreeMap::<(&str, &str), Timestamp>::new();
        for one in given() {
            let at = earliest.entry((one.device, one.channel)).or_insert(one.observed_at);
            *at = one.observed_at.min(*at);
        }
        for one in given() {
            let from = earliest[&(one.device, one.channel)];
            if let Some(stream) = self.stream(of, one) {
                match stream.given.get_mut(one.metric) {
                    Some(at) => *at = from.min(*at),
                    None => drop(stream.given.insert(one.metric.to_owned(), from)),
                }
            }
        }
    }

    /// The stream's changes; `None` where it is not there and there is no room for it.
    fn stream(&mut self, (source, tags): Origin<'_>, one: &ReadingChange<'_>) -> Option<&mut StreamChanges> {
        match self.streams.entry(StreamKey::of(source, one)) {
            Entry::Occupied(there) => Some(there.into_mut()),
            Entry::Vacant(free) => {
                self.room = self.room.checked_sub(STREAM)?;
                let of_device = tags.iter().filter(|(device, ..)| *device == *one.device);
                let tags = of_device.map(|(_, tag, value)| (tag.clone(), value.clone())).collect();
                Some(free.insert(StreamChanges { tags, ..StreamChanges::default() }))
            }
        }
    }

    fn keep(&mut self, of: Origin<'_>, one: &ReadingChange<'_>) {
        let has_room = self.room > 0;
        let Some(stream) = self.stream(of, one).filter(|_| has_room) else {
            return self.leave_out(of, one);
        };
        let reading = match one.effect {
            ReadingEffect::Stored(value, quality) => Some((value.unwrap_or(f64::NAN), quality)),
            ReadingEffect::Kept | ReadingEffect::Emptied => None,
        };
        let account = Account { received_at: one.received_at, reading };
        let kept = stream.series.entry(SeriesKey::of(one)).or_default();
        kept.entry(one.observed_at).and_modify(|old| *old = old.or(account)).or_insert(account);
        self.room = self.room.saturating_sub(1);
    }

    fn leave_out(&mut self, (source, _): Origin<'_>, one: &ReadingChange<'_>) {
        (self.room, self.left_out) = (0, self.left_out + 1);
        if let Some(stream) = self.streams.get_mut(&StreamKey::of(source, one)) {
            let until = stream.known_until.unwrap_or(one.observed_at);
            stream.known_until = Some(until.min(one.observed_at));
        }
    }
}

impl Account {
    /// The one of two that stays: that which was received later. What a payload gives it does not take away.
    pub(super) fn or(self, other: Self) -> Self {
        let rank = |account: &Self| (account.received_at, account.reading.is_some());
        if rank(&self) <= rank(&other) { other } else { self }
    }
}

impl StreamKey {
    fn of(source: &str, one: &ReadingChange<'_>) -> Self {
        Self { source: source.to_owned(), device: one.device.to_owned(), channel: one.channel.to_owned() }
    }

    pub(super) fn of_row(row: &StreamRow) -> Self {
        let StreamRow { source, device, channel, .. } = row.clone();
        Self { source, device, channel }
    }
}

impl SeriesKey {
    fn of(one: &ReadingChange<'_>) -> Self {
        Self { metric: one.metric.to_owned(), unit: one.unit.to_owned(), kind: one.kind }
    }
}

impl StreamChanges {
    /// Whether a value is stored.
    pub(super) fn gives_values(&self) -> bool {
        self.series.values().flat_map(BTreeMap::values).any(|account| account.reading.is_some())
    }

    /// The moment from which an evaluation is requested: that of a payload which gives what a rule watches.
    pub(super) fn asked_from(&self, rules: &WatchedRules, stream: StreamNames<'_>) -> Option<Timestamp> {
        let is_watched = |metric: &str| rules.iter().any(|watched| watched.rule.watches(metric, stream));
        self.given.iter().filter(|(metric, _)| is_watched(metric)).map(|(_, from)| *from).min()
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, device, channel } = self;
        write!(f, "{source}/{device}")?;
        if channel.is_empty() { Ok(()) } else { write!(f, "/{channel}") }
    }
}
