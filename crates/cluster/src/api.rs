//! The connection to one cluster, and its objects as JSON.

use std::path::Path;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::core::params::{GetParams, ListParams, PostParams};
use serde::Deserialize;
use serde_json::Value;

use runtime::Failure;

use crate::error::failed;

/// How long the API server may take to be reached.
const CONNECT: Duration = Duration::from_secs(5);
/// What to do where no kubeconfig was found.
const HINT: &str = "name one with --kubeconfig FILE or the environment variable KUBECONFIG; \
    `kubectl config get-contexts` lists its contexts";

/// A connection to one cluster, and the namespace that is looked at.
#[derive(Clone)]
pub struct Cluster {
    /// The client of the API server.
    pub client: kube::Client,
    /// The namespace of the release.
    pub namespace: String,
}

/// A kind of objects, by the address of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// `apis/serving.knative.dev/v1`, or `api/v1`.
    pub api: &'static str,
    /// `services`.
    pub plural: &'static str,
}

/// The kinds that commands look at.
pub mod kinds {
    use super::Kind;

    /// Knative Services.
    pub const SERVICE: Kind = Kind { api: "apis/serving.knative.dev/v1", plural: "services" };
    /// Brokers.
    pub const BROKER: Kind = Kind { api: "apis/eventing.knative.dev/v1", plural: "brokers" };
    /// Triggers.
    pub const TRIGGER: Kind = Kind { api: "apis/eventing.knative.dev/v1", plural: "triggers" };
    /// Timers.
    pub const PING_SOURCE: Kind = Kind { api: "apis/sources.knative.dev/v1", plural: "pingsources" };
    /// Topics that take events.
    pub const KAFKA_SINK: Kind = Kind { api: "apis/eventing.knative.dev/v1alpha1", plural: "kafkasinks" };
    /// Deployments.
    pub const DEPLOYMENT: Kind = Kind { api: "apis/apps/v1", plural: "deployments" };
    /// StatefulSets.
    pub const STATEFUL_SET: Kind = Kind { api: "apis/apps/v1", plural: "statefulsets" };
    /// Jobs.
    pub const JOB: Kind = Kind { api: "apis/batch/v1", plural: "jobs" };
    /// Pods.
    pub const POD: Kind = Kind { api: "api/v1", plural: "pods" };
    /// Nodes.
    pub const NODE: Kind = Kind { api: "api/v1", plural: "nodes" };
    /// ConfigMaps.
    pub const CONFIG_MAP: Kind = Kind { api: "api/v1", plural: "configmaps" };
    /// Events of the cluster itself.
    pub const EVENT: Kind = Kind { api: "api/v1", plural: "events" };
    /// Definitions of custom resources.
    pub const DEFINITION: Kind =
        Kind { api: "apis/apiextensions.k8s.io/v1", plural: "customresourcedefinitions" };
    /// Questions about one's own rights.
    pub const ACCESS_REVIEW: Kind =
        Kind { api: "apis/authorization.k8s.io/v1", plural: "selfsubjectaccessreviews" };
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Value>,
}

impl Kind {
    /// `service`.
    pub fn singular(self) -> &'static str {
        self.plural.trim_end_matches('s')
    }

    /// The address of its objects: in `namespace`, or everywhere where that is `None`.
    fn path(self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("/{}/namespaces/{namespace}/{}", self.api, self.plural),
            None => format!("/{}/{}", self.api, self.plural),
        }
    }
}

impl Cluster {
    /// Connects to the cluster of the kubeconfig's `context`: that of `KUBECONFIG` or `~/.kube/config` where none is
    /// named, that of the pod's `ServiceAccount` where there is none. The namespace is the context's where none is named.
    ///
    /// # Errors
    /// Where there is no kubeconfig, no such context, or no such user in it.
    pub async fn connect(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut config = config(kubeconfig, context).await?;
        config.connect_timeout = Some(CONNECT);
        let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
        let client = kube::Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace })
    }

    /// Kubernetes' version, as `v1.35.4+k3s1`.
    ///
    /// # Errors
    /// Where the API server is away or refuses.
    pub async fn version(&self) -> Result<String, Failure> {
        self.client
            .apiserver_version()
            .await
            .map(|version| version.git_version)
            .map_err(|error| failed(&error))
    }

    /// The object of this name; `None` where there is none, or no such kind.
    ///
    /// # Errors
    /// Where the API server is away or refuses.
    pub async fn get(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Failure> {
        let request = Request::new(kind.path(namespace))
            .get(name, &GetParams::default())
            .map_err(|error| Failure::because("the request cannot be built", &error))?;
        match self.client.request(request).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The objects with these labels; none where there is no such kind.
    ///
    /// # Errors
    /// Where the API server is away or refuses.
    pub async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
    ) -> Result<Vec<Value>, Failure> {
        let request = Request::new(kind.path(namespace))
            .list(&ListParams::default().labels(labels))
            .map_err(|error| Failure::because("the request cannot be built", &error))?;
        match self.client.request::<List>(request).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Asks a question that is an object without a namespace, such as a review of one's rights.
    ///
    /// # Errors
    /// Where the API server is away or refuses.
    pub async fn create(&self, kind: Kind, question: &Value) -> Result<Value, Failure> {
        let request = Request::new(kind.path(None))
            .create(&PostParams::default(), question.to_string().into_bytes())
            .map_err(|error| Failure::because("the request cannot be built", &error))?;
        self.client.request(request).await.map_err(|error| failed(&error))
    }

    /// The data of a ConfigMap; empty where there is none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn config(&self, namespace: &str, name: &str) -> Result<Value, Failure> {
        let map = self.get(kinds::CONFIG_MAP, Some(namespace), name).await?;
        Ok(map.map_or(Value::Null, |map| map["data"].clone()))
    }
}

async fn config(path: Option<&Path>, context: Option<&str>) -> Result<Config, Failure> {
    let unreadable = |error| Failure::because("there is no kubeconfig to use", &error).hint(HINT);
    let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        // In a pod the ServiceAccount's token stands for it.
        Err(error) if path.is_none() && context.is_none() => {
            return Config::incluster().map_err(|_| unreadable(error));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Failure::because("the kubeconfig cannot be used", &error).hint(HINT))
}
