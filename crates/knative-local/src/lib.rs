#![doc = include_str!("../README.md")]

mod activator;
mod broker;
pub mod config;
pub mod control;
mod dead_letter;
mod delivery;
pub mod faults;
mod http;
mod ingress;
mod java_uri;
mod log;
pub mod positions;
mod record;
mod reply;
mod running;
mod server;
mod start;
pub mod stats;
mod stop;
pub mod strict;
mod subscriber;
mod timer;
mod trigger;

pub use config::{
    BROKER_URL, Backoff, Config, ConfigError, DeadLetterSink, DeadLetterTopic, DeliverySpec, Order,
    Readiness, ServiceSpec, Subscriber, TimerSpec, TriggerSpec, service_url,
};
pub use faults::Faults;
pub use log::LogError;
pub use running::{Now, Running, TickError};
pub use start::{LocalKnative, StartError};
pub use stats::{ServiceStats, Stats, TriggerStats};
pub use strict::{Rule, Violation};
