//! The subscriptions: which event goes to which stage, and how it is delivered; the timers whose events are among them.

use std::time::Duration;

use event_model::event_types::{
    ALERTS_CHANGED, DEAD_LETTERS_DUE, EVALUATION_REQUESTED, NOTIFICATIONS_DUE, PAYLOAD_RECEIVED, TICK,
};

/// One Knative Trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The Trigger's name, which is also its consumer group: never changed.
    pub name: &'static str,
    /// The stage that is delivered to.
    pub stage: &'static str,
    /// Exact filter attributes; every one is always present on the events that are meant.
    pub filter: &'static [(&'static str, Filter)],
    /// The order of delivery.
    pub order: Order,
    /// What happens when a delivery fails.
    pub delivery: Delivery,
}

/// What a filter attribute must equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// This text.
    Exactly(&'static str),
    /// The source of the timer of this name, which depends on where it runs.
    Timer(&'static str),
}

/// Knative's `kafka.eventing.knative.dev/delivery.order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Many at once, in no order.
    Unordered,
    /// One at a time a partition.
    Ordered,
}

/// Knative's DeliverySpec with exponential backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Of one attempt; longer than the stage's own time-out, so that the stage always answers first.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retry: u32,
    /// The n-th wait is `backoff_delay` x 2^n, n from 1.
    pub backoff_delay: Duration,
}

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

const DELIVERY: Delivery =
    Delivery { timeout: Duration::from_secs(65), retry: 6, backoff_delay: Duration::from_millis(500) };

/// The subscription to the payloads that `ingest` queues.
pub const PAYLOADS: Subscription =
    subscription("transform-payloads", "transform", &[("type", Filter::Exactly(PAYLOAD_RECEIVED))]);

/// Every subscription.
pub const SUBSCRIPTIONS: [Subscription; 6] = [
    PAYLOADS,
    subscription(
        "scheduler-tick",
        "scheduler",
        &[("type", Filter::Exactly(TICK)), ("source", Filter::Timer(TICK_TIMER.name))],
    ),
    subscription("alert-requests", "alert", &[("type", Filter::Exactly(EVALUATION_REQUESTED))]),
    subscription("notify-alerts", "notify", &[("type", Filter::Exactly(ALERTS_CHANGED))]),
    subscription("notify-due", "notify", &[("type", Filter::Exactly(NOTIFICATIONS_DUE))]),
    subscription("dead-letter-due", "dead-letter", &[("type", Filter::Exactly(DEAD_LETTERS_DUE))]),
];

/// The `source` of a timer's events: that of a PingSource of this name in this namespace.
pub fn timer_source(namespace: &str, timer: &str) -> String {
    format!("/apis/v1/namespaces/{namespace}/pingsources/{timer}")
}

const fn subscription(
    name: &'static str,
    stage: &'static str,
    filter: &'static [(&'static str, Filter)],
) -> Subscription {
    Subscription { name, stage, filter, order: Order::Unordered, delivery: DELIVERY }
}
