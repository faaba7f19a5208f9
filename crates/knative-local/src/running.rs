//! Starting, watching and stopping a broker with everything around it.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use jiff::Timestamp;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activator::{Activation, Leftovers, Service, Spawner};
use crate::broker::Broker;
use crate::config::{BROKER_URL, Config, ConfigError, DeliverySpec, ServiceSpec};
use crate::delivery::{Retries, Terms};
use crate::faults::Faults;
use crate::http::HttpClient;
use crate::log::{Log, LogError, Topic};
use crate::server::{self, Role};
use crate::stats::{ServiceStats, Stats};
use crate::stop::stopped;
use crate::strict::{Violation, Violations};
use crate::subscriber::Courier;
use crate::timer;
use crate::trigger::{Consumer, DEAD_LETTER_CONSUMER, Duty};

/// What tells the time of the timers' events.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long a stopping broker waits for its processes before it kills them.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How often [`Running::wait_quiet`] looks.
const QUIET_POLL: Duration = Duration::from_millis(5);

/// The broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration has mistakes.
    #[error("the broker's configuration has mistakes: {}", list(.0))]
    Config(Vec<ConfigError>),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A folder cannot be made, or an address cannot be listened on.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

fn list(mistakes: &[ConfigError]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A tick was not emitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TickError {
    /// There is no such timer.
    #[error("there is no timer `{0}`")]
    Unknown(String),
    /// The broker did not take it.
    #[error("the broker did not take the tick: {0}")]
    Refused(String),
}

/// Starts brokers.
#[derive(Debug)]
pub struct LocalKnative;

/// A running broker. Dropping it without [`Running::stop`] leaves its tasks running to the runtime's end.
pub struct Running {
    parts: Arc<Parts>,
    broker_address: SocketAddr,
    control_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    server: ServerHandle,
    server_task: JoinHandle<()>,
}

/// What can be asked of a running broker.
pub(crate) struct Parts {
    pub(crate) broker: Arc<Broker>,
    pub(crate) services: Arc<BTreeMap<String, Arc<Service>>>,
    consumers: Vec<Arc<Consumer>>,
    timers: Vec<String>,
    now: Now,
}

impl LocalKnative {
    /// Starts the broker within the current Tokio runtime, which must be a multi-thread one.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config, now: Now) -> Result<Running, StartError> {
        let mistakes = crate::config::check(&config);
        if !mistakes.is_empty() {
            return Err(StartError::Config(mistakes));
        }
        let io = |what: &str, source| StartError::Io { what: what.to_owned(), source };
        let logs = config.state_dir.join("logs");
        std::fs::create_dir_all(&logs).map_err(|error| io("the state folder cannot be made", error))?;
        let leftovers = Leftovers::sweep(config.state_dir.join("processes"))
            .map_err(|error| io("the list of processes cannot be read", error))?;
        let log = Log::open(&config.state_dir.join("log"), config.partitions)?;

        let strict = Arc::new(Violations::default());
        let broker = Arc::new(Broker {
            namespace: config.namespace.clone(),
            name: config.broker.clone(),
            log,
            faults: Faults::default(),
            strict: strict.clone(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            crash_dir: config.crash_dir.clone(),
        });
        let runtime = Handle::current();
        let activation = Arc::new(Activation {
            client: HttpClient::new(),
            spawner: Spawner::start(runtime.clone()),
            runtime,
            leftovers,
            strict,
            logs,
            start_limit: config.start_limit,
        });
        let started = Starting { config, broker: broker.clone(), activation, now }.start().await;
        if started.is_err() {
            broker.log.close();
        }
        started
    }
}

/// A configuration on its way to a [`Running`].
struct Starting {
    config: Config,
    broker: Arc<Broker>,
    activation: Arc<Activation>,
    now: Now,
}

impl Starting {
    async fn start(self) -> Result<Running, StartError> {
        let (ingress, broker_address) = listen(self.config.listen)?;
        let broker_url = format!("http://{broker_address}{}", self.broker.path());
        let mut listeners = vec![(ingress, Role::Ingress(self.broker.clone()))];
        let control = self.config.control.map(listen).transpose()?;

        let mut bound = Vec::new();
        for spec in &self.config.services {
            let (listener, address) = listen(spec.listen)?;
            bound.push((listener, address, with_broker_url(spec, &broker_url)));
        }
        // Consumers join before anything can be appended.
        let mut services = BTreeMap::new();
        for (listener, address, spec) in bound {
            let service = Service::start(spec, address, self.activation.clone());
            listeners.push((listener, Role::Service(service.clone())));
            services.insert(service.spec.name.clone(), service);
        }
        let services = Arc::new(services);
        let consumers = self.join(&services).await?;

        let parts = Arc::new(Parts {
            broker: self.broker.clone(),
            services,
            consumers,
            timers: self.config.timers.iter().map(|timer| timer.name.clone()).collect(),
            now: self.now.clone(),
        });
        let control_address = control.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = control {
            listeners.push((listener, Role::Control(parts.clone())));
        }
        let (server, handle) = server::serve(listeners)
            .map_err(|source| StartError::Io { what: "the server does not start".to_owned(), source })?;
        let server_task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the server ended");
            }
        });
        let (stop, _) = watch::channel(false);
        let tasks = self.tasks(&parts, &stop);
        Ok(Running { parts, broker_address, control_address, stop, tasks, server: handle, server_task })
    }

    async fn join(
        &self,
        services: &Arc<BTreeMap<String, Arc<Service>>>,
    ) -> Result<Vec<Arc<Consumer>>, StartError> {
        let config = &self.config;
        let courier = Courier::new(self.activation.client.clone(), services.clone(), &config.namespace);
        let terms = |name: &str, delivery: &DeliverySpec| Terms {
            name: name.to_owned(),
            broker: self.broker.clone(),
            courier: courier.clone(),
            retries: Retries::new(delivery),
            time_scale: config.time_scale,
        };
        let mut names: Vec<&str> = config.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
        names.push(DEAD_LETTER_CONSUMER);
        self.broker.log.keep_only(&names).await?;
        let mut consumers = Vec::new();
        for trigger in &config.triggers {
            let terms = terms(&trigger.name, &trigger.delivery);
            let duty = Duty::Trigger(trigger.clone());
            consumers.push(Consumer::join(terms, duty, config.commit_interval).await?);
        }
        if let Some(topic) = &config.dead_letter_topic {
            let terms = terms(DEAD_LETTER_CONSUMER, &DeliverySpec::default());
            let duty = Duty::DeadLetters(topic.clone());
            consumers.push(Consumer::join(terms, duty, config.commit_interval).await?);
        }
        Ok(consumers)
    }

    fn tasks(&self, parts: &Arc<Parts>, stop: &watch::Sender<bool>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        for consumer in &parts.consumers {
            tasks.push(tokio::spawn(consumer.clone().run(stop.subscribe())));
        }
        for timer in &self.config.timers {
            let run = timer::run(self.broker.clone(), timer.clone(), self.now.clone(), stop.subscribe());
            tasks.push(tokio::spawn(run));
        }
        tasks.push(tokio::spawn(retain(parts.clone(), self.config.commit_interval, stop.subscribe())));
        tasks
    }
}

