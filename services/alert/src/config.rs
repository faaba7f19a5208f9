//! The settings of this stage, beside those of the shell and of the database.

use std::path::PathBuf;
use std::time::Duration;

use pipeline_config::Pipeline;
use runtime::Env;

use crate::watch::Watch;

/// What `alert` is told by its environment.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline file; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `MAX_STREAMS_PER_EVENT`: how many streams one event evaluates; 1000.
    pub max_streams: usize,
    /// `EVENT_BUDGET_MS`: after this time an event begins no further stream; 20 s.
    pub event_budget: Duration,
    /// The pipeline's rules, their annotations read.
    pub(crate) watches: Vec<Watch>,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let path = PathBuf::from(env.text_or("FRESHET_PIPELINE", "freshet.yaml"));
        let max_streams = env.number_or("MAX_STREAMS_PER_EVENT", 1000, 1..=100_000);
        let event_budget = env.millis_or("EVENT_BUDGET_MS", Duration::from_secs(20));
        let pipeline = Pipeline::load_noting(&path, |place, reason| env.mistake(place, reason))?;
        let mut watches = Vec::new();
        for rule in &pipeline.rules {
            match Watch::new(rule.clone()) {
                Ok(watch) => watches.push(watch),
                Err(error) => env.mistake(format!("annotations of rule {}", rule.name), error.to_string()),
            }
        }
        env.mistakes().is_empty().then_some(Self { pipeline, max_streams, event_budget, watches })
    }
}
