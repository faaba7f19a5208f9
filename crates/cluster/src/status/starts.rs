//! When a stage started from zero the last time, and how long it took.
//!
//! The cluster's events tell when a Deployment went from 0 to 1; the pod that came of it, or its events once it is gone,
//! tell when it was there. Their times are whole seconds, and the cluster keeps events for an hour.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::object::{condition, name, text, time};

/// The last start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// When the first pod was asked for.
    pub at: Option<Timestamp>,
    /// How many seconds it took until that pod was ready, or, where it is gone, until its containers ran.
    pub seconds: Option<i64>,
}

/// Nothing that comes later belongs to a start.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The last start of the Knative Service `service`, whose pods now are `pods`.
pub fn last(service: &str, pods: &[&Value], events: &[Value]) -> Option<Start> {
    let at = events.iter().filter(|event| is_from_zero(event, service)).filter_map(when).max();
    // Without events the oldest pod is the one that the stage started with.
    let at = at.or_else(|| pods.iter().filter_map(|pod| created(pod)).min())?;
    let ready = pods
        .iter()
        .filter(|pod| created(pod).is_some_and(|created| created >= at))
        .filter_map(|pod| condition(pod, "Ready").filter(|ready| ready.status == "True")?.since)
        .min();
    let there = ready.or_else(|| running(service, at, events));
    Some(Start { at: Some(at), seconds: there.map(|there| there.duration_since(at).as_secs()) })
}

/// When the containers of the first pod after `at` ran.
fn running(service: &str, at: Timestamp, events: &[Value]) -> Option<Timestamp> {
    let started = || {
        events.iter().filter(|event| {
            event["reason"] == "Started"
                && of_service(text(event, "/involvedObject/name"), service)
                && when(event).is_some_and(|when| when >= at && when.duration_since(at) < LONGEST)
        })
    };
    let first = started().min_by_key(|event| when(event))?;
    let pod = text(first, "/involvedObject/name");
    started().filter(|event| event["involvedObject"]["name"] == pod).filter_map(when).max()
}

fn is_from_zero(event: &Value, service: &str) -> bool {
    event["reason"] == "ScalingReplicaSet"
        && of_service(text(event, "/involvedObject/name"), service)
        && text(event, "/message").starts_with("Scaled up")
        && text(event, "/message").contains("from 0")
}

/// Whether an object belongs to a revision of the service: `plant-ingest-00003-deployment-...`.
fn of_service(object: &str, service: &str) -> bool {
    let revision = object.strip_prefix(service).and_then(|rest| rest.strip_prefix('-'));
    revision.is_some_and(|revision| revision.starts_with(|c: char| c.is_ascii_digit()))
}

fn when(event: &Value) -> Option<Timestamp> {
    ["/lastTimestamp", "/eventTime", "/firstTimestamp"].into_iter().find_map(|place| time(event, place))
}

fn created(pod: &Value) -> Option<Timestamp> {
    debug_assert!(!name(pod).is_empty(), "the API server names every pod");
    time(pod, "/metadata/creationTimestamp")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Start, last};

    fn event(reason: &str, object: &str, at: &str, message: &str) -> Value {
        json!({"reason": reason, "involvedObject": {"name": object}, "lastTimestamp": at, "message": message})
    }

    fn events() -> Vec<Value> {
        let scaled = "Scaled up replica set plant-ingest-00001-deployment-5d from 0 to 1";
        vec![
            event("ScalingReplicaSet", "plant-ingest-00001-deployment", "2026-11-23T21:00:00Z", scaled),
            event("ScalingReplicaSet", "plant-ingest-00001-deployment", "2026-11-23T21:10:00Z", scaled),
            event("ScalingReplicaSet", "plant-ingest-x-00001-deployment", "2026-11-23T21:20:00Z", scaled),
            event("Started", "plant-ingest-00001-deployment-5d-a", "2026-11-23T21:10:02Z", "user-container"),
            event("Started", "plant-ingest-00001-deployment-5d-a", "2026-11-23T21:10:03Z", "queue-proxy"),
        ]
    }

    #[test]
    fn a_pod_that_is_gone_left_its_events() {
        let at = "2026-11-23T21:10:00Z".parse().ok();
        assert_eq!(last("plant-ingest", &[], &events()), Some(Start { at, seconds: Some(3) }));
    }

    #[test]
    fn a_pod_that_runs_tells_when_it_was_ready() {
        let pod = json!({
            "metadata": {"name": "p", "creationTimestamp": "2026-11-23T21:10:00Z"},
            "status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T21:10:02Z"}]},
        });
        assert_eq!(last("plant-ingest", &[&pod], &events()).unwrap().seconds, Some(2));
        assert_eq!(last("plant-ingest", &[&pod], &[]).unwrap().seconds, Some(2));
    }

    #[test]
    fn a_stage_that_never_started_has_no_start() {
        assert_eq!(last("plant-notify", &[], &events()), None);
    }
}
