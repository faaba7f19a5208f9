//! The settings of this stage, beside those of the shell and of the database.

use pipeline_config::Pipeline;
use runtime::Env;
use sink::HttpSink;

/// What `transform` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `K_SINK`: where events go beside the one that is an answer.
    pub sink: HttpSink,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason));
        let sink = HttpSink::from_env(env);
        Some(Self { pipeline: pipeline?, sink: sink? })
    }
}
