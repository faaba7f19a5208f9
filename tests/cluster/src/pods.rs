//! What runs: pods by stage, at zero or not, and how long they ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use tokio::task::JoinHandle;
use topology::STAGES;

use crate::Failure;
use crate::cluster::Cluster;
use crate::wait::until;

const COMPONENT: &str = "app.kubernetes.io/component";
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The stage that a pod belongs to.
fn stage_of(pod: &Pod) -> Option<&str> {
    component_of(pod).filter(|component| STAGES.iter().any(|stage| stage.name == *component))
}

fn component_of(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(COMPONENT).map(String::as_str)
}

/// How many pods each stage has, ending ones included; stages without any are not there.
///
/// # Errors
/// Where the cluster does not answer.
pub async fn by_stage(cluster: &Cluster) -> Result<BTreeMap<String, usize>, Failure> {
    let mut counts = BTreeMap::new();
    for pod in cluster.pods().await? {
        if let Some(stage) = stage_of(&pod) {
            *counts.entry(stage.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The names of the pods of a stage, or of the worker, that are not ending.
///
/// # Errors
/// Where the cluster does not answer.
pub async fn running(cluster: &Cluster, component: &str) -> Result<Vec<String>, Failure> {
    let pods = cluster.pods().await?;
    let alive = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    Ok(alive.filter(|pod| component_of(pod) == Some(component)).filter_map(|pod| pod.metadata.name).collect())
}

/// Waits until no stage has a pod, ending ones included.
///
/// # Errors
/// Where that does not come within the limit.
pub async fn at_zero(cluster: &Cluster, limit: Duration) -> Result<(), Failure> {
    let last = Mutex::new(BTreeMap::new());
    let waited = until(limit, "every stage at zero pods", async || {
        let counts = by_stage(cluster).await?;
        let is_zero = counts.is_empty();
        *last.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        Ok(is_zero.then_some(()))
    });
    waited.await.map_err(|failure| {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{failure}; still there: {last:?}").into()
    })
}

/// What ran.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// Pod-seconds of the stages, counted until their pods were told to end.
    pub until_told: f64,
    /// The same until they were gone.
    pub until_gone: f64,
    /// The stages that had a pod.
    pub stages: BTreeSet<String>,
    /// The names of those pods.
    pub pods: BTreeSet<String>,
}

/// Counts the pods of the stages from its start to its end.
pub struct Meter {
    ran: Arc<Mutex<Ran>>,
    begun: Instant,
    task: JoinHandle<()>,
}

impl Meter {
    /// Begins. A look that fails counts what the look before counted.
    pub fn start(cluster: Cluster) -> Self {
        let ran = Arc::<Mutex<Ran>>::default();
        let sum = Arc::clone(&ran);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            let mut before = Instant::now();
            let mut pods = Vec::new();
            loop {
                ticks.tick().await;
                if let Ok(found) = cluster.pods().await {
                    pods = found;
                }
                let now = Instant::now();
                let passed = now.duration_since(std::mem::replace(&mut before, now)).as_secs_f64();
                let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                for (pod, stage) in pods.iter().filter_map(|pod| Some((pod, stage_of(pod)?))) {
                    sum.until_gone += passed;
                    if pod.metadata.deletion_timestamp.is_none() {
                        sum.until_told += passed;
                    }
                    sum.stages.insert(stage.to_owned());
                    sum.pods.extend(pod.metadata.name.clone());
                }
            }
        });
        Self { ran, begun: Instant::now(), task }
    }

    /// Ends: what ran, and for how long it was counted.
    pub fn stop(self) -> (Ran, Duration) {
        self.task.abort();
        (self.ran.lock().unwrap_or_else(PoisonError::into_inner).clone(), self.begun.elapsed())
    }
}
