//! What the next stages are told.

use cloudevents::Event;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{PULSE_RECORDED, READINGS_RECORDED};
use event_model::events::{
    EVALUATION_DUE, EVALUATION_NONE, EXT_EVALUATION, PulseRecorded, ReadingsRecorded, StreamSpan,
};
use jiff::Timestamp;
use store::Located;

/// The `source` of its events.
const SOURCE: &str = "/stages/transform";

/// `readings.recorded`: the streams that a payload touched, and the spans that it wrote.
///
/// # Errors
/// [`EventError`] where the event cannot be built.
pub fn readings_recorded(cause: &Event, source: &str, located: &Located, watched: bool) -> Result<Event, EventError> {
    let streams = located
        .streams
        .iter()
        .map(|stream| {
            let (from, to) = stream.span();
            StreamSpan { stream: stream.id, device: stream.device.clone(), channel: stream.channel.clone(), from, to }
        })
        .collect();
    let mut event = cloudevent::effect(cause, READINGS_RECORDED, SOURCE);
    event.set_extension(EXT_EVALUATION, if watched { EVALUATION_DUE } else { EVALUATION_NONE });
    cloudevent::set_json(&mut event, &ReadingsRecorded { source: source.to_owned(), streams })?;
    Ok(event)
}

/// `pulse.recorded`.
///
/// # Errors
/// [`EventError`] where the event cannot be built.
pub fn pulse_recorded(cause: &Event, at: Timestamp) -> Result<Event, EventError> {
    let mut event = cloudevent::effect(cause, PULSE_RECORDED, SOURCE);
    cloudevent::set_json(&mut event, &PulseRecorded { at })?;
    Ok(event)
}
