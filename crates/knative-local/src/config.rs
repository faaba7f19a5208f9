//! What runs: one broker, the services it delivers to, the triggers between them, and timers.
//!
//! The whole configuration reads from JSON, durations in milliseconds, so that a broker can run as a process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod check;
mod millis;

pub use check::ConfigError;
pub(crate) use check::{FORBIDDEN_PORTS, check};

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
    #[serde(default)]
    pub crash_dir: Option<PathBuf>,
}

/// One Knative Service: a program that is started when a request comes and stopped when none does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The Service's name: `K_SERVICE`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, on top of the broker's own. [`BROKER_URL`] in a value becomes the broker's address.
    /// `PORT` and `K_*` of the container contract are refused.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where requests for it are taken; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// `containerConcurrency`: requests that one process is given at once; 0 is no limit.
    #[serde(default)]
    pub container_concurrency: u32,
    /// `min-scale`: processes that run without any request.
    #[serde(default)]
    pub min_scale: u32,
    /// `max-scale`: processes at once, at least 1.
    #[serde(default = "default_max_scale")]
    pub max_scale: u32,
    /// `timeoutSeconds` of one request, a cold start and queueing included; also what a process gets for its end.
    #[serde(default = "default_timeout", with = "millis", rename = "timeout_ms")]
    pub timeout: Duration,
    /// How long a process stays without a request.
    #[serde(default = "default_idle", with = "millis", rename = "idle_ms")]
    pub idle: Duration,
    /// What a cold start costs on top of the program's own start, as a cluster would take for a pod.
    #[serde(default, with = "millis", rename = "cold_delay_ms")]
    pub cold_delay: Duration,
    /// How a started process is known to be ready.
    #[serde(default)]
    pub readiness: Readiness,
}

/// In a value of [`ServiceSpec::env`]: the broker's address, which is known only once it listens.
pub const BROKER_URL: &str = "${BROKER_URL}";

/// A readiness probe; both are tried every few milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// The port takes a connection: Knative's default.
    #[default]
    Tcp,
    /// A GET of this path is answered with 2xx.
    Http(String),
}

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
    /// `spec.delivery.deadLetterSink`; without one an event that nobody takes is lost, and counted as such.
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
    Topic,
    /// Tried like the Trigger's own subscriber; what it does not take is lost.
    Subscriber(Subscriber),
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
            control: None,
            partitions: default_partitions(),
            services: Vec::new(),
            triggers: Vec::new(),
            dead_letter_topic: None,
            timers: Vec::new(),
            commit_interval: default_commit_interval(),
            time_scale: one(),
            start_limit: default_start_limit(),
            crash_dir: None,
        }
    }
}

impl ServiceSpec {
    /// A service of `program` with the defaults: no concurrency limit, one process at most, 300 s, 5 s of idle time.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            listen: loopback(),
            container_concurrency: 0,
            min_scale: 0,
            max_scale: default_max_scale(),
            timeout: default_timeout(),
            idle: default_idle(),
            cold_delay: Duration::ZERO,
            readiness: Readiness::Tcp,
        }
    }
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

fn default_max_scale() -> u32 {
    1
}

fn default_timeout() -> Duration {
    Duration::from_secs(300)
}

fn default_idle() -> Duration {
    Duration::from_secs(5)
}
