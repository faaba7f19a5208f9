//! What is published once rows are written.

use std::collections::{BTreeMap, BTreeSet};

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{DEAD_LETTERS_DUE, EVALUATION_REQUESTED, READINGS_RECORDED};
use event_model::events::{
    DeadLettersDue, EXT_PARTITION_KEY, EvaluationRequested, ReadingsRecorded, StreamSpan,
};
use event_model::ids;
use jiff::Timestamp;
use payload::{Accepted, Carried};
use pipeline_config::Emit;
use runtime::trace::TraceContext;
use serde::Serialize;
use store::{EvaluationRequest, RecordPlace, ResolvedStreams};

use crate::topic_record::{RecordContent, TopicRecord};

/// An event stays far below what a record of Kafka holds. Requests beyond this are rows all the same, and `alert` evaluates
/// all that rows request.
const MAX_STREAMS: usize = 1000;

/// An event, and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The event.
    pub event: Event,
    /// The trace (W3C Trace Context).
    pub trace: Option<TraceContext>,
}

impl Publication {
    /// What a sink is given.
    pub const fn to_send(&self) -> (&Event, Option<&TraceContext>) {
        (&self.event, self.trace.as_ref())
    }
}

/// What events follow from: a payload, or a batch by one of its records that has something to say.
#[derive(Debug)]
pub(crate) struct Origin {
    /// What their ids are derived of.
    place: Vec<String>,
    key: Option<String>,
    trace: Option<TraceContext>,
    /// The latest receive time: not the time now, so that a second delivery is answered with the same events.
    at: Timestamp,
}

impl Origin {
    /// A payload that came by itself.
    pub(crate) fn of(carried: &Carried, at: Timestamp, trace: Option<&TraceContext>) -> Self {
        let event = carried.event();
        let place = vec![event.source().clone(), event.id().to_owned()];
        Self { place, key: key(carried), trace: trace.cloned(), at }
    }

    /// A payload that came with its record.
    pub(crate) fn of_record(record: &TopicRecord, at: Timestamp) -> Self {
        let RecordPlace { topic, incarnation, partition, offset } = &record.place;
        let numbers = [i64::from(*partition), *offset, i64::from(*incarnation)];
        let names = topic.parts().map(str::to_owned);
        let place = names.chain(numbers.map(|number| number.to_string())).collect();
        let key = match &record.content {
            RecordContent::Event(carried) => key(carried),
            RecordContent::Plain(_) | RecordContent::Unreadable(_) => None,
        };
        Self { place, key, trace: record.trace.clone(), at }
    }
}

fn key(carried: &Carried) -> Option<String> {
    cloudevent::extension(carried.event(), EXT_PARTITION_KEY).map(std::borrow::Cow::into_owned)
}

/// What payloads ask to be published.
#[derive(Debug)]
pub(crate) struct Outgoing {
    emit: Emit,
    stage: &'static str,
    origin: Option<Origin>,
    requested: BTreeSet<i32>,
    /// By source, then stream.
    recorded: BTreeMap<String, BTreeMap<i32, StreamSpan>>,
}

impl Outgoing {
    /// Nothing yet.
    pub(crate) fn new(emit: Emit, stage: &'static str) -> Self {
        Self { emit, stage, origin: None, requested: BTreeSet::new(), recorded: BTreeMap::new() }
    }

    /// Whether `alert` has something to evaluate.
    pub(crate) fn requests_evaluation(&self) -> bool {
        !self.requested.is_empty()
    }

    /// Adds what a payload touched.
    pub(crate) fn add(
        &mut self,
        accepted: &Accepted<'_>,
        resolved: &ResolvedStreams,
        requests: &[EvaluationRequest],
        origin: impl FnOnce() -> Origin,
    ) {
        let recorded = self.emit == Emit::Always && !resolved.streams.is_empty();
        if requests.is_empty() && !recorded {
            return;
        }
        let origin = self.origin.get_or_insert_with(origin);
        origin.at = origin.at.max(accepted.received_at);
        self.requested.extend(requests.iter().map(|request| request.stream_id));
        if recorded {
            let streams = self.recorded.entry(accepted.origin.name.to_owned()).or_default();
            for stream in &resolved.streams {
                let (from, to) = stream.span();
                let span = streams.entry(stream.id).or_insert_with(|| StreamSpan {
                    stream: stream.id,
                    device: stream.device.as_str().to_owned(),
                    channel: stream.channel.as_str().to_owned(),
                    from,
                    to,
                });
                (span.from, span.to) = (span.from.min(from), span.to.max(to));
            }
        }
    }

    /// The events: first the request to evaluate, then what is for third parties.
    pub(crate) fn publications(&self) -> Result<Vec<Publication>, EventError> {
        let Self { stage, origin, requested, recorded, .. } = self;
        let Some(origin) = origin else { return Ok(Vec::new()) };
        let mut publications = Vec::new();
        if !requested.is_empty() {
            let streams = requested.iter().copied().take(MAX_STREAMS).collect();
            let data = EvaluationRequested { streams };
            publications.push(origin.publication(stage, (EVALUATION_REQUESTED, &[]), &data)?);
        }
        for (source, streams) in recorded {
            let mut streams = streams.values().cloned().peekable();
            for part in 0.. {
                let data = ReadingsRecorded {
                    source: source.clone(),
                    streams: streams.by_ref().take(MAX_STREAMS).collect(),
                };
                let place = [source.as_str(), &part.to_string()];
                publications.push(origin.publication(stage, (READINGS_RECORDED, &place), &data)?);
                if streams.peek().is_none() {
                    break;
                }
            }
        }
        Ok(publications)
    }
}

impl Origin {
    /// That dead letters are due, uncounted.
    pub(crate) fn dead_letters_due(&self, stage: &str) -> Result<Publication, EventError> {
        self.publication(stage, (DEAD_LETTERS_DUE, &[]), &DeadLettersDue::default())
    }

    fn publication(
        &self,
        stage: &str,
        (event_type, within): (&str, &[&str]),
        data: &impl Serialize,
    ) -> Result<Publication, EventError> {
        let place: Vec<&str> = self.place.iter().map(String::as_str).chain(within.iter().copied()).collect();
        let id = ids::derive(event_type, &place).to_string();
        let mut event = cloudevent::new(event_type, &format!("/stages/{stage}"), &id);
        event.set_extension(EXT_PARTITION_KEY, self.key.clone().unwrap_or(id));
        cloudevent::set_time(&mut event, self.at);
        cloudevent::set_json(&mut event, data)?;
        Ok(Publication { event, trace: self.trace.clone() })
    }
}
