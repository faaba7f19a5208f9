//! The settings of this stage, beside those of the shell and of the database.

use evaluate::WatchedRules;
use pipeline_config::Pipeline;
use runtime::Env;

/// What the environment says to `alert`.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// The pipeline's rules, their annotations read.
    pub rules: WatchedRules,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let rules = WatchedRules::new(&pipeline.rules)
            .map_err(|error| env.mistake(pipeline_config::VARIABLE, error.to_string()))
            .ok()?;
        env.mistakes().is_empty().then_some(Self { pipeline, rules })
    }
}
