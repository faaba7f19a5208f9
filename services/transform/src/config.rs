//! The settings of this stage, beside those of the shell and of the database.

use std::path::PathBuf;

use pipeline_config::Pipeline;
use runtime::Env;

/// What `transform` is told by its environment.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline file; `freshet.yaml`.
    pub pipeline: Pipeline,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let path = PathBuf::from(env.text_or("FRESHET_PIPELINE", "freshet.yaml"));
        let pipeline = Pipeline::load_noting(&path, |place, reason| env.mistake(place, reason))?;
        Some(Self { pipeline })
    }
}
