//! What the queue gives and takes.

use std::collections::BTreeMap;

use event_model::alert::{NotificationStatus, Severity, TransitionCause, TransitionKind};
use jiff::Timestamp;
use uuid::Uuid;

/// A right to deliver, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: fresh for each [`take`].
    pub id: Uuid,
    /// Until when.
    pub until: Timestamp,
}

/// When a receiver has something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its name in the pipeline file.
    pub receiver: String,
    /// The earliest time.
    pub at: Timestamp,
}

/// The notifications of a message with which a receiver is first notified of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The one that gives the message its id.
    pub main: Uuid,
    /// Those that the message includes.
    pub merged: Vec<Uuid>,
}

/// All open notifications of one alert on one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationGroup {
    /// The alert: rule and series.
    pub alert_key: String,
    /// The receiver's name in the pipeline file.
    pub receiver: String,
    /// Whether one is to be tried now. Else only the fallback is to be notified.
    pub due: bool,
    /// In the order of their transitions; at least one.
    pub queued: Vec<Queued>,
}

/// One open notification and its transition.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// Its id, which is the idempotency key of the message.
    pub id: Uuid,
    /// Whether it was delivered to a receiver that needs repeats.
    pub repeating: bool,
    /// Attempts so far.
    pub attempts: u32,
    /// A process died while it held the lease: the message may have gone out.
    pub interrupted: bool,
    /// When it is to be tried.
    pub next_attempt_at: Timestamp,
    /// When it is to be given up.
    pub give_up_at: Timestamp,
    /// Whether it is here because another receiver gave it up.
    pub is_fallback: bool,
    /// When the fallback is notified too; `None` where it does not, or has.
    pub fallback_at: Option<Timestamp>,
    /// Whether the fallback was notified.
    pub fell_back: bool,
    /// This message stands for so many alerts.
    pub summarizes: Option<u32>,
    /// What it is about.
    pub transition: Transition,
    /// What became of the row that a retraction retracts; `None` where there is none on this receiver.
    pub retracted: Option<RetractedNotification>,
    /// The firing that this transition ends, where there is one.
    pub firing: Option<FiringRow>,
    /// The alert does not fire any more, whatever this transition says.
    pub over: bool,
}

/// A transition with the names of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Its id.
    pub id: i64,
    /// The rule's name.
    pub rule: String,
    /// What happened.
    pub kind: TransitionKind,
    /// When, by event time.
    pub at: Timestamp,
    /// The value that decided, where one did.
    pub value: Option<f64>,
    /// Why; `None` where a later release has a word for it.
    pub cause: Option<TransitionCause>,
    /// How bad it is.
    pub severity: Severity,
    /// The alert's labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, filled in.
    pub annotations: BTreeMap<String, String>,
    /// The trace that it came from.
    pub traceparent: Option<String>,
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel of the device.
    pub device_channel: String,
    /// The metric's name.
    pub metric: String,
    /// Its unit.
    pub unit: String,
}

/// The notification that a retraction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetractedNotification {
    /// Its transition.
    pub transition: i64,
    /// What it said had happened.
    pub kind: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// What became of it on this receiver; `None` where it was never queued there.
    pub status: Option<NotificationStatus>,
    /// Whether the fallback was notified.
    pub fell_back: bool,
    /// Its id on this receiver.
    pub notification: Option<Uuid>,
}

/// The firing that a transition ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiringRow {
    /// When it began.
    pub at: Timestamp,
    /// What became of its notification on this receiver.
    pub status: Option<NotificationStatus>,
    /// Whether the fallback was notified.
    pub fell_back: bool,
    /// The id of its notification on this receiver.
    pub notification: Option<Uuid>,
}

/// What is to be recorded of one notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Its id.
    pub id: Uuid,
    /// Its transition.
    pub transition: i64,
    /// What became of it.
    pub fate: Fate,
    /// Receivers for which the transition is queued too.
    pub fallback: Vec<String>,
}

/// What became of one notification.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The receiver has taken it.
    Delivered,
    /// The receiver has taken it and needs a repeat: due again at `next`, given up after a day of failures.
    Repeating {
        /// When it is to be sent again.
        next: Timestamp,
        /// When the fallback is notified, should the repeats fail; `None` where it does not, or has.
        fallback_at: Option<Timestamp>,
    },
    /// It stays as it is, and the fallback is notified too.
    FellBack,
    /// It was sent, and is repeated no more.
    Ended,
    /// It needs no message of its own.
    Superseded,
    /// It failed for now.
    Retry {
        /// When it is to be tried again.
        next: Timestamp,
        /// Why.
        error: String,
    },
    /// It is given up.
    Failed {
        /// Why.
        error: String,
    },
}
