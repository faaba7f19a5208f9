//! The table of stages and subscriptions as what `knative-local` runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event_model::ids;
use knative_local::{
    BROKER_URL, Backoff, Config, DeadLetterSink, DeadLetterTopic, DeliverySpec, ServiceSpec, Subscriber,
    TimerSpec, TriggerSpec, service_url,
};
use pipeline_config::{Files, Pipeline, VARIABLE};
use topology::{
    Delivery, Mode, PAYLOADS, PREWARMS, Prewarm, STAGES, SUBSCRIPTIONS, StageSpec, Subscription, TICK_TIMER,
    WORKER,
};

use runtime::Failure;

/// The Kubernetes namespace that the local broker emulates.
const NAMESPACE: &str = "default";
/// The variable that names a stage's folder.
const SCRATCH: &str = "SCRATCH_DIR";
/// The stage that is the dead letter sink's reader.
const DEAD_LETTER: &str = "dead-letter";
/// Requests at once to `ingest`, before which no activator stands.
const AT_ONCE: u32 = 2048;
/// The longest wait between two attempts to have a dead letter kept: soon after the database answers again.
const DEAD_LETTER_WAIT: Duration = Duration::from_secs(30);

/// A pipeline on this machine.
#[derive(Debug, Clone)]
pub struct LocalTopology {
    /// Where the broker keeps its log.
    pub state: PathBuf,
    /// Where each stage counts which events end its process.
    pub scratch: PathBuf,
    /// The folder of the stages' binaries.
    pub binaries: PathBuf,
    /// The pipeline's files, as absolute paths.
    pub pipeline: Files,
    /// The sources that are events of others in the broker: the type of each, by its name.
    pub foreign_events: BTreeMap<String, String>,
    /// Whether a source reads a topic, so that `worker` runs beside the stages.
    pub reads_topics: bool,
    /// How the stages reach PostgreSQL.
    pub database_url: String,
    /// More environment for every stage; the stages have this program's own as well.
    pub environment: Vec<(String, String)>,
    /// Where requests from outside are taken.
    pub listen: SocketAddr,
    /// The way of a payload to its rows.
    pub mode: Mode,
    /// How long a stage stays without a request.
    pub idle: Duration,
    /// The time between two ticks; `None` where they come by request only.
    pub tick: Option<Duration>,
}

/// The sources of `pipeline` that are events of others.
pub fn foreign_events(pipeline: &Pipeline) -> BTreeMap<String, String> {
    let sources = pipeline.sources.iter();
    sources
        .filter_map(|(name, source)| Some((name.clone(), source.events.as_ref()?.event_type.clone())))
        .collect()
}

/// Whether a source of `pipeline` reads a topic.
pub fn reads_topics(pipeline: &Pipeline) -> bool {
    pipeline.sources.values().any(|source| source.kafka.is_some())
}

impl LocalTopology {
    /// The configuration of the local broker.
    ///
    /// # Errors
    /// Where a stage's binary is missing.
    pub fn config(&self) -> Result<Config, Failure> {
        let worker = self.reads_topics.then(|| self.worker());
        let services = STAGES.iter().map(|stage| self.service(stage)).chain(worker);
        let services = services.collect::<Result<_, _>>()?;
        Ok(Config {
            namespace: NAMESPACE.to_owned(),
            services,
            triggers: SUBSCRIPTIONS.iter().map(trigger).chain(self.foreign_triggers()).collect(),
            dead_letter_topic: Some(DeadLetterTopic {
                subscriber: Subscriber::Service(DEAD_LETTER.to_owned()),
                timeout: Delivery::PAYLOADS.timeout,
                backoff_delay: Delivery::PAYLOADS.backoff_delay,
                backoff_cap: DEAD_LETTER_WAIT,
            }),
            timers: vec![TimerSpec { name: TICK_TIMER.name.to_owned(), every: self.tick }],
            ..Config::new(&self.state)
        })
    }

    /// A trigger for each source of foreign events, delivered like the payloads of the others.
    fn foreign_triggers(&self) -> impl Iterator<Item = TriggerSpec> {
        self.foreign_events.iter().map(|(source, event_type)| TriggerSpec {
            name: format!("events-{source}"),
            filter: BTreeMap::from([("type".to_owned(), event_type.clone())]),
            ..trigger(&PAYLOADS)
        })
    }

