//! The cluster: whatever KUBECONFIG points at.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::Failure;

const FIELD_MANAGER: &str = "freshet-cluster-tests";

/// One namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// The namespace.
    pub namespace: String,
}

/// A kind of objects, with its plural as URLs have it.
#[derive(Debug, Clone, Copy)]
pub struct Kind(&'static str, &'static str, &'static str, &'static str);

/// Knative's Service.
pub const KSERVICE: Kind = Kind("serving.knative.dev", "v1", "Service", "services");
/// Knative's Revision.
pub const REVISION: Kind = Kind("serving.knative.dev", "v1", "Revision", "revisions");
/// Knative's Trigger.
pub const TRIGGER: Kind = Kind("eventing.knative.dev", "v1", "Trigger", "triggers");
/// Knative's Broker.
pub const BROKER: Kind = Kind("eventing.knative.dev", "v1", "Broker", "brokers");
/// Knative's PingSource.
pub const PING_SOURCE: Kind = Kind("sources.knative.dev", "v1", "PingSource", "pingsources");
/// A Deployment.
pub const DEPLOYMENT: Kind = Kind("apps", "v1", "Deployment", "deployments");
/// A Job.
pub const JOB: Kind = Kind("batch", "v1", "Job", "jobs");
/// A ConfigMap.
pub const CONFIG_MAP: Kind = Kind("", "v1", "ConfigMap", "configmaps");
/// A Secret.
pub const SECRET: Kind = Kind("", "v1", "Secret", "secrets");
/// A ServiceAccount.
pub const SERVICE_ACCOUNT: Kind = Kind("", "v1", "ServiceAccount", "serviceaccounts");
/// A Service of the core.
pub const SERVICE: Kind = Kind("", "v1", "Service", "services");

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.2
    }

    fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.0, self.1, self.2), self.3)
    }
}

impl Cluster {
    /// The cluster, with a namespace that is still to be made.
    ///
    /// # Errors
    /// Where no cluster answers, or it has no Knative.
    pub async fn connect(namespace: String) -> Result<Self, Failure> {
        let client = Client::try_default()
            .await
            .map_err(|error| format!("no cluster is configured, set KUBECONFIG: {error}"))?;
        let groups = client
            .list_api_groups()
            .await
            .map_err(|error| format!("the cluster that KUBECONFIG points at does not answer: {error}"))?;
        for (group, what) in
            [("serving.knative.dev", "Knative Serving"), ("eventing.knative.dev", "Knative Eventing")]
        {
            if !groups.groups.iter().any(|found| found.name == group) {
                return Err(format!("this cluster has no {what}: see k8s/README.md").into());
            }
        }
        Ok(Self { client, namespace })
    }

    /// Makes the namespace; what runs in it must be restricted.
    ///
    /// # Errors
    /// Where the cluster refuses it.
    pub async fn make_namespace(&self) -> Result<(), Failure> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": self.namespace,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }});
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&kube::api::PostParams::default(), &serde_json::from_value(namespace)?).await?;
        Ok(())
    }

    /// Asks for the namespace to be removed, and says whether it is gone.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn remove_namespace(&self) -> Result<bool, Failure> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let Some(namespace) = api.get_opt(&self.namespace).await? else { return Ok(true) };
        if namespace.metadata.deletion_timestamp.is_none() {
            api.delete(&self.namespace, &DeleteParams::default()).await?;
        }
        Ok(false)
    }

    /// Makes or changes a Secret.
    ///
    /// # Errors
    /// Where the cluster refuses it.
    pub async fn put_secret(&self, name: &str, data: &BTreeMap<&str, &str>) -> Result<(), Failure> {
        self.put(SECRET, name, json!({"apiVersion": "v1", "kind": "Secret", "stringData": data})).await
    }

    /// Makes or changes an object; its name and namespace are added.
    ///
    /// # Errors
    /// Where the cluster refuses it.
    pub async fn put(&self, kind: Kind, name: &str, mut object: Value) -> Result<(), Failure> {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(self.namespace);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.api(kind).patch(name, &parameters, &Patch::Apply(object)).await?;
        Ok(())
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn list(&self, kind: Kind) -> Result<Vec<DynamicObject>, Failure> {
        Ok(self.api(kind).list(&ListParams::default()).await?.items)
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn remove(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        match self.api(kind).delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => Ok(other.map(|_| ())?),
        }
    }

    /// The objects of a kind whose condition `Ready` is not true, each with the reason.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn not_ready(&self, kind: Kind) -> Result<Vec<String>, Failure> {
        let objects = self.list(kind).await?;
        Ok(objects
            .iter()
            .filter_map(|object| Some(format!("{}: {}", object.name_any(), unready(object)?)))
            .collect())
    }

    /// The URL under which a Knative Service is reached.
    ///
    /// # Errors
    /// Where it has none.
    pub async fn url(&self, name: &str) -> Result<String, Failure> {
        let service = self.api(KSERVICE).get(name).await?;
        let url = service.data["status"]["url"].as_str();
        Ok(url.ok_or_else(|| format!("the Knative Service {name} has no URL"))?.to_owned())
    }

    /// The pods of the namespace.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn pods(&self) -> Result<Vec<Pod>, Failure> {
        Ok(self.pod_api().list(&ListParams::default()).await?.items)
    }

    /// Kills a pod at once, as a node that fails would.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn kill(&self, pod: &str) -> Result<(), Failure> {
        match self.pod_api().delete(pod, &DeleteParams::default().grace_period(0)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => Ok(other.map(|_| ())?),
        }
    }

    /// A key of a Secret.
    ///
    /// # Errors
    /// Where it is not there.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = api.get(name).await?;
        let value = secret.data.and_then(|mut data| data.remove(key));
        let value = value.ok_or_else(|| format!("the Secret {name} has no key {key}"))?;
        Ok(String::from_utf8(value.0)?)
    }

    /// GET of a path of a Service of the core, through the API server.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn get(&self, service: &str, path: &str) -> Result<String, Failure> {
        let uri = format!("/api/v1/namespaces/{}/services/{service}:80/proxy{path}", self.namespace);
        Ok(self.client.request_text(http::Request::get(uri).body(Vec::new())?).await?)
    }

    /// GET of an address of the API server itself.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn raw(&self, uri: &str) -> Result<Value, Failure> {
        let text = self.client.request_text(http::Request::get(uri).body(Vec::new())?).await?;
        Ok(serde_json::from_str(&text)?)
    }

    fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }
}

fn unready(object: &DynamicObject) -> Option<String> {
    let conditions = object.data["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let Some(ready) = ready else { return Some("no condition Ready yet".to_owned()) };
    let observed = object.data["status"]["observedGeneration"].as_i64();
    let is_current = observed.is_none() || observed == object.metadata.generation;
    if ready["status"] == "True" && is_current {
        return None;
    }
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    Some(format!("{} {}", text("reason"), text("message")))
}
