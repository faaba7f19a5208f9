#![doc = include_str!("../README.md")]

mod activator;
mod attempts;
mod broker;
pub mod config;
#[cfg(feature = "simulation")]
pub mod control;
mod dead_letter;
mod delivery;
mod dispatcher;
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
mod timer;
mod trigger;

pub use config::{
    BROKER_URL, Backoff, Config, ConfigError, DeadLetterSink, DeadLetterTopic, DeliverySpec, Order,
    ServiceSpec, Subscriber, TimerSpec, TriggerSpec, service_url,
};
pub use faults::Faults;
pub use log::LogError;
pub use running::{Running, TickError};
pub use start::{LocalKnative, StartError};
pub use stats::{ServiceStats, Stats, TriggerStats};
pub use strict::{Rule, Violation};
pub use timer::Now;
