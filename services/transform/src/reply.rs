//! Encode, the answer.

use cloudevents::Event;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{HEARTBEAT_RECORDED, READINGS_RECORDED};
use event_model::events::{
    EVALUATION_DUE, EVALUATION_NONE, EXT_EVALUATION, HeartbeatRecorded, ReadingsRecorded, StreamSpan,
};
use jiff::Timestamp;
use store::{Located, LocatedStream};

pub(crate) const SOURCE: &str = "/stages/transform";
/// An event stays far below what a record holds. Streams beyond this are marked all the same, and `alert` evaluates
/// whatever is marked.
pub(crate) const MAX_STREAMS: usize = 1000;

/// `readings.recorded`; `None` where there was no reading.
pub(crate) fn readings_recorded(
    cause: &Event,
    source: &str,
    located: &Located,
    (received_at, is_due): (Timestamp, bool),
) -> Result<Option<Event>, EventError> {
    if located.streams.is_empty() {
        return Ok(None);
    }
    let streams = located.streams.iter().take(MAX_STREAMS).map(span);
    let data = ReadingsRecorded { source: source.to_owned(), streams: streams.collect() };
    let mut event = cloudevent::effect(cause, READINGS_RECORDED, SOURCE);
    event.set_extension(EXT_EVALUATION, if is_due { EVALUATION_DUE } else { EVALUATION_NONE });
    // Not the time now: a second delivery is answered with the same event.
    cloudevent::set_time(&mut event, received_at);
    cloudevent::set_json(&mut event, &data)?;
    Ok(Some(event))
}

/// A stream and the span that a payload says something of.
pub(crate) fn span(stream: &LocatedStream) -> StreamSpan {
    let (from, to) = stream.span();
    StreamSpan { stream: stream.id, device: stream.device.clone(), channel: stream.channel.clone(), from, to }
}

/// `heartbeat.recorded`.
pub(crate) fn heartbeat_recorded(cause: &Event, at: Timestamp) -> Result<Event, EventError> {
    let mut event = cloudevent::effect(cause, HEARTBEAT_RECORDED, SOURCE);
    cloudevent::set_time(&mut event, at);
    cloudevent::set_json(&mut event, &HeartbeatRecorded { at })?;
    Ok(event)
}
