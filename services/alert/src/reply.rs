//! What the stage answers with.

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{ALERTS_CHANGED, HEARTBEAT_RECORDED, NOTIFICATIONS_DUE, READINGS_RECORDED};
use event_model::events::{
    AlertsChanged, EVALUATION_DUE, EXT_EVALUATION, HeartbeatRecorded, NotificationsDue, ReadingsRecorded,
};
use jiff::Timestamp;
use serde::Serialize;

const SOURCE: &str = "/stages/alert";

/// What an event came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Transitions recorded, retractions among them.
    pub(crate) transitions: u32,
    /// Notifications queued for them.
    pub(crate) notifications: u32,
    /// Streams evaluated.
    pub(crate) streams: u32,
    /// More streams wait than one event may evaluate, and going on is of use.
    pub(crate) more: bool,
}

/// The event that wakes whoever has to go on, if anybody has.
///
/// Where more streams wait this is the stage itself. A reply must not have the type of its cause, lest a loop goes unnoticed, so
/// that the two types that wake the stage take turns; what was queued meanwhile is told to `notify` at the end.
pub(crate) fn reply(
    cause: &Event,
    tally: Tally,
    due: u32,
    now: Timestamp,
) -> Result<Option<Event>, EventError> {
    let Tally { transitions, notifications, more, .. } = tally;
    if more {
        if cause.ty() == HEARTBEAT_RECORDED {
            let data = ReadingsRecorded { source: String::new(), streams: Vec::new() };
            let mut event = effect(cause, READINGS_RECORDED, now, &data)?;
            event.set_extension(EXT_EVALUATION, EVALUATION_DUE);
            return Ok(Some(event));
        }
        return effect(cause, HEARTBEAT_RECORDED, now, &HeartbeatRecorded { at: now }).map(Some);
    }
    if transitions > 0 {
        return effect(cause, ALERTS_CHANGED, now, &AlertsChanged { transitions, notifications }).map(Some);
    }
    if due > 0 {
        return effect(cause, NOTIFICATIONS_DUE, now, &NotificationsDue { due }).map(Some);
    }
    Ok(None)
}

fn effect(
    cause: &Event,
    event_type: &str,
    now: Timestamp,
    data: &impl Serialize,
) -> Result<Event, EventError> {
    let mut event = cloudevent::effect(cause, event_type, SOURCE);
    cloudevent::set_time(&mut event, now);
    cloudevent::set_json(&mut event, data)?;
    Ok(event)
}
