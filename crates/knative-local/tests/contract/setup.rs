//! Starts brokers for tests, and talks to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use knative_local::{
    Backoff, Config, DeliverySpec, LocalKnative, Running, ServiceSpec, Subscriber, TriggerSpec, Violation,
};
use tempfile::TempDir;

/// What the tests wait at most.
pub(crate) const BUDGET: Duration = Duration::from_secs(20);

/// A folder for a broker, and a client for its addresses.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) client: reqwest::Client,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            reqwest::Client::builder().no_proxy().timeout(BUDGET).build().expect("a client can be built");
        Self { folder, client }
    }

    /// A configuration whose waits are short.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.folder.path().join("state"));
        config.time_scale = 0.01;
        config.commit_interval = Duration::from_millis(50);
        config.partitions = 3;
        config
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn seen(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(file)).unwrap_or_default();
        text.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    }

    /// Posts an event in binary mode; the status.
    pub(crate) async fn post(&self, url: &str, event: &Event<'_>) -> u16 {
        let mut request = self.client.post(url).header("ce-specversion", "1.0").header("ce-source", "/tests");
        request = request.header("ce-id", event.id).header("ce-type", event.event_type);
        if let Some(key) = event.key {
            request = request.header("ce-partitionkey", key);
        }
        for (name, value) in event.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(event.data.to_owned());
        request.send().await.expect("the broker answers").status().as_u16()
    }
}

/// An event of a test.
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) data: &'a str,
}

impl<'a> Event<'a> {
    pub(crate) fn new(id: &'a str) -> Self {
        Self { id, event_type: "test.asked", key: None, headers: &[], data: "" }
    }
}

pub(crate) async fn start(config: Config) -> Running {
    let now = Timestamp::from_second(1_700_000_000).expect("a time of this century is one");
    LocalKnative::start(config, Arc::new(move || now)).await.expect("the broker starts")
}

/// A trigger of `test.asked` events that is tried three times with short waits.
pub(crate) fn trigger(name: &str, url: &str) -> TriggerSpec {
    let mut trigger = TriggerSpec::new(name, Subscriber::Url(url.to_owned()));
    trigger.filter.insert("type".to_owned(), "test.asked".to_owned());
    trigger.delivery = DeliverySpec {
        timeout: Duration::from_millis(500),
        retry: 2,
        backoff: Backoff::Exponential,
        backoff_delay: Duration::from_millis(100),
    };
    trigger
}

/// The example of this name, which cargo built beside this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo test -p knative-local` builds it", path.display());
    path
}

/// A service that is the example `subscriber`.
pub(crate) fn service(name: &str) -> ServiceSpec {
    ServiceSpec { idle: Duration::from_millis(300), ..ServiceSpec::new(name, example("subscriber")) }
}

pub(crate) async fn quiet(running: &Running) {
    assert!(running.wait_quiet(BUDGET).await, "still busy: {:?}", running.stats());
}

pub(crate) fn rules(violations: &[Violation]) -> Vec<knative_local::Rule> {
    violations.iter().map(|violation| violation.rule).collect()
}
