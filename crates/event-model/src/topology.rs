//! Which stage wants which event, how many at once, in which order and for how long: declared once, here.
//!
//! `knative-local` builds its Triggers and services from this table, and the chart's tests compare with it.

use std::time::Duration;

use crate::event_types::{
    ALERTS_CHANGED, HEARTBEAT_RECORDED, NOTIFICATIONS_DUE, PAYLOAD_RECEIVED, READINGS_RECORDED, TICK,
};
use crate::events::{EVALUATION_DUE, EXT_EVALUATION};

/// One stage: one binary, one image, one Knative Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageSpec {
    /// Folder, package, binary, image and Knative Service.
    pub name: &'static str,
    /// Knative's `containerConcurrency`: requests that one process is given at once.
    pub container_concurrency: u32,
    /// Knative's `max-scale`: processes at once.
    pub max_scale: u32,
    /// Knative's `timeoutSeconds`; its clock includes a cold start.
    pub timeout: Duration,
    /// Whether requests from outside the cluster reach it.
    pub public: bool,
}

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

impl Delivery {
    /// All waits together: `delay` x (2^(retry+1) - 2).
    pub fn total_backoff(&self) -> Duration {
        self.backoff_delay * ((1_u32 << (self.retry + 1)) - 2)
    }
}

/// Whom a stage wakes while it works, so that they start side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// The stage that is at work.
    pub stage: &'static str,
    /// Its variable that holds the other's address.
    pub variable: &'static str,
    /// The stage that will be needed.
    pub next: &'static str,
}

/// Every wake: `alert` where a rule watches what came, `notify` where there is somebody to tell.
pub const WAKES: [Wake; 4] = [
    Wake { stage: "ingest", variable: "PREWARM_URLS", next: "transform" },
    Wake { stage: "ingest", variable: "PREWARM_WATCHED_URLS", next: "alert" },
    Wake { stage: "transform", variable: "PREWARM_URLS", next: "alert" },
    Wake { stage: "alert", variable: "PREWARM_URLS", next: "notify" },
];

/// A timer: a PingSource on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Its name; `tick` or `slow-tick`.
    pub name: &'static str,
    /// The default time between two events.
    pub every: Duration,
}

/// The tick: wakes `transform`, which records the heartbeat.
pub const TICK_TIMER: Timer = Timer { name: "tick", every: Duration::from_secs(5 * 60) };
/// The slow tick: wakes `dead-letter`.
pub const SLOW_TICK_TIMER: Timer = Timer { name: "slow-tick", every: Duration::from_secs(15 * 60) };

const DELIVERY: Delivery =
    Delivery { timeout: Duration::from_secs(65), retry: 6, backoff_delay: Duration::from_millis(500) };

/// Every stage.
pub const STAGES: [StageSpec; 5] = [
    StageSpec {
        name: "ingest",
        container_concurrency: 250,
        max_scale: 10,
        timeout: Duration::from_secs(60),
        public: true,
    },
    StageSpec {
        name: "transform",
        container_concurrency: 100,
        max_scale: 10,
        timeout: Duration::from_secs(60),
        public: false,
    },
    StageSpec {
        name: "alert",
        container_concurrency: 20,
        max_scale: 5,
        timeout: Duration::from_secs(60),
        public: false,
    },
    StageSpec {
        name: "notify",
        container_concurrency: 10,
        max_scale: 3,
        timeout: Duration::from_secs(60),
        public: false,
    },
    StageSpec {
        name: "dead-letter",
        container_concurrency: 20,
        max_scale: 1,
        timeout: Duration::from_secs(60),
        public: false,
    },
];

/// The subscription to the payloads that `ingest` queues.
pub const PAYLOADS: &str = "transform-payloads";

/// Every subscription.
pub const SUBSCRIPTIONS: [Subscription; 7] = [
    subscription(PAYLOADS, "transform", &[("type", Filter::Exactly(PAYLOAD_RECEIVED))]),
    subscription(
        "transform-tick",
        "transform",
        &[("type", Filter::Exactly(TICK)), ("source", Filter::Timer("tick"))],
    ),
    subscription(
        "alert-readings",
        "alert",
        &[("type", Filter::Exactly(READINGS_RECORDED)), (EXT_EVALUATION, Filter::Exactly(EVALUATION_DUE))],
    ),
    subscription("alert-heartbeat", "alert", &[("type", Filter::Exactly(HEARTBEAT_RECORDED))]),
    subscription("notify-alerts", "notify", &[("type", Filter::Exactly(ALERTS_CHANGED))]),
    subscription("notify-due", "notify", &[("type", Filter::Exactly(NOTIFICATIONS_DUE))]),
    subscription(
        "dead-letter-tick",
        "dead-letter",
        &[("type", Filter::Exactly(TICK)), ("source", Filter::Timer("slow-tick"))],
    ),
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

#[cfg(test)]
mod tests {
    use super::{STAGES, SUBSCRIPTIONS};

    #[test]
    fn a_stage_always_answers_before_its_delivery_times_out() {
        for subscription in SUBSCRIPTIONS {
            let stage = STAGES.iter().find(|stage| stage.name == subscription.stage).unwrap();
            assert!(subscription.delivery.timeout > stage.timeout, "{}", subscription.name);
        }
    }

    #[test]
    fn trigger_names_are_unique() {
        let mut names: Vec<_> = SUBSCRIPTIONS.iter().map(|subscription| subscription.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUBSCRIPTIONS.len());
    }
}
