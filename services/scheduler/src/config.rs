//! The settings of `scheduler`, beside those of the shell and of the database.

use jiff::SignedDuration;
use pipeline_config::{Awaited, Jobs, Pipeline};
use runtime::Env;
use sink::HttpSink;

use crate::queues::Queues;

/// What `scheduler` reads from its environment.
pub struct Config {
    /// The hash of the pipeline whose files `FRESHET_PIPELINE` names; `freshet.yaml`.
    pub(crate) pipeline: String,
    /// The names of its rules, and their hashes in the same order.
    pub(crate) rules: (Vec<String>, Vec<String>),
    /// The first eight bytes of that hash.
    pub(crate) number: i64,
    /// What devices are awaited for that have not sent.
    pub(crate) awaited: Awaited,
    /// The sources that hold payloads of devices that are not known.
    pub(crate) holding: Vec<String>,
    /// The sources whose topics `worker` reads.
    pub(crate) read: Vec<String>,
    /// Its jobs.
    pub(crate) jobs: Jobs,
    /// The names of those that a service here does.
    pub(crate) run: Vec<String>,
    /// The time between two ticks.
    pub(crate) tick: SignedDuration,
    /// Where payloads wait.
    pub(crate) queues: Queues,
    /// `K_SINK`: where events go.
    pub(crate) sink: HttpSink,
}

impl Config {
    /// A configuration for the rules of `pipeline`.
    pub fn new(pipeline: &Pipeline, queues: Queues, sink: HttpSink) -> Self {
        let rules = pipeline.rules.iter().map(|rule| (rule.name.clone(), rule.hash())).unzip();
        let read = pipeline.sources_with_topics().map(str::to_owned).collect();
        let holding = pipeline.sources_that_hold().map(str::to_owned).collect();
        let jobs = pipeline.jobs.clone();
        let run = jobs.all().map(|job| job.name.to_owned()).collect();
        let (awaited, number) = (Awaited::new(pipeline), pipeline.hash_number());
        let (pipeline, tick) = (pipeline.hash.clone(), pipeline.tick);
        Self { pipeline, number, awaited, rules, holding, read, jobs, run, tick, queues, sink }
    }

    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let queues = Queues::from_env(env);
        let sink = HttpSink::from_env(env);
        let run = env.text("JOBS");
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let config = Self::new(&pipeline, queues?, sink?);
        let named = |run: String| run.split(',').map(|name| name.trim().to_owned()).collect();
        Some(Self { run: run.map_or_else(|| config.run.clone(), named), ..config })
    }
}
