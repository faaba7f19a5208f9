//! Runs this command in a pod of the release: with its image, its database, its Kafka, behind its network policies.
//!
//! The pod is that of the release's migration Job with other arguments, so that it sees what the pipeline sees. It is
//! removed afterwards; one that was left behind by a killed command ends by itself, and the next command removes it.

mod pod;

use std::time::Duration;

use futures_util::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::{Cluster, kinds};
use crate::error::failed;
use crate::object::{condition, name, text};
use crate::release::Release;
use runtime::Failure;

/// What the command in the pod left.
#[derive(Debug, Clone, PartialEq)]
pub struct PodAnswer {
    /// Whether it ended with status 0.
    pub is_well: bool,
    /// Its JSON.
    pub json: Value,
}

/// How a command in a pod is run.
#[derive(Debug, Clone, Copy)]
pub struct PodOptions {
    /// How long it may take, its pod's start not counted.
    pub limit: Duration,
    /// Where the lines of its log go that are no answer.
    pub log: fn(&str),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// No pod of the release can begin, for this reason: those of the stages cannot either.
    CannotBegin(String),
    /// Something else.
    Failed(Failure),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::CannotBegin(reason) => {
                Self::new(format!("a pod of the release cannot begin: {reason}"))
                    .hint("`freshet doctor` says more")
            }
            Unanswered::Failed(failure) => failure,
        }
    }
}

/// The label of such pods.
const LABEL: &str = "freshet.dev/inside";
/// How long a pod may take to begin.
const START: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(300);
/// What a container that cannot begin waits for; none of these passes by itself.
const HOPELESS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
];

/// Runs `freshet` with `arguments`; its answer is the line of its log that is a JSON object.
///
/// # Errors
/// Where no pod may be made, it does not begin, or leaves no answer within the limit.
pub async fn run(
    cluster: &Cluster,
    release: &Release,
    arguments: &[String],
    options: PodOptions,
) -> Result<PodAnswer, Unanswered> {
    remove_left_over(cluster).await?;
    let template = template(cluster, release).await?;
    let own_name = format!("{}-inside-{}", release.fullname, &Uuid::new_v4().simple().to_string()[..8]);
    let deadline = START + options.limit;
    let manifest = pod::manifest(&template, release, &own_name, arguments, deadline);
    let pod: Pod = serde_json::from_value(manifest)
        .map_err(|error| Failure::because("the pod's template is not usable", &error))?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    pods.create(&PostParams::default(), &pod).await.map_err(|error| failed(&error))?;
    let answer = tokio::select! {
        answer = tokio::time::timeout(deadline, watch(cluster, &pods, &own_name, options.log)) => answer.unwrap_or_else(|_| {
            Err(Failure::new(format!("the pod {own_name} did not end in {} s", deadline.as_secs())).into())
        }),
        _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted").into()),
    };
    let gone = pods.delete(&own_name, &DeleteParams::default().grace_period(1)).await;
    gone.map_err(|error| failed(&error))?;
    answer
}

/// Removes what earlier commands left behind.
async fn remove_left_over(cluster: &Cluster) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    for left in cluster.list(kinds::POD, Some(&cluster.namespace), LABEL).await? {
        if matches!(text(&left, "/status/phase"), "Succeeded" | "Failed") {
            // Another command may have been faster.
            let _ = pods.delete(name(&left), &DeleteParams::default()).await;
        }
    }
    Ok(())
}

/// The pod template of the newest migration Job, else one made from that of `transform`.
async fn template(cluster: &Cluster, release: &Release) -> Result<Value, Failure> {
    let selector = format!("{},app.kubernetes.io/component=migrate", release.selector());
    let mut jobs = cluster.list(kinds::JOB, Some(&cluster.namespace), &selector).await?;
    jobs.sort_by(|a, b| {
        let made = |job| text(job, "/metadata/creationTimestamp").to_owned();
        made(a).cmp(&made(b))
    });
    match jobs.pop() {
        Some(job) => Ok(job["spec"]["template"].clone()),
        None => pod::template_of_transform(release).ok_or_else(|| {
            Failure::new("there is neither a migration Job nor a transform whose image names the command's")
                .hint("`helm upgrade` makes the Job again")
        }),
    }
}

async fn watch(
    cluster: &Cluster,
    pods: &Api<Pod>,
    own_name: &str,
    log: fn(&str),
) -> Result<PodAnswer, Unanswered> {
    begun(cluster, own_name).await?;
    let follow = LogParams { follow: true, ..LogParams::default() };
    let stream = pods.log_stream(own_name, &follow).await.map_err(|error| failed(&error))?;
    let mut lines = stream.lines();
    let mut json = None;
    let broken = |error| Failure::because("the pod's log breaks off", &error);
    while let Some(line) = lines.try_next().await.map_err(broken)? {
        match serde_json::from_str(&line) {
            Ok(Value::Object(answer)) => json = Some(Value::Object(answer)),
            _ => log(&line),
        }
    }
    let is_well = ended(cluster, own_name).await? == 0;
    let json = json.ok_or_else(|| {
        Failure::new("the command in the pod left no answer")
            .hint("is its image of the same release as this command?")
    })?;
    Ok(PodAnswer { is_well, json })
}

/// Until its container runs or has run.
async fn begun(cluster: &Cluster, own_name: &str) -> Result<(), Unanswered> {
    let deadline = Instant::now() + START;
    loop {
        let pod = state(cluster, own_name).await?;
        let container = pod.pointer("/status/containerStatuses/0/state").cloned().unwrap_or_default();
        if container.get("running").is_some() || container.get("terminated").is_some() {
            return Ok(());
        }
        let reason = text(&container, "/waiting/reason");
        if HOPELESS.contains(&reason) {
            let message = text(&container, "/waiting/message");
            return Err(Unanswered::CannotBegin(format!("{reason}: {message}")));
        }
        if Instant::now() > deadline {
            let placed = condition(&pod, "PodScheduled").map(|found| found.reason);
            let reason = placed.filter(|reason| !reason.is_empty()).unwrap_or_else(|| reason.to_owned());
            return Err(Unanswered::CannotBegin(format!("not within {} s: {reason}", START.as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The exit status.
async fn ended(cluster: &Cluster, own_name: &str) -> Result<i64, Failure> {
    loop {
        let pod = state(cluster, own_name).await?;
        let status = pod.pointer("/status/containerStatuses/0/state/terminated/exitCode");
        if let Some(status) = status.and_then(Value::as_i64) {
            return Ok(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn state(cluster: &Cluster, own_name: &str) -> Result<Value, Failure> {
    let pod = cluster.get(kinds::POD, Some(&cluster.namespace), own_name).await?;
    pod.ok_or_else(|| Failure::new(format!("the pod {own_name} was deleted before it ended")))
}
