//! The serving side of one Knative Service: processes that start on demand, a gate before them, and their end.
//!
//! ```text
//!            request                ready                 idle, or stop            exit
//!  (none) ──────────────> starting ───────> serving ───────────────────> stopping ──────> (none)
//!             or min-scale    │                │         drain, SIGTERM,
//!                             └── dies ────────┴── dies ─> (none)  SIGKILL after the time-out
//! ```

mod gate;
mod life;
mod orphans;
mod port;
mod process;
mod scaler;
mod spawner;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::ServiceSpec;
use crate::http::{Answer, Body, HttpClient};
use crate::stats::ServiceStats;
use crate::strict::Violations;
use gate::Gate;
pub(crate) use orphans::OrphanReaper;
pub(crate) use port::Reservation;
pub(crate) use spawner::Spawner;

/// How often [`Service::serves`] looks.
const SERVING_POLL: Duration = Duration::from_millis(2);

/// What every service shares.
pub(crate) struct Activation {
    pub(crate) runtime: Handle,
    pub(crate) client: HttpClient,
    pub(crate) spawner: Spawner,
    pub(crate) orphans: OrphanReaper,
    pub(crate) strict: Arc<Violations>,
    pub(crate) logs: std::path::PathBuf,
    pub(crate) start_limit: Duration,
}

/// One Service.
pub(crate) struct Service {
    pub(crate) spec: ServiceSpec,
    pub(crate) address: SocketAddr,
    /// Where it is exposed: its address, held between two processes.
    _reservation: Option<Reservation>,
    activation: Arc<Activation>,
    gate: Gate,
    counters: Counters,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counters {
    starts: AtomicU64,
    woken: AtomicU64,
    failed_starts: AtomicU64,
    last_cold_start_micros: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    ended_process_micros: AtomicU64,
}

impl Service {
    /// A service whose requests are taken at `address`, already started at its min-scale; one that is exposed has reserved it.
    pub(crate) fn start(
        mut spec: ServiceSpec,
        (address, reservation): (SocketAddr, Option<Reservation>),
        activation: Arc<Activation>,
    ) -> Arc<Self> {
        if spec.exposed {
            (spec.min_scale, spec.max_scale) = (1, 1);
        }
        let service = Arc::new(Self {
            gate: Gate::new(spec.container_concurrency),
            spec,
            address,
            _reservation: reservation,
            activation,
            counters: Counters::default(),
            closed: watch::Sender::new(false),
        });
        service.activation.runtime.spawn(scaler::run(service.clone()));
        service
    }

    /// Answers a request by one of the processes: 503 where too many wait, 504 where the time is over, start and
    /// queueing included, 502 where the process broke off.
    pub(crate) async fn call(self: &Arc<Self>, request: Request<Body>) -> Answer {
        let answer = tokio::time::timeout(self.spec.timeout, self.proxy(request))
            .await
            .unwrap_or_else(|_| Answer::status(StatusCode::GATEWAY_TIMEOUT));
        if answer.status.as_u16() >= 400 {
            self.counters.errors.fetch_add(1, Relaxed);
        }
        answer
    }

    async fn proxy(self: &Arc<Self>, mut request: Request<Body>) -> Answer {
        if *self.closed.borrow() {
            return Answer::status(StatusCode::SERVICE_UNAVAILABLE);
        }
        let is_check = is_health_check(&request);
        let waiting = self.gate.enter();
        self.start_first(is_check);
        let Ok(waiting) = waiting else { return Answer::status(StatusCode::SERVICE_UNAVAILABLE) };
        let Some(slot) = waiting.slot().await else { return Answer::status(StatusCode::SERVICE_UNAVAILABLE) };
        address(&mut request, slot.address());
        let answer = tokio::select! {
            answer = self.activation.client.send(request) => answer.map_err(|error| error.to_string()),
            () = slot.broken_off() => Err("it is gone".to_owned()),
        };
        self.counters.requests.fetch_add(u64::from(!is_check), Relaxed);
        answer.unwrap_or_else(|error| {
            tracing::warn!(service = self.spec.name, error, "a process did not answer");
            Answer::status(StatusCode::BAD_GATEWAY)
        })
    }

    /// From zero, the first request starts a process; how many more there are is the scaler's decision.
    fn start_first(self: &Arc<Self>, is_check: bool) {
        if self.gate.claim_start(1) {
            self.counters.woken.fetch_add(u64::from(is_check), Relaxed);
            self.spawn_life();
        }
    }

    fn spawn_life(self: &Arc<Self>) {
        self.activation.runtime.spawn(life::run(self.clone()));
    }

    /// Returns when the service is closed.
    async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Returns when a process serves; false where one did not start.
    pub(crate) async fn serves(&self) -> bool {
        let mut looks = tokio::time::interval(SERVING_POLL);
        while self.gate.processes().is_empty() {
            if self.counters.failed_starts.load(Relaxed) > 0 {
                return false;
            }
            looks.tick().await;
        }
        true
    }

    /// The Service's name within its namespace on a cluster.
    pub(crate) fn cluster_url(name: &str, namespace: &str) -> String {
        format!("http://{name}.{namespace}.svc.cluster.local")
    }

    /// Process ids of the serving processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.gate.processes().iter().map(|process| process.pid).collect()
    }

    /// Kills the processes that serve, as a node that fails would.
    pub(crate) fn kill(&self) {
        for process in self.gate.processes() {
            process.kill();
        }
    }

    pub(crate) fn stats(&self) -> ServiceStats {
        let counters = &self.counters;
        ServiceStats {
            processes: self.gate.alive(),
            min_processes: self.spec.min_scale,
            starts: counters.starts.load(Relaxed),
            woken: counters.woken.load(Relaxed),
            last_cold_start_ms: micros(&counters.last_cold_start_micros).as_secs_f64() * 1e3,
            requests: counters.requests.load(Relaxed),
            errors: counters.errors.load(Relaxed),
            in_flight: self.gate.load(),
            process_seconds: (micros(&counters.ended_process_micros) + self.gate.running_time())
                .as_secs_f64(),
        }
    }

    /// Takes no more requests and ends every process: SIGTERM, and SIGKILL after `grace`.
    pub(crate) async fn stop(&self, grace: Duration) {
        self.closed.send_replace(true);
        self.gate.close(grace);
        self.gate.empty().await;
    }
}

fn micros(counter: &AtomicU64) -> Duration {
    Duration::from_micros(counter.load(Relaxed))
}

/// Not work: a stage that wakes the next one asks for its health.
fn is_health_check(request: &Request<Body>) -> bool {
    request.method() == Method::GET && request.uri().path() == "/healthz"
}

/// Points a request at a process. The sender's own `Host` stays.
fn address(request: &mut Request<Body>, address: SocketAddr) {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = format!("http://{address}{path}");
    if let Ok(uri) = Uri::try_from(uri) {
        *request.uri_mut() = uri;
    }
    if !request.headers().contains_key(HOST)
        && let Some(host) = request.uri().authority().map(Authority::as_str)
        && let Ok(host) = HeaderValue::from_str(host)
    {
        request.headers_mut().insert(HOST, host);
    }
}
