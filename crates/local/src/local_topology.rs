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
/// The stage that requests from outside come to.
const INGEST: &str = "ingest";
/// The stage that is the dead letter sink's reader.
const DEAD_LETTER: &str = "dead-letter";
/// Requests at once to `ingest` where no activator stands before it.
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
    /// The way of a payload to its rows; the Kafka of topic mode is that of this program's environment.
    pub mode: Mode,
    /// The topic that the worker reads: of payloads in topic mode, in another one of those that were left in it.
    pub topic: Option<String>,
    /// Whether `ingest` comes to zero too, with an activator before it that takes half of what a payload costs; in direct mode
    /// never.
    pub ingest_scales: bool,
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
    pipeline.sources_with_topics().next().is_some()
}

impl LocalTopology {
    /// The configuration of the local broker.
    ///
    /// # Errors
    /// Where a stage's binary is missing.
    pub fn config(&self) -> Result<Config, Failure> {
        let worker = (self.reads_topics || self.topic.is_some()).then(|| self.worker());
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

    /// The consumer group of this pipeline alone: another `freshet up` has rows of its own, and all of the records too.
    fn group(&self) -> String {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let place = [&*host.to_string_lossy(), &*self.state.to_string_lossy()];
        format!("freshet-up-{}", &ids::derive("group", &place).simple().to_string()[..8])
    }

    fn service(&self, stage: &StageSpec) -> Result<ServiceSpec, Failure> {
        let spec = ServiceSpec::new(stage.name, self.program(stage.name)?);
        let is_direct = self.mode == Mode::Direct && stage.public;
        let is_exposed = stage.public && (is_direct || !self.ingest_scales);
        let mode = is_direct.then(|| ("MODE".to_owned(), Mode::Direct.word().to_owned()));
        let at_once = is_exposed.then(|| ("MAX_IN_FLIGHT".to_owned(), AT_ONCE.to_string()));
        Ok(ServiceSpec {
            env: self.environment(stage.name, mode.into_iter().chain(at_once)),
            exposed: is_exposed,
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

    /// The stage that reads topics: always one process, which is given its work by Kafka.
    fn worker(&self) -> Result<ServiceSpec, Failure> {
        let spec = ServiceSpec::new(WORKER, self.program(WORKER)?);
        let group = ("KAFKA_GROUP".to_owned(), self.group());
        Ok(ServiceSpec { env: self.environment(WORKER, [group]), min_scale: 1, ..spec })
    }

    fn program(&self, name: &str) -> Result<PathBuf, Failure> {
        let program = self.binaries.join(name);
        if program.exists() {
            return Ok(program);
        }
        Err(Failure::new(format!("the stage {name} is missing: {}", program.display()))
            .hint("build every stage (make release), or name their folder with --bin-dir"))
    }

    /// The variables of a stage. One that is empty counts as not set, whatever this program's own environment holds.
    fn environment(
        &self,
        stage: &str,
        more: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeMap<String, String> {
        let is_ingest = stage == INGEST;
        let queues = is_ingest && self.mode == Mode::Topic;
        let stores = !is_ingest || self.mode == Mode::Direct;
        let topic = self.topic.clone().filter(|_| queues || !is_ingest).unwrap_or_default();
        let topic = ("KAFKA_TOPIC".to_owned(), topic);
        let own = [
            ("DATABASE_URL", if stores { self.database_url.clone() } else { String::new() }),
            (VARIABLE, self.pipeline.to_string()),
            ("K_SINK", if queues { String::new() } else { BROKER_URL.to_owned() }),
            ("BROKER_POSITIONS_URL", format!("{BROKER_URL}/positions")),
            (SCRATCH, self.scratch.join(stage).display().to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let is_needed = |prewarm: &&Prewarm| prewarm.stage == stage && prewarm.modes.contains(&self.mode);
        let prewarms = PREWARMS.iter().filter(is_needed);
        let prewarms = prewarms.map(|prewarm| (prewarm.variable.to_owned(), service_url(prewarm.next)));
        prewarms.chain([topic]).chain(more).chain(self.environment.iter().cloned()).chain(own).collect()
    }
}

fn trigger(subscription: &Subscription) -> TriggerSpec {
    let source = subscription.timer.map(|timer| topology::timer_source(NAMESPACE, timer));
    let source = source.map(|source| ("source".to_owned(), source));
    let subject = subscription.subject.map(|subject| ("subject".to_owned(), subject.to_owned()));
    let event_type = ("type".to_owned(), subscription.event_type.to_owned());
    let delivery = subscription.delivery();
    TriggerSpec {
        filter: source.into_iter().chain(subject).chain([event_type]).collect(),
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
