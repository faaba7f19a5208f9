//! Starting a broker with everything around it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activator::{Activation, OrphanReaper, Reservation, Service, Spawner};
use crate::attempts::{Retries, Terms};
use crate::broker::Broker;
use crate::config::{BROKER_URL, Config, ConfigError, DeliverySpec, ServiceSpec, service_url};
use crate::dispatcher::Dispatcher;
use crate::faults::Faults;
use crate::http::HttpClient;
use crate::log::{Log, LogError, Topic};
use crate::running::{Parts, Running};
use crate::server::{self, Role};
use crate::stop::stopped;
use crate::strict::Violations;
use crate::timer::{self, Now};
use crate::trigger::{Consumer, ConsumerRole, DEAD_LETTER_CONSUMER};

/// For what an earlier broker left behind to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration has mistakes.
    #[error("the broker's configuration has mistakes: {}", list(.0))]
    Config(Vec<ConfigError>),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An exposed service did not start; its log says why.
    #[error("the service {0} does not start: its log says why")]
    Service(String),
    /// A folder cannot be made, or an address cannot be listened on.
    #[error("{what}")]
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

/// Starts brokers.
#[derive(Debug)]
pub struct LocalKnative;

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
        let orphans = OrphanReaper::start(config.state_dir.join("processes"))
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
            #[cfg(feature = "simulation")]
            crash_dir: config.crash_dir.clone(),
            failure: watch::Sender::default(),
        });
        let runtime = Handle::current();
        let activation = Arc::new(Activation {
            client: HttpClient::new(),
            spawner: Spawner::start(runtime.clone()),
            runtime,
            orphans,
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

/// Where requests for a service are taken.
enum Place {
    Listener(TcpListener),
    Reserved(Reservation),
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
        let mut listeners = Vec::new();
        #[cfg(feature = "simulation")]
        let control = self.config.control.map(listen).transpose()?;

        let mut bound = Vec::new();
        for spec in &self.config.services {
            let (place, address) = if spec.exposed {
                let reserved = reserve(spec.listen, self.activation.orphans.found_processes()).await;
                let (reservation, address) = reserved.map_err(|source| cannot_listen(spec.listen, source))?;
                (Place::Reserved(reservation), address)
            } else {
                let (listener, address) = listen(spec.listen)?;
                (Place::Listener(listener), address)
            };
            bound.push((place, address, spec));
        }
        let mut addresses = vec![(BROKER_URL.to_owned(), broker_url)];
        addresses.extend(
            bound.iter().map(|(_, address, spec)| (service_url(&spec.name), format!("http://{address}"))),
        );
        // Consumers join before anything can be appended.
        let mut services = BTreeMap::new();
        let mut exposed = Vec::new();
        for (place, address, spec) in bound {
            let spec = with_addresses(spec, &addresses);
            let service = match place {
                Place::Listener(listener) => {
                    let service = Service::start(spec, (address, None), self.activation.clone());
                    listeners.push((listener, Role::Service(service.clone())));
                    service
                }
                Place::Reserved(reservation) => {
                    let service = Service::start(spec, (address, Some(reservation)), self.activation.clone());
                    exposed.push(service.clone());
                    service
                }
            };
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
        listeners.push((ingress, Role::Ingress(parts.clone())));
        #[cfg(feature = "simulation")]
        let control_address = control.as_ref().map(|(_, address)| *address);
        #[cfg(feature = "simulation")]
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
        let running = Running {
            parts,
            broker_address,
            #[cfg(feature = "simulation")]
            control_address,
            stop,
            tasks,
            server: handle,
            server_task,
        };
        for service in exposed {
            if !service.serves().await {
                running.stop().await;
                return Err(StartError::Service(service.spec.name.clone()));
            }
        }
        Ok(running)
    }

    async fn join(
        &self,
        services: &Arc<BTreeMap<String, Arc<Service>>>,
    ) -> Result<Vec<Arc<Consumer>>, StartError> {
        let config = &self.config;
        let dispatcher = Dispatcher::new(self.activation.client.clone(), services.clone(), &config.namespace);
        let terms = |name: &str, delivery: &DeliverySpec| Terms {
            name: name.to_owned(),
            broker: self.broker.clone(),
            dispatcher: dispatcher.clone(),
            retries: Retries::new(delivery),
            time_scale: config.time_scale,
        };
        let mut names: Vec<&str> = config.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
        names.push(DEAD_LETTER_CONSUMER);
        self.broker.log.keep_only(&names).await?;
        let mut consumers = Vec::new();
        for trigger in &config.triggers {
            let terms = terms(&trigger.name, &trigger.delivery);
            let role = ConsumerRole::Trigger(trigger.clone());
            consumers.push(Consumer::join(terms, role, config.commit_interval).await?);
        }
        if let Some(topic) = &config.dead_letter_topic {
            let terms = terms(DEAD_LETTER_CONSUMER, &DeliverySpec::default());
            let role = ConsumerRole::DeadLetters(topic.clone());
            consumers.push(Consumer::join(terms, role, config.commit_interval).await?);
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

fn with_addresses(spec: &ServiceSpec, addresses: &[(String, String)]) -> ServiceSpec {
    let mut spec = spec.clone();
    for value in spec.env.values_mut() {
        for (name, url) in addresses {
            *value = value.replace(name, url);
        }
    }
    spec
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| cannot_listen(address, source);
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// An address for a process that listens itself. One that an earlier broker left there, as it was killed, may be about to go.
async fn reserve(address: SocketAddr, may_be_left: bool) -> io::Result<(Reservation, SocketAddr)> {
    let begin = Instant::now();
    loop {
        match Reservation::of(address) {
            Err(error)
                if may_be_left && error.kind() == ErrorKind::AddrInUse && begin.elapsed() < GONE_WITHIN =>
            {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            reserved => return reserved,
        }
    }
}

fn cannot_listen(address: SocketAddr, source: io::Error) -> StartError {
    StartError::Io { what: format!("{address} cannot be listened on"), source }
}
