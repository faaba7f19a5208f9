//! Watching and stopping a broker with everything around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activator::Service;
use crate::broker::Broker;
#[cfg(feature = "simulation")]
use crate::faults::Faults;
use crate::log::{LogError, Topic};
use crate::stats::Stats;
#[cfg(feature = "simulation")]
use crate::strict::Violation;
use crate::timer::{self, Now};
use crate::trigger::Consumer;

/// How long a stopping broker waits for its processes before it kills them.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How often [`Running::wait_quiet`] looks.
const QUIET_POLL: Duration = Duration::from_millis(5);

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

/// A running broker. Dropping it without [`Running::stop`] leaves its tasks running to the runtime's end.
pub struct Running {
    pub(crate) parts: Arc<Parts>,
    pub(crate) broker_address: SocketAddr,
    #[cfg(feature = "simulation")]
    pub(crate) control_address: Option<SocketAddr>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
    pub(crate) server: ServerHandle,
    pub(crate) server_task: JoinHandle<()>,
}

/// What can be asked of a running broker.
pub(crate) struct Parts {
    pub(crate) broker: Arc<Broker>,
    pub(crate) services: Arc<BTreeMap<String, Arc<Service>>>,
    pub(crate) consumers: Vec<Arc<Consumer>>,
    pub(crate) timers: Vec<String>,
    pub(crate) now: Now,
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
    #[cfg(feature = "simulation")]
    pub fn control_url(&self) -> Option<String> {
        self.control_address.map(|address| format!("http://{address}"))
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.parts.stats()
    }

    /// What broke the contract so far: a test asserts that there is nothing.
    #[cfg(feature = "simulation")]
    pub fn violations(&self) -> Vec<Violation> {
        self.parts.violations()
    }

    /// Returns when events are no longer delivered, with the reason: the log on disk has failed. Only a new start helps.
    pub async fn failed(&self) -> LogError {
        let mut failure = self.parts.broker.failure.subscribe();
        // The sender lives as long as `self`.
        let failure = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        failure.unwrap_or(LogError::Closed)
    }

    /// The fault switches.
    #[cfg(feature = "simulation")]
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

    #[cfg(feature = "simulation")]
    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.broker.strict.all()
    }

    pub(crate) fn quiet(&self) -> bool {
        // What is looked at first may get work from what is looked at last: then the log has grown meanwhile.
        let before = self.ends();
        let services_idle = self.services.values().all(|service| service.stats().in_flight == 0);
        let nothing_due =
            self.consumers.iter().map(|consumer| consumer.stats()).all(|s| s.in_flight + s.lag == 0);
        services_idle && nothing_due && before == self.ends()
    }

    fn ends(&self) -> u64 {
        Topic::ALL.iter().flat_map(|topic| self.broker.log.ends(*topic)).sum()
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
