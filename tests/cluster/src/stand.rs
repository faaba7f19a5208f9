//! A pipeline on the cluster: namespace, database, receiver, release.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kube::ResourceExt as _;
use reqwest::Client;
use serde_json::{Value, json};
use topology::{Mode, STAGES};
use url::Url;
use uuid::Uuid;

use crate::cluster::{BROKER, Cluster, DEPLOYMENT, KSERVICE, PING_SOURCE, REVISION, TRIGGER};
use crate::database::Database;
use crate::release::Release;
use crate::settings::Settings;
use crate::wait::until;
use crate::{Failure, receiver, topics};

/// For a start of everything; two busy cores need most of it.
const READY_LIMIT: Duration = Duration::from_secs(300);
/// Of one request: a cold start included, and longer than the stage's own time-out.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);
/// The demo's pipeline, with the receiver of the cluster and a tick that leaves room for zero pods.
const PIPELINE: &str = include_str!("../../../crates/local/demo/freshet.yaml");
/// Knative's label of what it makes for a Service.
const KNATIVE_SERVICE: &str = "serving.knative.dev/service";
/// The time between two ticks.
pub const TICK: Duration = Duration::from_secs(120);

/// Everything that a scenario needs.
pub struct Stand {
    /// Where the cluster is.
    pub settings: Settings,
    /// The namespace.
    pub cluster: Cluster,
    /// The release.
    pub release: Release,
    /// The database.
    pub database: Database,
    /// Every source's credential.
    pub key: String,
    /// What notifications are signed with.
    pub signing_secret: String,
}

impl Stand {
    /// Makes namespace, database, secrets and receiver; nothing is installed yet.
    ///
    /// # Errors
    /// Where something that is needed is not there, in a plain sentence.
    pub async fn prepare(settings: Settings) -> Result<Self, Failure> {
        let id = &Uuid::new_v4().simple().to_string()[..8];
        let cluster = Cluster::connect(format!("freshet-test-{id}")).await?;
        let database = Database::make(&settings.database_url, format!("freshet_test_{id}")).await?;
        let release = Release {
            name: "freshet".to_owned(),
            namespace: cluster.namespace.clone(),
            chart: settings.chart.clone(),
        };
        let key = Uuid::new_v4().simple().to_string();
        // Base64 of 24 bytes.
        let signing_secret = format!("whsec_{}", &Uuid::new_v4().simple().to_string());
        let stand = Self { settings, cluster, release, database, key, signing_secret };
        match stand.furnish().await {
            Ok(()) => Ok(stand),
            Err(failure) => {
                stand.clear().await?;
                Err(failure)
            }
        }
    }

    async fn furnish(&self) -> Result<(), Failure> {
        self.cluster.make_namespace().await?;
        let url = self.database.url();
        self.cluster.put_secret("database", &BTreeMap::from([("uri", url.as_str())])).await?;
        let webhook = format!("http://{}/alerts", receiver::host(&self.cluster.namespace));
        let demo = [("key", self.key.as_str()), ("secret", &self.signing_secret), ("webhook", &webhook)];
        self.cluster.put_secret("demo", &BTreeMap::from(demo)).await?;
        receiver::put_up(&self.cluster, &self.settings).await
    }

