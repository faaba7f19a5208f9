use std::borrow::Cow;

use event_model::cloudevent::{self, EventError};
use event_model::events::{BROKER_PREFIX, EXT_DEAD_LETTER};
use event_model::{DeadLetterCause as Cause, DeadLetterState as State, ids, storable};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::RecordPlace;

/// An event that could not be handled, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The event.
    pub event: DeadEvent,
    /// The stage that could not handle it.
    pub stage: String,
    /// What kind of failure.
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
    /// The items that could not be taken; empty where it was the event as a whole.
    pub problems: Vec<DeadProblem>,
    /// When it failed.
    pub at: Timestamp,
}

/// A CloudEvent as the table keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadEvent {
    /// Its `source`.
    pub source: String,
    /// Its `id`.
    pub id: String,
    /// Its `type`.
    pub event_type: String,
    /// All attributes and extensions, by name.
    pub attributes: Map<String, Value>,
    /// Its data, byte for byte.
    pub data: Option<Vec<u8>>,
}

/// One item of a payload that made no sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadProblem {
    /// Where in the payload.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Which dead letters; what is absent selects all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Those too that are resolved.
    #[serde(default, skip_serializing)]
    pub resolved_too: bool,
    /// Only those of this cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Of the events of this source: its name, or what its events call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of this device, as far as the payload is of one, or a problem is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Whose reason, or that of a problem, contains this, in whatever case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which failed last at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Which failed last before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A dead letter with its history.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDeadLetter {
    /// Its id.
    pub id: Uuid,
    /// The dead letter; `at` is when it failed last.
    pub dead_letter: DeadLetter,
    /// How often it failed.
    pub deliveries: i32,
    /// When it failed first.
    pub first_at: Timestamp,
    /// How often it was sent back.
    pub replays: i32,
    /// When it was sent back last.
    pub replayed_at: Option<Timestamp>,
    /// Whether it is on its way since then: neither stored nor failed again.
    pub sent_back: bool,
    /// When it came to what it was kept for, or was discarded.
    pub resolved_at: Option<Timestamp>,
    /// Why a person discarded it.
    pub discarded: Option<String>,
}

/// An event that was sent back, as the dead letter that it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBack {
    /// The dead letter's id.
    pub id: Uuid,
    /// The event's `source`.
    pub source: String,
    /// The event's `id`.
    pub event_id: String,
}

impl SentBack {
    /// What `event` says of itself; `None` where it was not sent back.
    pub fn of(event: &cloudevents::Event) -> Option<Self> {
        use cloudevents::AttributesReader as _;
        let id = cloudevent::extension(event, EXT_DEAD_LETTER)?.parse().ok()?;
        Some(Self { id, source: event.source().clone(), event_id: event.id().to_owned() })
    }
}

impl DeadLetter {
    /// The same for the same event at the same stage.
    pub fn id(&self) -> Uuid {
        ids::derive("dead-letter", &[&self.stage, &self.event.source, &self.event.id])
    }

    /// The letter with this in place of what was sent, and without the device that it was of.
    #[must_use]
    pub fn with_data(self, data: Vec<u8>) -> Self {
        let mut letter = self.without_payload();
        letter.event.data = Some(data);
        letter
    }

    /// The letter without what was sent, and without the device that it was of.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.event.data = None;
        self.event.attributes.remove(event_model::events::EXT_PARTITION_KEY);
        self
    }

    /// The letter as the table takes it: PostgreSQL's texts and JSON hold no NUL.
    pub(crate) fn storable(&self) -> Cow<'_, Self> {
        let Self { event: DeadEvent { source, id, event_type, attributes, .. }, reason, problems, .. } = self;
        let has_nul = [source, id, event_type, reason].into_iter().any(|text| text.contains('\0'))
            || problems.iter().any(|problem| problem.place.contains('\0') || problem.reason.contains('\0'))
            || attributes.iter().any(|(name, value)| name.contains('\0') || holds_nul(value));
        if !has_nul {
            return Cow::Borrowed(self);
        }
        let text = |text: &String| storable(text.as_str());
        let problem = |problem: &DeadProblem| DeadProblem {
            place: text(&problem.place),
            reason: text(&problem.reason),
        };
        let value = |value: &Value| match value {
            Value::String(value) => Value::String(text(value)),
            other if holds_nul(other) => Value::String(storable(other.to_string())),
            other => other.clone(),
        };
        Cow::Owned(Self {
            event: DeadEvent {
                source: text(source),
                id: text(id),
                event_type: text(event_type),
                attributes: attributes.iter().map(|(name, held)| (text(name), value(held))).collect(),
                data: self.event.data.clone(),
            },
            stage: self.stage.clone(),
            cause: self.cause,
            reason: text(reason),
            problems: problems.iter().map(problem).collect(),
            at: self.at,
        })
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(entries) => entries.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The type that is kept of what is no event.
const NO_EVENT: &str = "unknown";

