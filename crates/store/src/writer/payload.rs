use bytes::Bytes;
use event_model::{Name, ReceiptOutcome};
use jiff::Timestamp;
use uuid::Uuid;

use crate::MomentRow;
use crate::RecordPlace;
use crate::dead_letters::DeadLetter;
use crate::floors::Known;
use crate::held::Held;

/// All that one accepted payload leaves in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// What makes a second delivery a second delivery; `None` where that is its receipt, because its id and receive time are
    /// its own and the same at each delivery.
    pub key: Option<ReceiptKey>,
    /// That it was accepted, and what came of it.
    pub receipt: Receipt,
    /// Its moments.
    pub rows: Vec<MomentRow>,
    /// Streams of it that rules watch.
    pub evaluation_requests: Vec<EvaluationRequest>,
    /// What of it could not be taken.
    pub dead_letter: Option<DeadLetter>,
    /// Devices whose `last_seen_at` is moved on to the receive time.
    pub seen: Vec<i32>,
    /// The generation of the registry by which its streams were found.
    pub registry: i64,
    /// What it says of devices that are not known, where its source holds that.
    pub held: Option<Held>,
}

impl Payload {
    pub(super) fn identity(&self) -> Identity<'_> {
        match &self.key {
            Some(ReceiptKey { key, .. }) => Identity::Key(&self.receipt.source, key),
            None => Identity::Receipt(self.receipt.received_at, self.receipt.id),
        }
    }

    /// Whether something of it is written that names a device.
    pub(super) fn names_devices(&self) -> bool {
        !self.rows.is_empty()
            || self.held.is_some()
            || self.dead_letter.is_some()
            || self.receipt.request.is_here()
    }

    /// Gives its rows the generation of its mapping, and leaves out those that lie below the floor of its source.
    pub(super) fn settle(&mut self, known: &Known) {
        let generation = known.generation(self.receipt.pipeline);
        self.rows.iter_mut().for_each(|row| row.generation = generation);
        let Some(floor) = known.of(&self.receipt.source) else { return };
        let expired: usize =
            self.rows.extract_if(.., |row| row.observed_at < floor).map(|row| row.readings()).sum();
        if expired == 0 {
            return;
        }
        let Receipt { readings, expired: of_receipt, .. } = &mut self.receipt;
        // A reading that the payload gives twice is one row's value.
        let expired = if self.rows.is_empty() { *readings } else { expired.min(*readings) };
        (*readings, *of_receipt) = (*readings - expired, *of_receipt + expired);
        let rows = &self.rows;
        self.evaluation_requests.retain_mut(|request| {
            let of_stream = rows.iter().filter(|row| row.stream_id == request.stream_id);
            let first = of_stream.map(|row| row.observed_at).min();
            request.from_at = first.unwrap_or(request.from_at);
            first.is_some()
        });
    }

    /// Whether this, of the same identity as `other`, is the same payload: neither came after the other's key had expired. The
    /// writer's SQL says the same of what is stored.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let within = |key: &Option<ReceiptKey>, at| key.as_ref().is_none_or(|key| at < key.expires_at);
        within(&other.key, self.receipt.received_at) && within(&self.key, other.receipt.received_at)
    }
}

/// What payloads are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Identity<'a> {
    /// A source, and a key of it.
    Key(&'a str, &'a str),
    /// The primary key of a receipt.
    Receipt(Timestamp, Uuid),
}

/// A key that one payload of a source holds until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptKey {
    /// `id:` and the event's id, or `event:` or `body:` and a hash.
    pub key: String,
    /// From when on the same key is another payload.
    pub expires_at: Timestamp,
}

/// One row of `receipt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Derived from the event, so that a second delivery has the same.
    pub id: Uuid,
    /// When `ingest` received the payload.
    pub received_at: Timestamp,
    /// The source's name.
    pub source: Name,
    /// The id of its event.
    pub event_id: String,
    /// The format's name.
    pub format: Name,
    /// The first eight bytes of the hash of the pipeline that decoded it.
    pub pipeline: i64,
    /// The trace that it came with.
    pub traceparent: Option<String>,
    /// What came of it.
    pub outcome: ReceiptOutcome,
    /// How many readings.
    pub readings: usize,
    /// How many more were not stored, since they lie below the floor of their source.
    pub expired: usize,
    /// How many items could not be taken.
    pub problems: usize,
    /// Where its request is kept.
    pub request: KeptRequest,
}

/// Where the request of a payload is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptRequest {
    /// Beside the receipt, as `application/http`.
    Here(Bytes),
    /// In the Kafka record that it came with.
    Record(RecordPlace),
    /// Nowhere.
    No,
}

impl KeptRequest {
    pub(super) const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// How many bytes of it are kept here.
    pub(super) fn len(&self) -> usize {
        self.bytes().map_or(0, <[u8]>::len)
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Here(bytes) => Some(bytes),
            Self::Record(_) | Self::No => None,
        }
    }

    pub(super) fn record(&self) -> Option<&RecordPlace> {
        match self {
            Self::Here(_) | Self::No => None,
            Self::Record(place) => Some(place),
        }
    }
}

/// "Evaluate this stream from here on."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationRequest {
    /// The stream.
    pub stream_id: i32,
    /// The earliest moment that no rule has seen.
    pub from_at: Timestamp,
}
