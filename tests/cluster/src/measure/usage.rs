//! What the stages' containers use, as the kubelets report it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use runtime::Clock;
use serde_json::Value;
use topology::{STAGES, WORKER};

use crate::Failure;
use crate::cluster::Cluster;
use crate::wait::until;

const LIMIT: Duration = Duration::from_secs(60);

/// CPU seconds and bytes of each pod's own container, by stage and pod.
pub(super) struct Usage(BTreeMap<(&'static str, String), (f64, f64)>);

impl Usage {
    /// Asks every node's kubelet until what it reports of each container is of now: it looks at them every few seconds.
    pub(super) async fn read(cluster: &Cluster) -> Result<Self, Failure> {
        let now = Clock::system().now();
        until(LIMIT, "what the kubelets report of now", async || {
            let (used, oldest) = Self::look(cluster).await?;
            Ok(oldest.is_none_or(|oldest| oldest >= now).then_some(used))
        })
        .await
    }

    /// What is reported, and how old the oldest part of it is.
    async fn look(cluster: &Cluster) -> Result<(Self, Option<Timestamp>), Failure> {
        let (mut used, mut times) = (BTreeMap::new(), Vec::new());
        let nodes = cluster.raw("/api/v1/nodes").await?;
        for node in nodes["items"].as_array().into_iter().flatten() {
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            let summary = cluster.raw(&format!("/api/v1/nodes/{name}/proxy/stats/summary")).await?;
            let pods = summary["pods"].as_array().into_iter().flatten();
            for pod in pods.filter(|pod| pod["podRef"]["namespace"] == cluster.namespace.as_str()) {
                let pod_name = pod["podRef"]["name"].as_str().unwrap_or_default();
                for container in pod["containers"].as_array().into_iter().flatten() {
                    let Some(name) = names().find(|name| container["name"] == *name) else { continue };
                    times.extend(
                        container["cpu"]["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok()),
                    );
                    used.insert((name, pod_name.to_owned()), figures(container));
                }
            }
        }
        Ok((Self(used), times.into_iter().min()))
    }

    /// By stage: CPU seconds since `before`, and the bytes of the largest pod.
    pub(super) fn since(&self, before: &Self) -> Vec<(&'static str, f64, f64)> {
        let stages = names().filter_map(|stage| {
            let mut pods = self.0.iter().filter(|((name, _), _)| *name == stage).peekable();
            pods.peek()?;
            let (seconds, bytes) = pods.fold((0.0, 0.0_f64), |(seconds, bytes), (pod, now)| {
                let then = before.0.get(pod).map_or(0.0, |then| then.0);
                (seconds + now.0 - then, bytes.max(now.1))
            });
            Some((stage, seconds, bytes))
        });
        stages.collect()
    }
}

/// The stages, and the worker of topic mode.
fn names() -> impl Iterator<Item = &'static str> {
    STAGES.iter().map(|stage| stage.name).chain([WORKER])
}

fn figures(container: &Value) -> (f64, f64) {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    (number(&container["cpu"]["usageCoreNanoSeconds"]) / 1e9, number(&container["memory"]["workingSetBytes"]))
}
