//! What is seen through the API server, and through a pod.

use pipeline_config::Pipeline;
use runtime::Failure;
use serde_json::Value;

use super::inside::{Report, judge};
use super::rights::RIGHTS;
use super::{Finding, broker, capacity, code, data_plane, knative, objects, versions};
use crate::api::{Cluster, kinds};
use crate::inside::{self, PodOptions, Unanswered};
use crate::object::{list, text, variable};
use crate::release::Release;

const SERVING: &str = "knative-serving";
const EVENTING: &str = "knative-eventing";
/// What a process of the stages takes where nothing is set.
const DEFAULT_POOL: u64 = 4;

/// The stages with their services.
type Services<'a> = Vec<(&'a str, &'a Value)>;

/// Looks at the cluster, at the release of this name or the only one, and with `pod` from inside it at database and
/// Kafka; a part that cannot be looked at is a finding of its own.
///
/// # Errors
/// Where the API server cannot be asked at all.
pub async fn look(
    cluster: &Cluster,
    wanted: Option<&str>,
    pod: Option<PodOptions>,
) -> Result<Vec<Finding>, Failure> {
    let mut found: Vec<Finding> = versions::kubernetes(&cluster.version().await?).into_iter().collect();
    let definitions = part(&mut found, "custom resources", cluster.list(kinds::DEFINITION, None, "").await);
    if let Some(definitions) = &definitions {
        found.extend(versions::definitions(definitions));
        if found.iter().any(|finding| finding.code == code::KNATIVE_MISSING.name) {
            return Ok(found);
        }
    }
    found.extend(part_of(rights(cluster).await, "rights"));
    let release = match Release::find(cluster, wanted).await {
        Ok(release) => release,
        // Before an install the cluster alone is looked at.
        Err(failure) => {
            found.extend(part_of(settings(cluster, &Vec::new()).await, "Knative's settings"));
            found.push(Finding::new(code::RELEASE_NOT_SEEN, "release", failure.message()));
            return Ok(found);
        }
    };
    let services: Services<'_> =
        release.services.iter().map(|(stage, service)| (stage.as_str(), service)).collect();
    let looked = settings(cluster, &services).await;
    found.extend(part_of(looked, "Knative's settings"));
    let looked = own_objects(cluster, &release, definitions.as_deref().unwrap_or_default()).await;
    found.extend(part_of(looked, "the release's objects"));
    let looked = space(cluster, &release, &services).await;
    found.extend(part_of(looked, "room on the nodes"));
    if let Some(options) = pod {
        let looked = from_inside(cluster, &release, options).await;
        found.extend(part_of(looked, "database and Kafka"));
    }
    Ok(found)
}

/// What was looked at; otherwise a finding that says why not.
fn part<T>(found: &mut Vec<Finding>, subject: &str, looked: Result<T, Failure>) -> Option<T> {
    looked.map_err(|failure| found.push(unseen(subject, &failure))).ok()
}

fn part_of(looked: Result<Vec<Finding>, Failure>, subject: &str) -> Vec<Finding> {
    looked.unwrap_or_else(|failure| vec![unseen(subject, &failure)])
}

fn unseen(subject: &str, failure: &Failure) -> Finding {
    Finding::new(code::NOT_LOOKED_AT, subject, failure.message())
}

async fn rights(cluster: &Cluster) -> Result<Vec<Finding>, Failure> {
    let mut found = Vec::new();
    for right in RIGHTS {
        let answer = cluster.create(kinds::ACCESS_REVIEW, &right.question(&cluster.namespace)).await?;
        found.extend(right.judge(&answer, &cluster.namespace));
    }
    Ok(found)
}

async fn settings(cluster: &Cluster, services: &Services<'_>) -> Result<Vec<Finding>, Failure> {
    let mut found = Vec::new();
    for (namespace, deployment) in [(SERVING, "controller"), (EVENTING, "eventing-controller")] {
        let deployment = cluster.get(kinds::DEPLOYMENT, Some(namespace), deployment).await?;
        found.extend(deployment.as_ref().and_then(versions::knative));
    }
    found.extend(knative::autoscaler(&cluster.config(SERVING, "config-autoscaler").await?, services));
    found.extend(knative::defaults(&cluster.config(SERVING, "config-defaults").await?, services));
    found.extend(knative::deployment(&cluster.config(SERVING, "config-deployment").await?, services));
    found.extend(knative::features(&cluster.config(SERVING, "config-features").await?, services));
    Ok(found)
}

