//! One Knative Service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{loopback, millis};

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
    /// Its environment, on top of the broker's own. [`BROKER_URL`] in a value becomes the broker's address, and what
    /// [`service_url`] gives the address of that service.
    /// `PORT` and `K_*` of the container contract are refused.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where requests for it are taken; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// Whether requests come from outside, under any name. The other addresses, the broker's too, are for programs of this
    /// machine: what a browser may have been led there by somebody's page is refused with 421.
    #[serde(default)]
    pub public: bool,
    /// Whether its one process listens at `listen` by itself, from the start to the end of the broker: nothing stands between
    /// it and its senders, and neither are its requests counted nor is it ever at zero.
    #[serde(default)]
    pub exposed: bool,
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
}

/// In a value of [`ServiceSpec::env`]: the broker's address, which is known only once it listens.
pub const BROKER_URL: &str = "${BROKER_URL}";

/// In a value of [`ServiceSpec::env`]: the address of a service, at which requests start its process.
pub fn service_url(name: &str) -> String {
    format!("${{SERVICE_URL:{name}}}")
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
            public: false,
            exposed: false,
            container_concurrency: 0,
            min_scale: 0,
            max_scale: default_max_scale(),
            timeout: default_timeout(),
            idle: default_idle(),
            cold_delay: Duration::ZERO,
        }
    }
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
