//! The settings of `ingest`.

use pipeline_config::Pipeline;
use runtime::Env;

use crate::next_stages::NextStages;
use crate::sources::Sources;

/// Below the 1 MiB of a Kafka record, with room for the head of the request and the event's attributes.
const DEFAULT_MAX_BODY_BYTES: usize = 768 * 1024;

/// What `ingest` is started with.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the sources of these files; `freshet.yaml`.
    pub sources: Sources,
    /// `PREWARM_URLS`, `PREWARM_WATCHED_URLS`: the stages that start while a request is queued; none.
    pub next_stages: NextStages,
    /// `MAX_BODY_BYTES`: the largest body, as sent and again after decompression; 768 KiB.
    pub max_body_bytes: usize,
}

impl Config {
    /// Reads them; mistakes, those in the file too, are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let files = env.text(pipeline_config::VARIABLE);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason));
        let (sources, next_stages) = match pipeline {
            Some(pipeline) => (Sources::of(&pipeline, env), NextStages::from_env(env, &pipeline)),
            None => (Sources::default(), NextStages::default()),
        };
        let max_body_bytes =
            env.number_or("MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES, 1024..=DEFAULT_MAX_BODY_BYTES);
        Self { sources, next_stages, max_body_bytes }
    }
}
