//! What a batch tells `alert`: for each source one `readings.recorded` of the streams that rules watch.

use std::collections::BTreeMap;

use cloudevents::Event;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::READINGS_RECORDED;
use event_model::events::{EVALUATION_DUE, EXT_EVALUATION, EXT_PARTITION_KEY, ReadingsRecorded, StreamSpan};
use event_model::ids;
use jiff::Timestamp;
use store::{EvaluationRequest, Located, RecordPlace};

use super::record::Record;
use crate::origin::Origin;
use crate::reply::{self, MAX_STREAMS, SOURCE};

/// Watched streams by source.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, Recorded>);

#[derive(Debug)]
struct Recorded {
    first: RecordPlace,
    key: Option<String>,
    traceparent: Option<String>,
    received_at: Timestamp,
    streams: BTreeMap<i32, StreamSpan>,
}

/// An event, and the trace that it belongs to.
pub(super) type Telling = (Event, Option<String>);

impl Told {
    /// Adds what a payload touched, where a rule watches it.
    pub(super) fn add(
        &mut self,
        record: &Record,
        event: &Event,
        origin: &Origin<'_>,
        located: &Located,
        marks: &[EvaluationRequest],
    ) {
        if marks.is_empty() {
            return;
        }
        if !self.0.contains_key(origin.name) {
            let recorded = Recorded {
                first: record.place.clone(),
                key: cloudevent::extension(event, EXT_PARTITION_KEY).map(std::borrow::Cow::into_owned),
                traceparent: record.traceparent.clone(),
                received_at: origin.received_at,
                streams: BTreeMap::new(),
            };
            self.0.insert(origin.name.to_owned(), recorded);
        }
        let Some(recorded) = self.0.get_mut(origin.name) else { return };
        recorded.received_at = recorded.received_at.max(origin.received_at);
        let is_marked = |id: i32| marks.iter().any(|mark| mark.stream_id == id);
        for stream in located.streams.iter().filter(|stream| is_marked(stream.id)) {
            let (from, to) = stream.span();
            let span = recorded.streams.entry(stream.id).or_insert_with(|| reply::span(stream));
            (span.from, span.to) = (span.from.min(from), span.to.max(to));
        }
    }

    /// Whether no rule watches anything of it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The events. Streams beyond what one holds are marked all the same, and `alert` evaluates whatever is marked.
    pub(super) fn events(self) -> Result<Vec<Telling>, EventError> {
        self.0.into_iter().map(|(source, recorded)| recorded.event(source)).collect()
    }
}

impl Recorded {
    fn event(self, source: String) -> Result<Telling, EventError> {
        let RecordPlace { topic, partition, offset } = &self.first;
        let place = [topic, source.as_str(), &partition.to_string(), &offset.to_string()];
        let id = ids::derive(READINGS_RECORDED, &place).to_string();
        let mut event = cloudevent::new(READINGS_RECORDED, SOURCE, &id);
        event.set_extension(EXT_PARTITION_KEY, self.key.unwrap_or(id));
        event.set_extension(EXT_EVALUATION, EVALUATION_DUE);
        cloudevent::set_time(&mut event, self.received_at);
        let streams = self.streams.into_values().take(MAX_STREAMS).collect();
        cloudevent::set_json(&mut event, &ReadingsRecorded { source, streams })?;
        Ok((event, self.traceparent))
    }
}
