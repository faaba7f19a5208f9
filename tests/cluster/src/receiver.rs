//! The test receiver: where notifications go, within the cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::Failure;
use crate::cluster::{Cluster, DEPLOYMENT, KSERVICE, SERVICE};
use crate::settings::Settings;

const NAME: &str = "receiver";
/// A trivial service at zero, beside which starts are compared.
pub const TRIVIAL: &str = "trivial";

/// One message that was received.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    headers: BTreeMap<String, String>,
    body: String,
}

/// Puts it up: one pod that always runs, and a Service of the core.
///
/// # Errors
/// Where the cluster refuses it.
pub async fn put_up(cluster: &Cluster, settings: &Settings) -> Result<(), Failure> {
    let labels = json!({"app": NAME});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"automountServiceAccountToken": false, "containers": [container(settings)]},
        },
    }});
    cluster.put(DEPLOYMENT, NAME, deployment).await?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "spec": {
        "selector": labels, "ports": [{"port": 80, "targetPort": 8080}],
    }});
    cluster.put(SERVICE, NAME, service).await
}

/// Puts the same program up as a Knative Service that scales from zero.
///
/// # Errors
/// Where the cluster refuses it.
pub async fn put_up_trivial(cluster: &Cluster, settings: &Settings) -> Result<(), Failure> {
    let service = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {
        "metadata": {"annotations": {"autoscaling.knative.dev/window": "6s", "autoscaling.knative.dev/max-scale": "1"}},
        "spec": {"containers": [container(settings)]},
    }}});
    cluster.put(KSERVICE, TRIVIAL, service).await
}

fn container(settings: &Settings) -> Value {
    json!({
        "name": NAME,
        "image": format!("{}/freshet-receiver:{}", settings.registry, settings.tag),
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            "runAsUser": 65532, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

/// The host under which it is reached within the cluster.
pub fn host(namespace: &str) -> String {
    format!("{NAME}.{namespace}.svc.cluster.local")
}

/// What was received so far.
///
/// # Errors
/// Where the receiver does not answer.
pub async fn received(cluster: &Cluster) -> Result<Vec<Message>, Failure> {
    ask(cluster, "/received").await
}

/// The same, as soon as there are more than `known`.
///
/// # Errors
/// Where the receiver does not answer.
pub async fn received_beyond(cluster: &Cluster, known: usize) -> Result<Vec<Message>, Failure> {
    loop {
        let received = ask(cluster, &format!("/received?beyond={known}")).await?;
        if received.len() > known {
            return Ok(received);
        }
    }
}

async fn ask(cluster: &Cluster, path: &str) -> Result<Vec<Message>, Failure> {
    Ok(serde_json::from_str(&cluster.get(NAME, path).await?)?)
}

/// How many different messages there are, each signed as Standard Webhooks says.
///
/// # Errors
/// Where a message's signature is not valid.
pub fn verified(messages: &[Message], secret: &str) -> Result<usize, Failure> {
    let webhook = Webhook::new(secret)?;
    let mut ids = BTreeSet::new();
    for message in messages {
        let header = |name: &str| {
            let value = message.headers.get(name).map(String::as_str);
            value.ok_or_else(|| format!("a message came without {name}"))
        };
        let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?.parse()?);
        // Not `verify`, for which a message must be young: these are looked at again and again.
        let expected = webhook.sign(id, timestamp, message.body.as_bytes())?;
        if !header("webhook-signature")?.split(' ').any(|signature| signature == expected) {
            return Err(format!("the signature of message {id} is not valid").into());
        }
        ids.insert(id.to_owned());
    }
    Ok(ids.len())
}
