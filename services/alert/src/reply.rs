//! What the stage answers with.

use cloudevents::Event;
use evaluate::Summary;
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{ALERTS_CHANGED, EVALUATION_REQUESTED, NOTIFICATIONS_DUE};
use event_model::events::{AlertsChanged, EvaluationRequested, NotificationsDue};
use jiff::Timestamp;
use serde::Serialize;

const SOURCE: &str = "/stages/alert";

/// The event that wakes this stage again where its time was up before all was evaluated. It is no reply, which must not
/// have the type of its cause.
pub(crate) fn continuation(cause: &Event, now: Timestamp) -> Result<Event, EventError> {
    effect(cause, EVALUATION_REQUESTED, now, &EvaluationRequested { streams: Vec::new() })
}

/// The event that wakes `notify`, where it has something to do.
pub(crate) fn reply(
    cause: &Event,
    summary: Summary,
    due: u32,
    now: Timestamp,
) -> Result<Option<Event>, EventError> {
    let Summary { transitions, notifications, .. } = summary;
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