    /// The values of the release, which with this Broker are those of direct mode; a test changes what it wants otherwise.
    pub fn values(&self) -> Value {
        let secret = |key: &str| json!({"secret": "demo", "key": key});
        // The release before may have no such job.
        let stages = STAGES.iter().filter(|stage| !stage.job).map(|stage| {
            let own = json!({"window": "6s", "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}});
            (stage.name.to_owned(), own)
        });
        json!({
            "image": {"registry": self.settings.registry, "tag": self.settings.tag, "pullPolicy": "IfNotPresent"},
            "database": {"existingSecret": "database"},
            "broker": {"class": "MTChannelBasedBroker"},
            "pipelineFile": self.pipeline(TICK),
            "secretEnv": {
                "FRESHET_DEMO_KEY": secret("key"),
                "FRESHET_DEMO_WEBHOOK": secret("webhook"),
                "FRESHET_DEMO_WEBHOOK_SECRET": secret("secret"),
            },
            "stages": serde_json::Map::from_iter(stages),
        })
    }

    /// The same with a tick each minute, so that what failed only for a while is soon sent back.
    pub fn values_with_quick_tick(&self) -> Value {
        let mut values = self.values();
        values["pipelineFile"] = json!(self.pipeline(Duration::from_secs(60)));
        values
    }

    /// `values` changed to this mode; topic mode needs more, see [`Self::in_topic_mode`].
    pub fn in_mode(mut values: Value, mode: Mode) -> Value {
        values["mode"] = json!(mode.word());
        values
    }

    /// `values` changed to topic mode, with the Kafka at `bootstrap`.
    pub fn in_topic_mode(values: Value, bootstrap: &str) -> Value {
        let mut values = Self::in_mode(values, Mode::Topic);
        values["topic"] = json!({"partitions": 4, "replicationFactor": 1});
        values["kafka"] = json!({"bootstrapServers": bootstrap});
        values
    }

    fn pipeline(&self, tick: Duration) -> String {
        let host = receiver::host(&self.cluster.namespace);
        // Every scenario notifies one receiver, within the same hour.
        PIPELINE
            .replace("webhook: {url:", "webhook: {max_per_hour: 100000, url:")
            .replace("allow: [127.0.0.1]", &format!("allow: [{host}]"))
            .replace("tick: 10s", &format!("tick: {}m", tick.as_secs() / 60))
    }

    /// Installs or upgrades, and waits until everything is ready.
    ///
    /// # Errors
    /// What Helm or an object complains about.
    pub async fn install(&self, values: &Value) -> Result<(), Failure> {
        self.release.upgrade(values).await?;
        self.ready().await
    }

    /// Installs the release before, of which `checkout` is a checkout: its chart and its images.
    ///
    /// # Errors
    /// What Helm or an object complains about.
    pub async fn install_before(&self, checkout: &Path) -> Result<(), Failure> {
        let mut values = self.values();
        values["image"]["tag"] = json!("before");
        let stages = std::fs::read_to_string(checkout.join("k8s/binaries"))?;
        if let Some(own) = values["stages"].as_object_mut() {
            own.retain(|stage, _| stages.lines().any(|name| name == stage));
        }
        let release = Release { chart: checkout.join("charts/freshet"), ..self.release.clone() };
        release.upgrade(&values).await?;
        self.ready().await
    }

    /// Waits until every object says that it is ready, and the receiver has its pod.
    ///
    /// # Errors
    /// What is not ready in the end, and why.
    pub async fn ready(&self) -> Result<(), Failure> {
        for kind in [BROKER, KSERVICE, TRIGGER, PING_SOURCE] {
            let mut last = Vec::new();
            let waited = until(READY_LIMIT, "ready", async || {
                last = self.cluster.not_ready(kind).await?;
                Ok(last.is_empty().then_some(()))
            });
            waited.await.map_err(|_| format!("{} not ready: {}", kind.name(), last.join("; ")))?;
        }
        until(READY_LIMIT, "the pods of the receiver and the worker", async || {
            let mut deployments = self.cluster.list(DEPLOYMENT).await?;
            // Those of Knative scale to zero.
            deployments.retain(|one| !one.labels().contains_key(KNATIVE_SERVICE));
            let are_ready =
                deployments.iter().all(|one| one.data["status"]["readyReplicas"].as_i64() >= Some(1));
            Ok(are_ready.then_some(()))
        })
        .await
    }

    /// A client that reaches a Knative Service through the gateway, and the service's base URL.
    ///
    /// # Errors
    /// Where the service has no URL, or the gateway no address.
    pub async fn client_of(&self, service: &str) -> Result<(Client, String), Failure> {
        let url = Url::parse(&self.cluster.url(service).await?)?;
        let host = url.host_str().ok_or("the service's URL has no host")?.to_owned();
        let addresses = self.settings.gateway.socket_addrs(|| None)?;
        let port = self.settings.gateway.port_or_known_default().unwrap_or(80);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .resolve_to_addrs(&host, &addresses)
            .build()?;
        Ok((client, format!("http://{host}:{port}")))
    }

    /// The name of a stage's Knative Service.
    pub fn service(&self, stage: &str) -> String {
        format!("{}-{stage}", self.release.name)
    }

    /// The names of the revisions there are.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn revisions(&self) -> Result<Vec<String>, Failure> {
        let revisions = self.cluster.list(REVISION).await?;
        Ok(revisions.into_iter().filter_map(|revision| revision.metadata.name).collect())
    }

    /// Removes release, namespace and database.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn clear(&self) -> Result<(), Failure> {
        let uninstalled = self.release.uninstall().await;
        let removed = until(Duration::from_secs(180), "the namespace's end", async || {
            Ok(self.cluster.remove_namespace().await?.then_some(()))
        })
        .await;
        self.database.remove().await?;
        if let Some(bootstrap) = &self.settings.kafka_bootstrap {
            topics::remove(&self.cluster.namespace, bootstrap).await?;
        }
        uninstalled.and(removed)
    }
}
