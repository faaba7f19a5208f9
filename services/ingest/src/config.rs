//! The settings of `ingest`.

use std::time::Duration;

use pipeline_config::Pipeline;
use runtime::Env;
use store::DatabaseSettings;

use crate::next_stages::NextStages;
use crate::sources::Sources;

/// Below the 1 MiB of a Kafka record, with room for the head of the request and the event's attributes.
const DEFAULT_MAX_BODY_BYTES: usize = 768 * 1024;

/// Of the 5 s that the less patient senders wait, half is the Broker's,
const COMMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// or the database's too, where it is the only place.
const COMMIT_TIMEOUT_ALONE: Duration = Duration::from_secs(4);

/// What `ingest` is started with.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the sources of these files; `freshet.yaml`.
    pub sources: Sources,
    /// `PREWARM_URLS`, `PREWARM_WATCHED_URLS`, `PREWARM_FIRING_URLS`: the stages that start while a request is queued or written; none.
    pub next_stages: NextStages,
    /// `MAX_BODY_BYTES`: the largest body, as sent and again after decompression; 768 KiB.
    pub max_body_bytes: usize,
    /// `MODE=direct`: what that needs.
    pub direct: Option<DirectConfig>,
}

/// What direct mode needs.
#[derive(Debug)]
pub struct DirectConfig {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// `DATABASE_URL` and those beside it.
    pub database: DatabaseSettings,
    /// `FALLBACK`: `broker` where the Broker keeps what it takes, `none` where it does not; `broker`.
    pub falls_back: bool,
    /// `COMMIT_TIMEOUT_MS`: for a payload to be committed, before it goes to the Broker, 2 s, or is refused, 4 s.
    pub commit_timeout: Duration,
}

impl Config {
    /// Reads them; mistakes, those in the file too, are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let files = env.text(pipeline_config::VARIABLE);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason));
        let (sources, next_stages) = match &pipeline {
            Some(pipeline) => (Sources::of(pipeline, env), NextStages::from_env(env, pipeline)),
            None => (Sources::default(), NextStages::default()),
        };
        let direct = match env.text("MODE").as_deref() {
            None | Some("queue") => None,
            Some("direct") => DirectConfig::from_env(env, pipeline),
            Some(_) => {
                env.mistake("MODE", "is neither queue nor direct");
                None
            }
        };
        let max_body_bytes =
            env.number_or("MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES, 1024..=DEFAULT_MAX_BODY_BYTES);
        Self { sources, next_stages, max_body_bytes, direct }
    }
}

impl DirectConfig {
    fn from_env(env: &mut Env, pipeline: Option<Pipeline>) -> Option<Self> {
        let database = DatabaseSettings::from_env(env);
        let falls_back = match env.text("FALLBACK").as_deref() {
            None | Some("broker") => true,
            Some("none") => false,
            Some(_) => {
                env.mistake("FALLBACK", "is neither broker nor none");
                false
            }
        };
        let commit_timeout = if falls_back { COMMIT_TIMEOUT } else { COMMIT_TIMEOUT_ALONE };
        let commit_timeout = env.millis_or("COMMIT_TIMEOUT_MS", commit_timeout);
        Some(Self { pipeline: pipeline?, database, falls_back, commit_timeout })
    }
}