    fn program(&self, stage: &str) -> Result<PathBuf, Failure> {
        let program = self.binaries.join(stage);
        if program.exists() {
            return Ok(program);
        }
        Err(Failure::new(format!("the stage {stage} is missing: {}", program.display()))
            .hint("build every stage (make release), or name their folder with --bin-dir"))
    }

    fn own_environment(&self, stage: &str) -> [(String, String); 5] {
        [
            ("DATABASE_URL".to_owned(), self.database_url.clone()),
            (VARIABLE.to_owned(), self.pipeline.to_string()),
            ("K_SINK".to_owned(), BROKER_URL.to_owned()),
            ("BROKER_POSITIONS_URL".to_owned(), format!("{BROKER_URL}/positions")),
            (SCRATCH.to_owned(), self.scratch.join(stage).display().to_string()),
        ]
    }

    /// Always one process: it is given its work by Kafka.
    fn worker(&self) -> Result<ServiceSpec, Failure> {
        let prewarms = PREWARMS.iter().filter(|prewarm| prewarm.stage == WORKER);
        let prewarms = prewarms.map(|prewarm| (prewarm.variable.to_owned(), service_url(prewarm.next)));
        Ok(ServiceSpec {
            env: prewarms
                .chain([("KAFKA_GROUP".to_owned(), self.group())])
                .chain(self.environment.iter().cloned())
                .chain(self.own_environment(WORKER))
                .collect(),
            min_scale: 1,
            max_scale: 1,
            ..ServiceSpec::new(WORKER, self.program(WORKER)?)
        })
    }

    /// The consumer group of this pipeline alone: another `freshet up` has rows of its own, and all of the records too.
    fn group(&self) -> String {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let place = [&*host.to_string_lossy(), &*self.state.to_string_lossy()];
        format!("freshet-up-{}", &ids::derive("group", &place).simple().to_string()[..8])
    }

    fn service(&self, stage: &StageSpec) -> Result<ServiceSpec, Failure> {
        let spec = ServiceSpec::new(stage.name, self.program(stage.name)?);
        let own = self.own_environment(stage.name);
        let is_direct = self.mode == Mode::Direct && stage.public;
        // Nothing comes to the stage that the Broker's payloads need.
        let is_needed = |prewarm: &&Prewarm| !is_direct || prewarm.next != PAYLOADS.stage;
        let prewarms = PREWARMS.iter().filter(|prewarm| prewarm.stage == stage.name).filter(is_needed);
        let prewarms = prewarms.map(|prewarm| (prewarm.variable.to_owned(), service_url(prewarm.next)));
        Ok(ServiceSpec {
            // An empty variable turns its prewarm off.
            env: prewarms
                .chain(is_direct.then(|| ("MODE".to_owned(), Mode::Direct.word().to_owned())))
                .chain(stage.public.then(|| ("MAX_IN_FLIGHT".to_owned(), AT_ONCE.to_string())))
                .chain(self.environment.iter().cloned())
                .chain(own)
                .collect(),
            // Between it and its sender stands nothing that would cost as much as the payload.
            exposed: stage.public,
            listen: if stage.public { self.listen } else { spec.listen },
            public: stage.public,
            container_concurrency: stage.container_concurrency,
            // One machine, one process a stage; its own threads use the cores.
            max_scale: 1,
            timeout: stage.timeout,
            idle: self.idle,
            ..spec
        })
    }
}

fn trigger(subscription: &Subscription) -> TriggerSpec {
    let source = subscription.timer.map(|timer| topology::timer_source(NAMESPACE, timer));
    let source = source.map(|source| ("source".to_owned(), source));
    let delivery = subscription.delivery();
    TriggerSpec {
        filter: source.into_iter().chain([("type".to_owned(), subscription.event_type.to_owned())]).collect(),
        delivery: DeliverySpec {
            timeout: delivery.timeout,
            retry: delivery.retry,
            backoff: Backoff::Linear,
            backoff_delay: delivery.backoff_delay,
        },
        dead_letter_sink: delivery.dead_letters.then_some(DeadLetterSink::Topic),
        ..TriggerSpec::new(subscription.name, Subscriber::Service(subscription.stage.to_owned()))
    }
}

/// The folder of the stages' binaries where none is named: beside this program.
///
/// # Errors
/// Where this program's own path is unknown.
pub fn beside_this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().ok().as_deref().and_then(Path::parent).map(Path::to_owned).ok_or_else(|| {
        Failure::new("this program does not know its own path").hint("name the stages' folder with --bin-dir")
    })
}
