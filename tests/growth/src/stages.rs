//! The stages of a pipeline over one database, in this process.

use std::sync::Arc;

use alert::Alert;
use cloudevents::Event;
use dead_letter::{DeadLetters, Sender};
use evaluate::{Evaluator, WatchedRules};
use jiff::{SignedDuration, Timestamp};
use notify::{Deliverer, Notify, Waiters};
use persist::{Persist, PersistParts};
use pipeline_config::Pipeline;
use receivers::{AddressPolicy, Outgoing};
use runtime::{ClientOptions, Clock, Prewarm};
use scheduler::{Config, Queues, Scheduler};
use sink::{HttpSink, Overrides};
use stage::telemetry::EvaluationMetrics;
use stage::{Delivery, Outcome, Stage};
use store::{Database, DatabaseSettings, active_pipeline};
use testkit::{TestDatabase, TestReceiver};
use transform::{Transform, TransformParts};

/// A pipeline that watches every device of its source, by value and for silence.
const PIPELINE: &str = "
sources:
  fleet: {format: json, credentials: [{bearer: {env: TOKEN}}], max_new_devices_per_hour: 100000}
rules:
  TooHot: {metric: temperature, above: 30, clear: 28}
  Silent: {metric: temperature, absent: 3d}
network:
  allow: [127.0.0.0/8]
receivers:
  ops: {webhook: {url: 'URL'}}
routes:
  - {to: [ops]}
";

/// The time of the burst.
pub fn now() -> Timestamp {
    "2026-03-10T10:00:00Z".parse().unwrap()
}

/// What takes the burst.
pub struct Stages {
    /// The pipeline file in force.
    pub pipeline: Pipeline,
    /// Where the rows are.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// Broker mode.
    pub transform: Transform,
    /// Topic mode's half of `worker`.
    pub worker: Persist,
    /// What `alert` evaluates with.
    pub evaluator: Evaluator,
    alert: Alert,
    notify: Notify,
    scheduler: Scheduler,
    dead_letters: DeadLetters,
    /// Where people are notified, and where events go that are no answers.
    pub outside: TestReceiver,
}

impl Stages {
    /// Migrates the database, and puts the pipeline in force.
    pub async fn over(database: &TestDatabase) -> Self {
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let (database, clock, outside) =
            (Database::new(&settings), Clock::manual(now()), TestReceiver::start().await);
        let pipeline = Pipeline::parse(&PIPELINE.replace("URL", &outside.url("/")), "freshet.yaml").unwrap();
        let client = database.client().await.unwrap();
        active_pipeline::activate(&client, &pipeline.hash, now()).await.unwrap();
        drop(client);
        let sink = || {
            let url = outside.url("/broker").parse().unwrap();
            HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap()
        };
        let evaluator = || Evaluator {
            database: database.clone(),
            clock: clock.clone(),
            rules: WatchedRules::new(&pipeline.rules).unwrap(),
            pipeline: pipeline.clone(),
            prewarm: Prewarm::default(),
        };
        let parts = |stage| PersistParts {
            codecs: persist::Codecs::default(),
            pipeline: pipeline.clone(),
            database: database.clone(),
            prewarm: Prewarm::default(),
            stage,
        };
        let transform = TransformParts {
            pipeline: pipeline.clone(),
            database: database.clone(),
            prewarm: Prewarm::default(),
            sink: sink(),
            clock: clock.clone(),
        };
        let deliverer = Deliverer {
            database: database.clone(),
            outgoing: Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), None)),
            pipeline: pipeline.clone(),
            clock: clock.clone(),
            lease: SignedDuration::from_secs(60),
            waiters: Waiters::default(),
        };
        let sender = Sender { database: database.clone(), sink: sink(), persist: None, clock: clock.clone() };
        Self {
            transform: Transform::new(transform),
            worker: Persist::new(parts("worker")),
            evaluator: evaluator(),
            alert: Alert::new(evaluator(), sink(), EvaluationMetrics::default()),
            notify: Notify::new(deliverer),
            scheduler: Scheduler::new(
                Config::new(&pipeline, Queues::Unknown, sink()),
                database.clone(),
                clock.clone(),
            ),
            dead_letters: DeadLetters::new(Arc::new(sender), None),
            pipeline,
            database,
            clock,
            outside,
        }
    }

    /// Has `transform` take an event; its answer.
    pub async fn transform(&self, event: Event) -> Option<Event> {
        self.deliver(&self.transform, event).await
    }

    /// Has `alert` take an event; its answer.
    pub async fn alert(&self, event: Event) -> Option<Event> {
        self.deliver(&self.alert, event).await
    }

    /// Has `notify` take an event; its answer.
    pub async fn notify(&self, event: Event) -> Option<Event> {
        self.deliver(&self.notify, event).await
    }

    /// Has `scheduler` take an event; its answer.
    pub async fn schedule(&self, event: Event) -> Option<Event> {
        self.deliver(&self.scheduler, event).await
    }

    /// Has `dead-letter` take an event; its answer.
    pub async fn dead_letter(&self, event: Event) -> Option<Event> {
        self.deliver(&self.dead_letters, event).await
    }

    async fn deliver(&self, stage: &impl Stage, event: Event) -> Option<Event> {
        match stage.handle(event, Delivery::at(self.clock.now())).await {
            Outcome::Reply(reply) => Some(*reply),
            Outcome::Done => None,
            other => panic!("{other:?}"),
        }
    }
}
