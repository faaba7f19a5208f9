//! A connection to a stage from outside, also while it has no pod: through Kourier's gateway, else through the activator.
//!
//! Both hold a request until a pod is there. The gateway knows a stage by its host inside the cluster, the activator
//! by the revision that two header fields name.

use serde_json::Value;

use crate::api::{Cluster, kinds};
use crate::forward::{Forward, PodPort};
use crate::object::{is_ready, name, text};
use crate::release::Release;
use runtime::Failure;

const GATEWAY_NAMESPACE: &str = "kourier-system";
const GATEWAY_LABELS: &str = "app=3scale-kourier-gateway";
/// The listener of `kourier-internal`, which has cluster-local hosts and public services' local ones.
const GATEWAY_PORT: u16 = 8081;
const SERVING_NAMESPACE: &str = "knative-serving";
const ACTIVATOR_LABELS: &str = "app=activator";
const ACTIVATOR_PORT: u16 = 8012;

/// An open connection to one stage.
#[derive(Debug)]
pub struct Route {
    forward: Forward,
    /// Header fields that every request needs.
    pub headers: Vec<(String, String)>,
}

impl Route {
    /// Opens one.
    ///
    /// # Errors
    /// Where the stage was never ready, or neither gateway nor activator can be reached.
    pub async fn open(cluster: &Cluster, release: &Release, stage: &str) -> Result<Self, Failure> {
        let not_ready = || {
            Failure::new(format!("the stage {stage} of {} has no address yet", release.name))
                .hint("`freshet doctor` says why")
        };
        let host = release.host(stage).ok_or_else(not_ready)?;
        if let Some(pod) = a_pod(cluster, GATEWAY_NAMESPACE, GATEWAY_LABELS).await? {
            let target = PodPort { namespace: GATEWAY_NAMESPACE.to_owned(), pod, port: GATEWAY_PORT };
            let headers = vec![("host".to_owned(), host)];
            return Ok(Self { forward: Forward::open(cluster, target).await?, headers });
        }
        let pod = a_pod(cluster, SERVING_NAMESPACE, ACTIVATOR_LABELS).await?.ok_or_else(|| {
            Failure::new("neither Kourier's gateway nor Knative's activator has a pod that is ready")
                .hint("`freshet doctor` looks at Knative")
        })?;
        let service = release.services.get(stage).ok_or_else(not_ready)?;
        let revision = text(service, "/status/latestReadyRevisionName");
        let target = PodPort { namespace: SERVING_NAMESPACE.to_owned(), pod, port: ACTIVATOR_PORT };
        Ok(Self {
            forward: Forward::open(cluster, target).await?,
            headers: activator_headers(host, &cluster.namespace, revision),
        })
    }

    /// The base address that requests go to.
    pub fn url(&self) -> reqwest::Url {
        self.forward.url()
    }
}

/// What the activator asks for.
fn activator_headers(host: String, namespace: &str, revision: &str) -> Vec<(String, String)> {
    vec![
        ("host".to_owned(), host),
        ("knative-serving-namespace".to_owned(), namespace.to_owned()),
        ("knative-serving-revision".to_owned(), revision.to_owned()),
    ]
}

/// The first pod that is ready.
async fn a_pod(cluster: &Cluster, namespace: &str, labels: &str) -> Result<Option<String>, Failure> {
    let pods = cluster.list(kinds::POD, Some(namespace), labels).await?;
    let usable = |pod: &&Value| is_ready(pod) && text(pod, "/metadata/deletionTimestamp").is_empty();
    Ok(pods.iter().find(usable).map(|pod| name(pod).to_owned()))
}
