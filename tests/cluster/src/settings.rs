//! Where the cluster is, and what is installed on it.

use std::path::PathBuf;

use url::Url;

use crate::Failure;

/// What `make test-cluster` reads from its environment. Each field names its variable and default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `FRESHET_IMAGE_REGISTRY`: where the images are; `dev.local`.
    pub registry: String,
    /// `FRESHET_IMAGE_TAG`: their tag; `box`.
    pub tag: String,
    /// `FRESHET_BEFORE`: a checkout of the release before, whose images have the tag `before`; without it the upgrade is left
    /// out.
    pub before: Option<PathBuf>,
    /// `GATEWAY`: where Knative's gateway is reached from here; `http://127.0.0.1`.
    pub gateway: Url,
    /// `DATABASE_URL`: a PostgreSQL that this machine and the pods reach; a database of its own is made in it.
    pub database_url: Url,
    /// `KAFKA_BOOTSTRAP`: a Kafka that the pods reach; topic mode is left out without it.
    pub kafka_bootstrap: Option<String>,
    /// `FRESHET_OUTAGE`: a shell command that takes `postgres` or `kafka`, and `stop`, `kill` or `start`; without it neither
    /// server is touched, and the database merely refuses every connection for a while.
    pub outage: Option<String>,
    /// `FRESHET_CHART`: the chart; `charts/freshet`.
    pub chart: PathBuf,
    /// `FRESHET_KEEP`: leaves everything where it is after a failure.
    pub keep: bool,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Says which variable is missing, and what it is for.
    pub fn from_env() -> Result<Self, Failure> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let or = |name: &str, default: &str| text(name).unwrap_or_else(|| default.to_owned());
        let database_url = text("DATABASE_URL").ok_or(
            "DATABASE_URL is not set: name a PostgreSQL that this machine and the cluster's pods reach",
        )?;
        Ok(Self {
            registry: or("FRESHET_IMAGE_REGISTRY", "dev.local"),
            tag: or("FRESHET_IMAGE_TAG", "box"),
            before: text("FRESHET_BEFORE").map(PathBuf::from),
            gateway: parse("GATEWAY", &or("GATEWAY", "http://127.0.0.1"))?,
            database_url: parse("DATABASE_URL", &database_url)?,
            kafka_bootstrap: text("KAFKA_BOOTSTRAP"),
            outage: text("FRESHET_OUTAGE"),
            chart: or("FRESHET_CHART", "charts/freshet").into(),
            keep: text("FRESHET_KEEP").is_some(),
        })
    }
}

/// The value is not shown: it may hold a password.
fn parse(name: &str, text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|error| format!("{name} is no URL: {error}").into())
}
