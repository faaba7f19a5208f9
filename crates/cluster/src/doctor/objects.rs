//! The release's own objects: are they there, are they ready.

use serde_json::Value;
use topology::{SUBSCRIPTIONS, TICK_TIMER};

use super::{Finding, code};
use crate::object::{condition, is_ready, name};

/// Those of `objects` that are not ready; `kind` as in `service`.
pub fn readiness(kind: &str, objects: &[Value]) -> Vec<Finding> {
    let unready = objects.iter().filter(|object| !is_ready(object));
    unready
        .map(|object| {
            let reason = condition(object, "Ready").map_or_else(String::new, |ready| ready.reason);
            let what = if reason.is_empty() { "it is not ready".to_owned() } else { reason };
            Finding::new(code::NOT_READY, format!("{kind}/{}", name(object)), what)
        })
        .collect()
}

/// Deployments (the Kafka way's worker) with fewer pods than they should have.
pub fn workers(deployments: &[Value]) -> Vec<Finding> {
    let short = deployments.iter().filter_map(|deployment| {
        let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
        (ready < wanted).then(|| {
            let what = format!("{ready} of its {wanted} pods are ready");
            Finding::new(code::NOT_READY, format!("deployment/{}", name(deployment)), what)
        })
    });
    short.collect()
}

/// Subscriptions of the code that have no Trigger. Those of the tick are left out where there is no tick: nothing needs it.
pub fn missing_triggers(fullname: &str, triggers: &[Value], timers: &[Value]) -> Vec<Finding> {
    let has = |objects: &[Value], wanted: &str| {
        let wanted = format!("{fullname}-{wanted}");
        objects.iter().any(|object| name(object) == wanted)
    };
    let has_tick = has(timers, TICK_TIMER.name);
    let missing = SUBSCRIPTIONS.iter().filter(|subscription| {
        let is_of_tick = matches!(subscription.name, "transform-tick" | "alert-heartbeat");
        !has(triggers, subscription.name) && (has_tick || !is_of_tick)
    });
    missing
        .map(|subscription| {
            let what = format!("{} gets no events of this subscription", subscription.stage);
            Finding::new(code::TRIGGER_MISSING, format!("trigger/{fullname}-{}", subscription.name), what)
        })
        .collect()
}

/// Migration Jobs that failed for good.
pub fn migrations(jobs: &[Value]) -> Vec<Finding> {
    let failed = jobs.iter().filter_map(|job| Some((job, condition(job, "Failed")?)));
    failed
        .filter(|(_, condition)| condition.status == "True")
        .map(|(job, condition)| {
            Finding::new(code::MIGRATION_FAILED, format!("job/{}", name(job)), condition.reason)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use topology::SUBSCRIPTIONS;

    use super::{migrations, missing_triggers, readiness, workers};

    fn named(name: &str) -> Value {
        json!({"metadata": {"name": name}})
    }

    #[test]
    fn an_object_that_is_not_ready_tells_its_reason() {
        let object = json!({"metadata": {"name": "plant-ingest"}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "Unable to fetch image"}]}});
        let found = readiness("service", &[object]);
        assert_eq!(found[0].subject, "service/plant-ingest");
        assert_eq!(found[0].what, "RevisionFailed: Unable to fetch image");
    }

    #[test]
    fn a_worker_without_its_pods_is_told() {
        let worker = |ready: u64| json!({"metadata": {"name": "w"}, "spec": {"replicas": 2}, "status": {"readyReplicas": ready}});
        assert_eq!(workers(&[worker(2)]), []);
        assert_eq!(workers(&[worker(1)])[0].what, "1 of its 2 pods are ready");
    }

    #[test]
    fn every_subscription_has_its_trigger() {
        let all: Vec<_> =
            SUBSCRIPTIONS.iter().map(|wanted| named(&format!("plant-{}", wanted.name))).collect();
        assert_eq!(missing_triggers("plant", &all, &[named("plant-tick")]), []);
        let found = missing_triggers("plant", &all[1..], &[]);
        assert_eq!(found[0].subject, format!("trigger/plant-{}", SUBSCRIPTIONS[0].name));
    }

    #[test]
    fn a_failed_migration_is_told() {
        let job = |status: &str| {
            json!({"metadata": {"name": "m"}, "status": {"conditions": [
                {"type": "Failed", "status": status, "reason": "BackoffLimitExceeded"}]}})
        };
        assert_eq!(migrations(&[job("True"), job("False"), named("m")]).len(), 1);
    }
}
