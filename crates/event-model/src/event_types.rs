//! The CloudEvents `type` of every event: reverse DNS, entity, past tense, major version.
//!
//! A breaking change of an event's `data` is a new type.

/// A request that `ingest` accepted, as `application/http`.
pub const PAYLOAD_RECEIVED: &str = "dev.freshet.payload.received.v1";
/// Readings are in the database; names streams and span, not values. For third parties: no stage of ours wants it.
pub const READINGS_RECORDED: &str = "dev.freshet.readings.recorded.v1";
/// Streams wait to be evaluated: wakes `alert`.
pub const EVALUATION_REQUESTED: &str = "dev.freshet.evaluation.requested.v1";
/// Alert transitions were recorded, and their notifications queued.
pub const ALERTS_CHANGED: &str = "dev.freshet.alerts.changed.v1";
/// Queued notifications have reached the time of their next attempt.
pub const NOTIFICATIONS_DUE: &str = "dev.freshet.notifications.due.v1";
/// Dead letters wait to be kept or to be sent back: wakes `dead-letter`.
pub const DEAD_LETTERS_DUE: &str = "dev.freshet.dead-letters.due.v1";
/// Payloads are held of devices that are known by now, or for too long: wakes `transform`.
pub const HELD_PAYLOADS_DUE: &str = "dev.freshet.held-payloads.due.v1";
/// A job has a slot to be worked on; its `subject` is the job: wakes the service of that name.
pub const JOBS_DUE: &str = "dev.freshet.jobs.due.v1";
/// A notification was given up after its last attempt.
pub const NOTIFICATION_FAILED: &str = "dev.freshet.notification.failed.v1";
/// The tick: what a Knative PingSource emits.
pub const TICK: &str = "dev.knative.sources.ping";

/// Every type that a Freshet stage emits.
pub const EMITTED: [&str; 9] = [
    PAYLOAD_RECEIVED,
    READINGS_RECORDED,
    EVALUATION_REQUESTED,
    ALERTS_CHANGED,
    NOTIFICATIONS_DUE,
    DEAD_LETTERS_DUE,
    HELD_PAYLOADS_DUE,
    JOBS_DUE,
    NOTIFICATION_FAILED,
];

/// Whether an event of this type only wakes a stage: what it is to do is in rows, and the next tick says so again.
pub fn is_hint(event_type: &str) -> bool {
    const HINTS: [&str; 7] = [
        TICK,
        EVALUATION_REQUESTED,
        ALERTS_CHANGED,
        NOTIFICATIONS_DUE,
        DEAD_LETTERS_DUE,
        HELD_PAYLOADS_DUE,
        JOBS_DUE,
    ];
    HINTS.contains(&event_type)
}
