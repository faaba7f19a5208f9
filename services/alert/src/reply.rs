//! What the stage answers with.

use cloudevents::{AttributesReader as _, Event};
use evaluate::Summary;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{ALERTS_CHANGED, EVALUATION_REQUESTED, HEARTBEAT_RECORDED, NOTIFICATIONS_DUE};
use event_model::events::{AlertsChanged, EvaluationRequested, HeartbeatRecorded, NotificationsDue};
use jiff::Timestamp;
use serde::Serialize;

const SOURCE: &str = "/stages/alert";

/// The event that wakes the stage which has to go on, if one has.
///
/// Where more streams wait this is the stage itself. A reply must not have the type of its cause, lest a loop goes unnoticed, so
/// that the two types that wake the stage alternate; `notify` is woken by the last one.
pub(crate) fn reply(
    cause: &Event,
    summary: Summary,
    due: u32,
    now: Timestamp,
) -> Result<Option<Event>, EventError> {
    let Summary { transitions, notifications, more, .. } = summary;
    if more {
        if cause.ty() == HEARTBEAT_RECORDED {
            let data = EvaluationRequested { streams: Vec::new() };
            return effect(cause, EVALUATION_REQUESTED, now, &data).map(Some);
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
