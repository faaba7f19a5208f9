//! One Trigger.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;

/// Who is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subscriber {
    /// A Service of this broker's configuration.
    Service(String),
    /// An `http://` address.
    Url(String),
}

/// One Trigger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerSpec {
    /// Its name, which keeps its offsets over a restart.
    pub name: String,
    /// `spec.filter.attributes`: all must be equal; an empty value is ignored.
    #[serde(default)]
    pub filter: BTreeMap<String, String>,
    /// Who is delivered to.
    pub subscriber: Subscriber,
    /// `kafka.eventing.knative.dev/delivery.order`.
    #[serde(default)]
    pub order: Order,
    /// `spec.delivery` without its dead letter sink.
    #[serde(default)]
    pub delivery: DeliverySpec,
    /// `spec.delivery.deadLetterSink`; without one an event that the subscriber does not take is dropped.
    #[serde(default)]
    pub dead_letter_sink: Option<DeadLetterSink>,
}

/// The order of delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Many at once: the next 50 are fetched while fewer than 50 are under way.
    #[default]
    Unordered,
    /// One at a time a partition.
    Ordered,
}

/// How one event is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySpec {
    /// Of one attempt.
    #[serde(with = "millis", rename = "timeout_ms")]
    pub timeout: Duration,
    /// Attempts after the first.
    pub retry: u32,
    /// How the waits grow.
    pub backoff: Backoff,
    /// Factor of every wait. As on the Kafka Broker, zero means no retries at all.
    #[serde(with = "millis", rename = "backoff_delay_ms")]
    pub backoff_delay: Duration,
}

impl Default for DeliverySpec {
    /// What eventing-kafka-broker does for a Trigger of class `Kafka` without a delivery block.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(600),
            retry: 0,
            backoff: Backoff::Exponential,
            backoff_delay: Duration::from_millis(200),
        }
    }
}

/// The n-th wait, n from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// delay x 2^n: the first wait is twice the delay.
    Exponential,
    /// delay x n.
    Linear,
}

/// Where an event goes that its subscriber did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterSink {
    /// The configuration's [`DeadLetterTopic`]: nothing is lost.
    ///
    /// [`DeadLetterTopic`]: super::DeadLetterTopic
    Topic,
    /// The same behind a KafkaSink: tried by the Trigger's own schedule; what it does not take by then is lost.
    KafkaSink,
    /// Tried like the Trigger's own subscriber; what it does not take is lost.
    Subscriber(Subscriber),
}

impl TriggerSpec {
    /// A trigger that takes every event.
    pub fn new(name: impl Into<String>, subscriber: Subscriber) -> Self {
        Self {
            name: name.into(),
            filter: BTreeMap::new(),
            subscriber,
            order: Order::Unordered,
            delivery: DeliverySpec::default(),
            dead_letter_sink: None,
        }
    }
}
