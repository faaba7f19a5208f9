//! What happened so far, readable while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

/// A snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stats {
    /// By name of the Service.
    pub services: BTreeMap<String, ServiceStats>,
    /// By name of the Trigger; the dead letter topic's consumer is `dead-letter-topic`.
    pub triggers: BTreeMap<String, TriggerStats>,
    /// Events that the ingress took.
    pub accepted: u64,
    /// Requests that the ingress refused.
    pub refused: u64,
    /// Events that no subscriber took and the dead letter sink of their trigger did not keep.
    pub lost: u64,
}

/// Of one Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Processes that run now, starting and stopping ones included.
    pub processes: u32,
    /// Processes that run without any request: `min-scale`.
    #[serde(default)]
    pub min_processes: u32,
    /// Processes started so far.
    pub starts: u64,
    /// Of these, started by a health check (`GET /healthz`): prewarmed.
    pub woken: u64,
    /// Milliseconds from the last process's start to its readiness; 0 before the first.
    pub last_cold_start_ms: f64,
    /// Requests answered by a process, health checks not counted.
    pub requests: u64,
    /// Of these, answered with 400 or above; and requests that no process answered.
    pub errors: u64,
    /// Requests at a process or waiting for one.
    pub in_flight: u64,
    /// Seconds that processes ran so far, all together.
    pub process_seconds: f64,
}

/// Of one Trigger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerStats {
    /// Events that the subscriber took.
    pub delivered: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Events given to the dead letter sink.
    pub dead_lettered: u64,
    /// Events that were lost.
    pub lost: u64,
    /// Events that the subscriber did not take, of a trigger without a dead letter sink.
    pub dropped: u64,
    /// Events under way, their waits included.
    pub in_flight: u64,
    /// Records in the log that are not yet done with, filtered ones included until they are read.
    pub lag: u64,
}

/// What happened to a trigger's events.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) dead_lettered: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) in_flight: AtomicU64,
}
