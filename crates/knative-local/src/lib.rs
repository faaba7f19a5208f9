//! Knative's broker and activator contract on one machine.

pub mod config;
pub mod faults;
pub mod stats;
pub mod strict;

pub use config::{
    BROKER_URL, Backoff, Config, ConfigError, DeadLetterSink, DeadLetterTopic, DeliverySpec, Order, Readiness,
    ServiceSpec, Subscriber, TimerSpec, TriggerSpec,
};
pub use faults::Faults;
pub use stats::{ServiceStats, Stats, TriggerStats};
pub use strict::{Rule, Violation};