async fn own_objects(
    cluster: &Cluster,
    release: &Release,
    definitions: &[Value],
) -> Result<Vec<Finding>, Failure> {
    let (namespace, selector) = (Some(cluster.namespace.as_str()), release.selector());
    let triggers = cluster.list(kinds::TRIGGER, namespace, &selector).await?;
    let timers = cluster.list(kinds::PING_SOURCE, namespace, &selector).await?;
    let sinks = cluster.list(kinds::KAFKA_SINK, namespace, &selector).await?;
    let jobs = format!("{selector},app.kubernetes.io/component=migrate");
    let jobs = cluster.list(kinds::JOB, namespace, &jobs).await?;
    let workers = cluster.list(kinds::DEPLOYMENT, namespace, &selector).await?;
    let services: Vec<_> = release.services.values().cloned().collect();
    let mut found = objects::readiness("service", &services);
    found.extend(objects::workers(&workers));
    for (kind, objects) in [("trigger", &triggers), ("pingsource", &timers), ("kafkasink", &sinks)] {
        found.extend(objects::readiness(kind, objects));
    }
    found.extend(objects::missing_triggers(release, &triggers));
    if let Some(pipeline) = part(&mut found, "the pipeline", release.pipeline(cluster).await) {
        found.extend(objects::unfed_sources(&pipeline, &triggers));
    }
    found.extend(objects::migrations(&jobs));
    let of_payloads = broker::of_payloads(&triggers, release.pod_spec("ingest"));
    found.extend(broker::dead_letters(&of_payloads));
    let wanted = triggers.first().map_or(release.fullname.as_str(), |trigger| text(trigger, "/spec/broker"));
    let named = cluster.get(kinds::BROKER, namespace, wanted).await?;
    found.extend(broker::look(wanted, named.as_ref(), definitions, &of_payloads));
    let of_broker = named.as_ref().is_some_and(|broker| broker::class(broker) == broker::KAFKA_CLASS);
    let workloads = if of_broker { &data_plane::OF_BROKER[..] } else { &[] };
    for workload in workloads.iter().chain((!sinks.is_empty()).then_some(&data_plane::OF_SINK)) {
        let object = cluster.get(workload.kind, Some(EVENTING), workload.name).await?;
        found.extend(data_plane::judge(workload, object.as_ref()));
    }
    Ok(found)
}

async fn space(
    cluster: &Cluster,
    release: &Release,
    services: &Services<'_>,
) -> Result<Vec<Finding>, Failure> {
    let nodes = cluster.list(kinds::NODE, None, "").await?;
    let pods = cluster.list(kinds::POD, None, "").await?;
    Ok(capacity::look(&nodes, &pods, services, &release.name))
}

async fn from_inside(
    cluster: &Cluster,
    release: &Release,
    options: PodOptions,
) -> Result<Vec<Finding>, Failure> {
    let mut arguments = vec!["doctor".to_owned(), "--inside".to_owned()];
    for topic in topics(cluster, release).await? {
        arguments.extend(["--topic".to_owned(), topic]);
    }
    let pipeline = release.pipeline(cluster).await.ok();
    for source in pipeline.iter().flat_map(Pipeline::sources_with_topics) {
        arguments.extend(["--source".to_owned(), source.to_owned()]);
    }
    for (source, topic) in pipeline.iter().flat_map(Pipeline::topics_of_sources) {
        arguments.extend(["--topic-of".to_owned(), format!("{source}/{topic}")]);
    }
    let answer = match inside::run(cluster, release, &arguments, options).await {
        Ok(answer) => answer,
        Err(Unanswered::CannotBegin(reason)) => {
            return Ok(vec![Finding::new(code::POD_CANNOT_BEGIN, "pods", reason)]);
        }
        Err(Unanswered::Failed(failure)) => return Err(failure),
    };
    let report: Report = serde_json::from_value(answer.json)
        .map_err(|error| Failure::because("the pod's answer is not of this release", &error))?;
    let hash = pipeline.as_ref().map(|pipeline| pipeline.hash.as_str());
    Ok(judge(&report, hash, connections(release)))
}

/// The topics that the stages name.
async fn topics(cluster: &Cluster, release: &Release) -> Result<Vec<String>, Failure> {
    let mut topics = Vec::new();
    for (stage, name) in [("ingest", "KAFKA_TOPIC"), ("dead-letter", "KAFKA_DEAD_LETTER_TOPIC")] {
        let topic = release.pod_spec(stage).and_then(|spec| variable(spec, name));
        topics.extend(topic.map(str::to_owned));
    }
    let sinks = cluster.list(kinds::KAFKA_SINK, Some(&cluster.namespace), &release.selector()).await?;
    topics.extend(sinks.iter().map(|sink| text(sink, "/spec/topic").to_owned()));
    topics.sort_unstable();
    topics.dedup();
    Ok(topics)
}

/// The most connections that the stages' pods may take together.
fn connections(release: &Release) -> u64 {
    let of = |(stage, service): (&String, &Value)| {
        let spec = release.pod_spec(stage)?;
        let uses = list(spec, "/containers/0/env");
        uses.iter().find(|variable| variable["name"] == "DATABASE_URL")?;
        let pool = variable(spec, "DATABASE_POOL_SIZE").and_then(|text| text.parse().ok());
        Some(knative::scale(service, "max-scale").unwrap_or(1) * pool.unwrap_or(DEFAULT_POOL))
    };
    release.services.iter().filter_map(of).sum()
}