/// Drops what every consumer has passed, now and then.
async fn retain(parts: Arc<Parts>, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(every);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                for topic in Topic::ALL {
                    let consumers = parts.consumers.iter().filter(|consumer| consumer.topic() == topic);
                    let names: Vec<&str> = consumers.map(|consumer| consumer.terms.name.as_str()).collect();
                    parts.broker.log.retain(topic, &names);
                }
            }
            () = stopped(&mut stop) => return,
        }
    }
}

fn with_broker_url(spec: &ServiceSpec, url: &str) -> ServiceSpec {
    let mut spec = spec.clone();
    for value in spec.env.values_mut() {
        *value = value.replace(BROKER_URL, url);
    }
    spec
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Io { what: format!("{address} cannot be listened on"), source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Running {
    /// The broker's address: what a stage's `K_SINK` is.
    pub fn broker_url(&self) -> String {
        format!("http://{}{}", self.broker_address, self.parts.broker.path())
    }

    /// Where requests for a service are taken, without a slash at the end.
    pub fn service_url(&self, name: &str) -> Option<String> {
        Some(format!("http://{}", self.parts.services.get(name)?.address))
    }

    /// Where the control listens, if it does.
    pub fn control_url(&self) -> Option<String> {
        self.control_address.map(|address| format!("http://{address}"))
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.parts.stats()
    }

    /// What broke the contract so far: a test asserts that there is nothing.
    pub fn violations(&self) -> Vec<Violation> {
        self.parts.violations()
    }

    /// The fault switches.
    pub fn faults(&self) -> &Faults {
        &self.parts.broker.faults
    }

    /// Process ids of a service's serving processes.
    pub fn pids(&self, service: &str) -> Vec<u32> {
        self.parts.services.get(service).map(|service| service.pids()).unwrap_or_default()
    }

    /// Kills a service's serving processes with SIGKILL.
    pub fn kill(&self, service: &str) {
        if let Some(service) = self.parts.services.get(service) {
            service.kill();
        }
    }

    /// Emits an event of a timer now.
    ///
    /// # Errors
    /// [`TickError`] where there is no such timer, or the broker did not take the event.
    pub async fn tick(&self, timer: &str) -> Result<(), TickError> {
        self.parts.tick(timer).await
    }

    /// Whether nothing is under way: no request at a service, no event that a trigger is not done with.
    pub fn quiet(&self) -> bool {
        self.parts.quiet()
    }

    /// Waits until nothing is under way; false where that did not come within the budget.
    pub async fn wait_quiet(&self, budget: Duration) -> bool {
        let quiet = async {
            let mut polls = tokio::time::interval(QUIET_POLL);
            while !self.quiet() {
                polls.tick().await;
            }
        };
        tokio::time::timeout(budget, quiet).await.is_ok()
    }

    /// Stops everything: triggers and timers first, then the processes, then the server. Nothing is left running.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the broker panicked");
            }
        }
        let stopping = self.parts.services.values().map(|service| service.stop(STOP_GRACE));
        futures_util::future::join_all(stopping).await;
        self.server.stop(true).await;
        if let Err(error) = self.server_task.await {
            tracing::error!(%error, "the server panicked");
        }
        let parts = self.parts;
        let closing = tokio::task::spawn_blocking(move || parts.broker.log.close());
        if closing.await.is_err() {
            tracing::error!("the log did not close");
        }
    }
}

