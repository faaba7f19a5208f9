//! The settings of `scheduler`, beside those of the shell and of the database.

use jiff::SignedDuration;
use pipeline_config::Pipeline;
use runtime::Env;
use sink::HttpSink;

use crate::queues::Queues;

/// What `scheduler` reads from its environment.
pub struct Config {
    /// The hash of the pipeline whose files `FRESHET_PIPELINE` names; `freshet.yaml`.
    pub(crate) pipeline: String,
    /// The names of its rules, and their hashes in the same order.
    pub(crate) rules: (Vec<String>, Vec<String>),
    /// The sources whose topics `worker` reads.
    pub(crate) read: Vec<String>,
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
        Self { pipeline: pipeline.hash.clone(), rules, read, tick: pipeline.tick, queues, sink }
    }

    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let queues = Queues::from_env(env);
        let sink = HttpSink::from_env(env);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        Some(Self::new(&pipeline, queues?, sink?))
    }
}