impl DeadEvent {
    /// What the table keeps of a Kafka record that holds no event: its headers as attributes. It is named by its place,
    /// so that reading it again is the same dead letter.
    pub fn of_record(place: &RecordPlace, headers: &[(&str, &[u8])], value: Option<&[u8]>) -> Self {
        // JSON in PostgreSQL holds no NUL.
        let text = |bytes: &[u8]| storable(String::from_utf8_lossy(bytes));
        let attribute = |(name, value): &(&str, &[u8])| (text(name.as_bytes()), Value::String(text(value)));
        Self {
            source: match &place.topic.source {
                None => format!("/topics/{}", place.topic.name),
                Some(source) => format!("/sources/{source}/topics/{}", place.topic.name),
            },
            id: match place.incarnation {
                ..=1 => format!("{}-{}", place.partition, place.offset),
                anew => format!("{}-{}-{anew}", place.partition, place.offset),
            },
            event_type: NO_EVENT.to_owned(),
            attributes: headers.iter().map(attribute).collect(),
            data: value.map(<[u8]>::to_vec),
        }
    }

    /// What the table keeps of an event: all but what the Broker added on its way, and what sending it back did.
    pub fn of(event: &cloudevents::Event) -> Self {
        use cloudevents::AttributesReader as _;
        let (headers, data) = cloudevent::to_binary(event);
        let attributes = headers.into_iter().filter_map(|(name, value)| {
            let attribute = name.strip_prefix("ce-").unwrap_or("datacontenttype");
            let is_own = !attribute.starts_with(BROKER_PREFIX) && attribute != EXT_DEAD_LETTER;
            is_own.then(|| (attribute.to_owned(), Value::String(value)))
        });
        Self {
            source: event.source().clone(),
            id: event.id().to_owned(),
            event_type: event.ty().to_owned(),
            attributes: attributes.collect(),
            data: event.data().map(|_| data),
        }
    }

    /// The event again.
    ///
    /// # Errors
    /// [`EventError`] where the kept attributes are those of no valid event.
    pub fn to_event(&self) -> Result<cloudevents::Event, EventError> {
        let headers: Vec<(String, &str)> = self
            .attributes
            .iter()
            .filter_map(|(name, value)| {
                let header =
                    if name == "datacontenttype" { "content-type".to_owned() } else { format!("ce-{name}") };
                Some((header, value.as_str()?))
            })
            .collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
        cloudevent::from_binary(headers, self.data.as_deref().unwrap_or_default())
    }
}

impl StoredDeadLetter {
    /// Where it stands.
    pub const fn state(&self) -> State {
        match (self.resolved_at, self.sent_back) {
            (Some(_), _) if self.discarded.is_some() => State::Discarded,
            (Some(_), _) => State::Resolved,
            (None, true) => State::SentBack,
            (None, false) => State::Open,
        }
    }

    /// The event again, as it is sent back: it says which dead letter it was.
    ///
    /// # Errors
    /// [`EventError`] where the kept attributes are those of no valid event.
    pub fn to_event(&self) -> Result<cloudevents::Event, EventError> {
        let mut event = self.dead_letter.event.to_event()?;
        event.set_extension(EXT_DEAD_LETTER, self.id.to_string());
        Ok(event)
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let Json(problems): Json<Vec<DeadProblem>> = row.try_get("problems")?;
        let Json(attributes): Json<Map<String, Value>> = row.try_get("attributes")?;
        // The table's check constraint names no other causes.
        let cause = row.try_get::<_, &str>("cause")?.parse().unwrap_or(Cause::Rejected);
        let event = DeadEvent {
            source: row.try_get("source")?,
            id: row.try_get("event_id")?,
            event_type: row.try_get("event_type")?,
            attributes,
            data: row.try_get("data")?,
        };
        let (stage, reason, at) = (row.try_get("stage")?, row.try_get("reason")?, row.try_get("last_at")?);
        Ok(Self {
            id: row.try_get("id")?,
            dead_letter: DeadLetter { event, stage, cause, reason, problems, at },
            deliveries: row.try_get("deliveries")?,
            first_at: row.try_get("first_at")?,
            replays: row.try_get("replays")?,
            replayed_at: row.try_get("replayed_at")?,
            sent_back: row.try_get("sent_back")?,
            resolved_at: row.try_get("resolved_at")?,
            discarded: row.try_get("discarded")?,
        })
    }
}
