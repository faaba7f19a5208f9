//! The subscriptions: which event goes to which stage, and how it is delivered; the timers whose events are among them.

use std::time::Duration;

use event_model::event_types::{
    ALERTS_CHANGED, DEAD_LETTERS_DUE, EVALUATION_REQUESTED, HELD_PAYLOADS_DUE, JOBS_DUE, NOTIFICATIONS_DUE,
    PAYLOAD_RECEIVED, TICK, is_hint,
};

/// One Knative Trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The Trigger's name, which is also its consumer group: never changed.
    pub name: &'static str,
    /// The stage that is delivered to.
    pub stage: &'static str,
    /// The `type` of its events.
    pub event_type: &'static str,
    /// The `subject` of its events, where it is for those of one alone.
    pub subject: Option<&'static str>,
    /// The timer that its events come from, where they do: their `source` is that timer's.
    pub timer: Option<&'static str>,
}

impl Subscription {
    /// How its events are delivered.
    pub fn delivery(&self) -> Delivery {
        Delivery::of(self.event_type)
    }
}

/// Knative's DeliverySpec with linear backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its name in the chart's values: `delivery.payloads`.
    pub name: &'static str,
    /// Of one attempt; longer than the stage's own time-out, so that the stage always answers first.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retry: u32,
    /// The n-th wait is `backoff_delay` x n, n from 1.
    pub backoff_delay: Duration,
    /// Whether what used up its attempts goes to the dead letter sink.
    pub dead_letters: bool,
}

impl Delivery {
    /// Of payloads, our own and foreign ones: 59 minutes of waits, the last of which is 185 s. The Broker has neither a cap nor
    /// `Retry-After`, so that waits which double would leave a payload alone for half an hour after an outage of an hour.
    pub const PAYLOADS: Self =
        Self { name: "payloads", timeout: TIMEOUT, retry: 37, backoff_delay: BACKOFF, dead_letters: true };
    /// Of hints: what they ask for is in rows, and the next tick asks again.
    pub const HINTS: Self =
        Self { name: "hints", timeout: TIMEOUT, retry: 3, backoff_delay: BACKOFF, dead_letters: false };
    /// Each kind.
    pub const ALL: [Self; 2] = [Self::PAYLOADS, Self::HINTS];

    /// That of events of this type.
    pub fn of(event_type: &str) -> Self {
        if is_hint(event_type) { Self::HINTS } else { Self::PAYLOADS }
    }

    /// The longest wait between two attempts.
    pub fn longest_wait(self) -> Duration {
        self.backoff_delay * self.retry
    }
}

const TIMEOUT: Duration = Duration::from_secs(65);
const BACKOFF: Duration = Duration::from_secs(5);

/// A timer: a PingSource on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Its name.
    pub name: &'static str,
    /// The default time between two events.
    pub every: Duration,
    /// The time between two events where neither a rule nor a receiver needs it more often.
    pub rare: Duration,
}

/// The tick: wakes `scheduler`, and nothing else.
pub const TICK_TIMER: Timer =
    Timer { name: "tick", every: Duration::from_secs(5 * 60), rare: Duration::from_secs(60 * 60) };

/// The subscription to the payloads that `ingest` queues.
pub const PAYLOADS: Subscription = subscription("transform-payloads", "transform", PAYLOAD_RECEIVED);

/// Every subscription.
pub const SUBSCRIPTIONS: [Subscription; 10] = [
    PAYLOADS,
    subscription("transform-held", "transform", HELD_PAYLOADS_DUE),
    Subscription { timer: Some(TICK_TIMER.name), ..subscription("scheduler-tick", "scheduler", TICK) },
    subscription("alert-requests", "alert", EVALUATION_REQUESTED),
    subscription("notify-alerts", "notify", ALERTS_CHANGED),
    subscription("notify-due", "notify", NOTIFICATIONS_DUE),
    subscription("dead-letter-due", "dead-letter", DEAD_LETTERS_DUE),
    Subscription { subject: Some("cleanup"), ..subscription("cleanup-due", "cleanup", JOBS_DUE) },
    Subscription { subject: Some("report"), ..subscription("report-due", "report", JOBS_DUE) },
    Subscription { subject: Some("canary"), ..subscription("canary-due", "canary", JOBS_DUE) },
];

/// The `source` of a timer's events: that of a PingSource of this name in this namespace.
pub fn timer_source(namespace: &str, timer: &str) -> String {
    format!("/apis/v1/namespaces/{namespace}/pingsources/{timer}")
}

const fn subscription(name: &'static str, stage: &'static str, event_type: &'static str) -> Subscription {
    Subscription { name, stage, event_type, subject: None, timer: None }
}
