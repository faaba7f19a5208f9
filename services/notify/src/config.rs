//! The settings of `notify`, beside those of the shell and of the database.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use pipeline_config::Pipeline;
use receivers::{AddressPolicy, Outgoing};
use runtime::Env;

/// Longer than an attempt that begins at the last moment may take.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// What the environment says to `notify`.
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `SSL_CERT_FILE`: a PEM file of certificates that are trusted beside Mozilla's; none.
    pub outgoing: Arc<Outgoing>,
    /// `LEASE_MS`: how long a notification belongs to the process that took it, should that process die; 60 s.
    pub lease: SignedDuration,
}

impl Config {
    /// Reads it, and opens every receiver once, so that a missing secret is found at the start; mistakes are noted in
    /// `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let roots = env.text("SSL_CERT_FILE").map(PathBuf::from);
        let lease = env.millis_or("LEASE_MS", DEFAULT_LEASE);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), roots));
        for (name, receiver) in &pipeline.receivers {
            if let Err(error) = receivers::open(receiver, &outgoing, &|name| std::env::var(name).ok()) {
                env.mistake(format!("receiver {name}"), error.to_string());
            }
        }
        let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::from_mins(1));
        env.mistakes().is_empty().then_some(Self { pipeline, outgoing, lease })
    }
}
