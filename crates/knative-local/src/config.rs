//! What runs: one broker, the services it delivers to, the triggers between them, and timers.
//!
//! The whole configuration reads from JSON, durations in milliseconds, so that a broker can run as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod check;
mod millis;
mod service;
mod trigger;

pub use check::ConfigError;
pub(crate) use check::{FORBIDDEN_PORTS, check};
pub use service::{BROKER_URL, ServiceSpec, service_url};
pub use trigger::{Backoff, DeadLetterSink, DeliverySpec, Order, Subscriber, TriggerSpec};

/// One broker with everything around it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the log, of the services' output and of the list of running processes. One broker a folder.
    pub state_dir: PathBuf,
    /// The Kubernetes namespace that is emulated; part of the broker's address.
    #[serde(default = "default_name")]
    pub namespace: String,
    /// The Broker's name; part of its address.
    #[serde(default = "default_name")]
    pub broker: String,
    /// Where the ingress listens; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// Where [`crate::control`] listens, if anywhere.
    #[cfg(feature = "simulation")]
    #[serde(default)]
    pub control: Option<SocketAddr>,
    /// Partitions of the broker's topic. Of an existing log they stay as they were.
    #[serde(default = "default_partitions")]
    pub partitions: u16,
    /// Knative Services.
    #[serde(default)]
    pub services: Vec<ServiceSpec>,
    /// Triggers.
    #[serde(default)]
    pub triggers: Vec<TriggerSpec>,
    /// The durable topic that triggers may name as their dead letter sink.
    #[serde(default)]
    pub dead_letter_topic: Option<DeadLetterTopic>,
    /// Timers: PingSources on a cluster.
    #[serde(default)]
    pub timers: Vec<TimerSpec>,
    /// How often offsets are committed (Kafka's `auto.commit.interval.ms`).
    #[serde(default = "default_commit_interval", with = "millis", rename = "commit_interval_ms")]
    pub commit_interval: Duration,
    /// Factor on every wait between two attempts; 1 is real time, tests use less.
    #[serde(default = "one")]
    pub time_scale: f64,
    /// The longest time a process may take from its start to its listening socket in strict mode.
    #[serde(default = "default_start_limit", with = "millis", rename = "start_limit_ms")]
    pub start_limit: Duration,
    /// A folder for crash points: where it holds a file `after-answer`, the file is removed and the process kills
    /// itself between a subscriber's answer and the record of it.
    #[cfg(feature = "simulation")]
    #[serde(default)]
    pub crash_dir: Option<PathBuf>,
}

/// A KafkaSink with a KafkaSource behind it: a durable topic, delivered without end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterTopic {
    /// Who is delivered to.
    pub subscriber: Subscriber,
    /// Of one attempt.
    #[serde(with = "millis", rename = "timeout_ms")]
    pub timeout: Duration,
    /// The first wait; it doubles up to `backoff_cap`.
    #[serde(with = "millis", rename = "backoff_delay_ms")]
    pub backoff_delay: Duration,
    /// The longest wait.
    #[serde(with = "millis", rename = "backoff_cap_ms")]
    pub backoff_cap: Duration,
}

/// A timer whose events have the form of a PingSource's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimerSpec {
    /// The PingSource's name, part of the events' source.
    pub name: String,
    /// Time between two events; `None` emits only on [`crate::Running::tick`]. Ticks of a time when the broker did
    /// not run are not made up for.
    #[serde(default, with = "millis::option", rename = "every_ms")]
    pub every: Option<Duration>,
}

impl TimerSpec {
    /// The `source` of the events of the timer `name`.
    pub fn source(namespace: &str, name: &str) -> String {
        format!("/apis/v1/namespaces/{namespace}/pingsources/{name}")
    }
}

impl Config {
    /// A broker without services and triggers.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            namespace: default_name(),
            broker: default_name(),
            listen: loopback(),
            #[cfg(feature = "simulation")]
            control: None,
            partitions: default_partitions(),
            services: Vec::new(),
            triggers: Vec::new(),
            dead_letter_topic: None,
            timers: Vec::new(),
            commit_interval: default_commit_interval(),
            time_scale: one(),
            start_limit: default_start_limit(),
            #[cfg(feature = "simulation")]
            crash_dir: None,
        }
    }
}

fn default_name() -> String {
    "default".to_owned()
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn default_partitions() -> u16 {
    10
}

fn default_commit_interval() -> Duration {
    Duration::from_secs(5)
}

fn one() -> f64 {
    1.0
}

fn default_start_limit() -> Duration {
    Duration::from_secs(2)
}