impl Parts {
    pub(crate) fn stats(&self) -> Stats {
        let broker = &self.broker;
        let services = self.services.iter().map(|(name, service)| (name.clone(), service.stats())).collect();
        let triggers =
            self.consumers.iter().map(|consumer| (consumer.terms.name.clone(), consumer.stats())).collect();
        Stats {
            services,
            triggers,
            accepted: broker.accepted.load(Relaxed),
            refused: broker.refused.load(Relaxed),
            lost: broker.lost.load(Relaxed),
        }
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.broker.strict.all()
    }

    pub(crate) fn quiet(&self) -> bool {
        // Services first: an event that a service is about to put into the log shows there while it is not yet a lag.
        let idle = |stats: ServiceStats| stats.in_flight == 0;
        self.services.values().all(|service| idle(service.stats()))
            && self
                .consumers
                .iter()
                .map(|consumer| consumer.stats())
                .all(|stats| stats.in_flight + stats.lag == 0)
    }

    pub(crate) async fn tick(&self, timer: &str) -> Result<(), TickError> {
        if !self.timers.iter().any(|name| name == timer) {
            return Err(TickError::Unknown(timer.to_owned()));
        }
        timer::tick(&self.broker, timer, &self.now)
            .await
            .map_err(|error| TickError::Refused(error.to_string()))
    }
}
