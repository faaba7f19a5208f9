//! What the stages' containers use, as the kubelets tell it.

use std::collections::BTreeMap;

use event_model::topology::STAGES;
use serde_json::Value;

use crate::Failure;
use crate::cluster::Cluster;

/// CPU seconds and bytes of each pod's own container, by stage and pod.
pub(super) struct Usage(BTreeMap<(&'static str, String), (f64, f64)>);

impl Usage {
    /// Asks every node's kubelet.
    pub(super) async fn read(cluster: &Cluster) -> Result<Self, Failure> {
        let mut used = BTreeMap::new();
        let nodes = cluster.raw("/api/v1/nodes").await?;
        for node in nodes["items"].as_array().into_iter().flatten() {
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            let summary = cluster.raw(&format!("/api/v1/nodes/{name}/proxy/stats/summary")).await?;
            let pods = summary["pods"].as_array().into_iter().flatten();
            for pod in pods.filter(|pod| pod["podRef"]["namespace"] == cluster.namespace.as_str()) {
                let pod_name = pod["podRef"]["name"].as_str().unwrap_or_default();
                for container in pod["containers"].as_array().into_iter().flatten() {
                    let Some(stage) = STAGES.iter().find(|stage| container["name"] == stage.name) else {
                        continue;
                    };
                    used.insert((stage.name, pod_name.to_owned()), figures(container));
                }
            }
        }
        Ok(Self(used))
    }

    /// By stage: CPU seconds since `before`, and the bytes of the largest pod.
    pub(super) fn since(&self, before: &Self) -> Vec<(&'static str, f64, f64)> {
        let stages = STAGES.iter().filter_map(|stage| {
            let mut pods = self.0.iter().filter(|((name, _), _)| *name == stage.name).peekable();
            pods.peek()?;
            let (seconds, bytes) = pods.fold((0.0, 0.0_f64), |(seconds, bytes), (pod, now)| {
                let then = before.0.get(pod).map_or(0.0, |then| then.0);
                (seconds + now.0 - then, bytes.max(now.1))
            });
            Some((stage.name, seconds, bytes))
        });
        stages.collect()
    }
}

fn figures(container: &Value) -> (f64, f64) {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    (number(&container["cpu"]["usageCoreNanoSeconds"]) / 1e9, number(&container["memory"]["workingSetBytes"]))
}
