//! From a notification to a receiver's message.

use receivers::{Alert, AlertChange, Message};
use store::notifications::Queued;
use uuid::Uuid;

use crate::plan::PlannedMessage;

/// The message of `planned`, about the alert of `alert_key`.
pub(crate) fn message(alert_key: &str, planned: &PlannedMessage<'_>) -> Message {
    let main = planned.main;
    let transition = &main.transition;
    if let AlertChange::More { count, at } = planned.change {
        return Message::more(main.id, count, at, transition.severity);
    }
    Message {
        id: main.id,
        thread: thread(main),
        change: planned.change,
        alert: Alert {
            key: alert_key.to_owned(),
            rule: transition.rule.clone(),
            severity: transition.severity,
            source: transition.source.clone(),
            device: transition.device.clone(),
            channel: transition.device_channel.clone(),
            metric: transition.metric.clone(),
            unit: transition.unit.clone(),
            value: transition.value,
            cause: transition.cause,
            labels: transition.labels.clone(),
            annotations: transition.annotations.clone(),
        },
    }
}

/// The message on this receiver that the thread began with; where that was merged into another one, nothing is lost
/// but the thread.
fn thread(one: &Queued) -> Option<Uuid> {
    let firing = one.firing.and_then(|firing| firing.notification);
    firing.or_else(|| one.retracted.and_then(|back| back.notification))
}
