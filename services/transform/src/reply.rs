//! The answer to a tick.

use cloudevents::Event;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::HEARTBEAT_RECORDED;
use event_model::events::HeartbeatRecorded;
use jiff::Timestamp;

const SOURCE: &str = "/stages/transform";

/// `heartbeat.recorded`.
pub(crate) fn heartbeat_recorded(cause: &Event, at: Timestamp) -> Result<Event, EventError> {
    let mut event = cloudevent::effect(cause, HEARTBEAT_RECORDED, SOURCE);
    cloudevent::set_time(&mut event, at);
    cloudevent::set_json(&mut event, &HeartbeatRecorded { at })?;
    Ok(event)
}
