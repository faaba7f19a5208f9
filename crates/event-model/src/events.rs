//! What is in the `data` of each event.
//!
//! `payload.received` has no type here: its `data` is the recorded request itself ([`crate::request`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The media type of `payload.received` data (RFC 9112, section 10.2).
pub const APPLICATION_HTTP: &str = "application/http";

/// CloudEvents extension: the name of the payload's format.
pub const EXT_PAYLOAD_FORMAT: &str = "payloadformat";
/// CloudEvents extension: how the hash of the pipeline begins by which `ingest` accepted the payload.
pub const EXT_PIPELINE_HASH: &str = "pipelinehash";
/// CloudEvents extension: the id of the dead letter that the event was, where it was sent back.
pub const EXT_DEAD_LETTER: &str = "deadletter";
/// How the extensions begin that Knative's Broker adds on the way.
pub const BROKER_PREFIX: &str = "knative";
/// CloudEvents extension: the key that the Broker orders by (Partitioning extension).
pub const EXT_PARTITION_KEY: &str = "partitionkey";

/// `readings.recorded`: what one payload stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadingsRecorded {
    /// The name of the source in `freshet.yaml`.
    pub source: String,
    /// The streams that the payload touched.
    pub streams: Vec<StreamSpan>,
}

/// One stream and the span of time that a payload wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamSpan {
    /// The stream's id in the database.
    pub stream: i32,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The earliest moment written.
    pub from: Timestamp,
    /// The latest moment written.
    pub to: Timestamp,
}

/// `evaluation.requested`: streams wait to be evaluated. `alert` evaluates all that rows request, whatever is named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRequested {
    /// The streams to begin with, by their ids in the database; none after a tick.
    pub streams: Vec<i32>,
}

/// `alerts.changed`: transitions were recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertsChanged {
    /// How many transitions.
    pub transitions: u32,
    /// How many notifications were queued for them.
    pub notifications: u32,
}

/// `notifications.due`: something is to be delivered now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationsDue {
    /// How many notifications are due.
    pub due: u32,
}

/// `dead-letters.due`: dead letters are to be taken from the topic or sent back now. Counted by a tick; a stage that could write
/// again after it could not has not counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeadLettersDue {
    /// How many are to be sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u32>,
    /// How many records wait in the dead letter topic; 0 where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_topic: Option<u64>,
}

/// `held-payloads.due`: payloads are held of devices that are known by now, or for too long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldPayloadsDue {
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u32>,
}

/// `jobs.due`: a job has a slot to be worked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobsDue {
    /// The job's name in `freshet.yaml`, which is the event's `subject` too.
    pub job: String,
}

/// `notification.failed`: a notification was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationFailed {
    /// The notification's id, which every attempt carried as its idempotency key.
    pub notification: String,
    /// The receiver's name in `freshet.yaml`.
    pub receiver: String,
    /// The rule's name in `freshet.yaml`.
    pub rule: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why the last one failed.
    pub reason: String,
    /// How many further notifications were given up at the same time; the database names them.
    #[serde(default)]
    pub others: u32,
}
