//! The stages: what runs, how many of it, and what it needs to be given.

use std::time::Duration;

use crate::Mode;

/// One stage: one binary, one image, one Knative Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageSpec {
    /// Folder, package, binary, image and Knative Service.
    pub name: &'static str,
    /// Knative's `containerConcurrency`: requests that one process is given at once.
    pub container_concurrency: u32,
    /// Knative's `max-scale`: processes at once.
    pub max_scale: u32,
    /// Knative's `timeoutSeconds`; its clock includes a cold start.
    pub timeout: Duration,
    /// Whether requests from outside the cluster reach it.
    pub public: bool,
    /// Whether it reads the pipeline file.
    pub pipeline: bool,
    /// Whether it uses the database.
    pub database: bool,
    /// Whether it does a job of its name, and may be left out.
    pub job: bool,
    /// Whether it publishes events by itself, beside the one that is its answer.
    pub publishes: bool,
    /// The parts of the pipeline whose credentials it is given.
    pub secrets: &'static [Secrets],
    /// What it speaks Kafka for.
    pub kafka: &'static [KafkaUse],
}

/// A part of the pipeline that names credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Those of senders.
    Sources,
    /// Those that notifications are sent with.
    Receivers,
    /// Those of where reports are kept.
    Reports,
    /// Those of what the canary sends, and where to.
    Canary,
}

impl Secrets {
    /// The key of the part in the pipeline file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Receivers => "receivers",
            Self::Reports => "reports",
            Self::Canary => "canary",
        }
    }
}

/// What a stage speaks Kafka for; it is given no access where none of its uses is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaUse {
    /// The topic of payloads, in topic mode.
    Payloads,
    /// The topic of dead letters, where they are kept in Kafka.
    DeadLetters,
    /// The consumer groups of the Triggers, with a Broker of class Kafka.
    Triggers,
}

impl KafkaUse {
    /// Its word in `files/topology.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::DeadLetters => "deadLetters",
            Self::Triggers => "triggers",
        }
    }
}

/// A stage that is started while another still works, so that both start side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prewarm {
    /// The stage that is at work.
    pub stage: &'static str,
    /// Its variable that holds the other's address.
    pub variable: &'static str,
    /// The stage that will be needed.
    pub next: &'static str,
    /// In which modes.
    pub modes: &'static [Mode],
}

/// Every prewarm: `alert` where a rule watches what came, `notify` where there is a receiver to notify. In direct mode `ingest` also
/// starts `notify` where a reading alone makes an alert fire: one stage fewer comes between.
pub const PREWARMS: [Prewarm; 6] = [
    prewarm("ingest", "PREWARM_URLS", "transform", &[Mode::Broker]),
    prewarm("ingest", "PREWARM_WATCHED_URLS", "alert", &Mode::ALL),
    prewarm("ingest", "PREWARM_FIRING_URLS", "notify", &[Mode::Direct]),
    prewarm("transform", "PREWARM_URLS", "alert", &Mode::ALL),
    prewarm(WORKER, "PREWARM_URLS", "alert", &Mode::ALL),
    prewarm("alert", "PREWARM_URLS", "notify", &Mode::ALL),
];

const fn prewarm(
    stage: &'static str,
    variable: &'static str,
    next: &'static str,
    modes: &'static [Mode],
) -> Prewarm {
    Prewarm { stage, variable, next, modes }
}

/// The stage that always runs where a topic is read: a Deployment, and no Knative Service.
pub const WORKER: &str = "worker";

/// What most stages are like.
const STAGE: StageSpec = StageSpec {
    name: "",
    container_concurrency: 20,
    max_scale: 1,
    timeout: Duration::from_secs(60),
    public: false,
    pipeline: true,
    database: true,
    job: false,
    publishes: false,
    secrets: &[],
    kafka: &[],
};

/// Every stage.
pub const STAGES: [StageSpec; 9] = [
    StageSpec {
        name: "ingest",
        container_concurrency: 250,
        max_scale: 10,
        public: true,
        database: false,
        publishes: true,
        secrets: &[Secrets::Sources],
        kafka: &[KafkaUse::Payloads],
        ..STAGE
    },
    StageSpec { name: "transform", container_concurrency: 100, max_scale: 10, publishes: true, ..STAGE },
    StageSpec { name: "alert", max_scale: 5, publishes: true, ..STAGE },
    StageSpec {
        name: "notify",
        container_concurrency: 10,
        max_scale: 2,
        secrets: &[Secrets::Receivers],
        ..STAGE
    },
    StageSpec {
        name: "dead-letter",
        pipeline: false,
        publishes: true,
        kafka: &[KafkaUse::DeadLetters],
        ..STAGE
    },
    StageSpec {
        name: "scheduler",
        publishes: true,
        kafka: &[KafkaUse::Payloads, KafkaUse::DeadLetters, KafkaUse::Triggers],
        ..STAGE
    },
    StageSpec { name: "cleanup", container_concurrency: 1, job: true, publishes: true, ..STAGE },
    StageSpec {
        name: "report",
        container_concurrency: 1,
        job: true,
        publishes: true,
        secrets: &[Secrets::Receivers, Secrets::Reports],
        ..STAGE
    },
    StageSpec {
        name: "canary",
        container_concurrency: 1,
        job: true,
        publishes: true,
        secrets: &[Secrets::Canary],
        ..STAGE
    },
];

/// The stage of this name.
pub fn stage(name: &str) -> Option<&'static StageSpec> {
    const ALL: &[StageSpec] = &STAGES;
    ALL.iter().find(|stage| stage.name == name)
}
