//! The release's own objects: are they there, are they ready.

use pipeline_config::Pipeline;
use serde_json::Value;
use topology::{PAYLOADS, SUBSCRIPTIONS, Subscription, stage};

use super::{Finding, code};
use crate::object::{condition, event_type, is_ready, label, name};
use crate::release::{COMPONENT, Release};

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

/// Deployments (topic mode's worker) with fewer pods than they should have.
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

/// Subscriptions of the code that have no Trigger.
pub fn missing_triggers(release: &Release, triggers: &[Value]) -> Vec<Finding> {
    let has = |wanted: &str| triggers.iter().any(|trigger| name(trigger) == wanted);
    let is_left_out = |one: &Subscription| stage(one.stage).is_some_and(|stage| release.leaves_out(stage));
    let wanted = SUBSCRIPTIONS.iter().filter(|one| !is_left_out(one));
    let named = wanted.map(|one| (format!("{}-{}", release.fullname, one.name), one.stage));
    let missing = named.filter(|(wanted, _)| !has(wanted));
    missing
        .map(|(wanted, stage)| {
            let what = format!("{stage} gets no events of this subscription");
            Finding::new(code::TRIGGER_MISSING, format!("trigger/{wanted}"), what)
        })
        .collect()
}

/// Sources of foreign events whose type no Trigger brings to the stage that takes payloads.
pub fn unfed_sources(pipeline: &Pipeline, triggers: &[Value]) -> Vec<Finding> {
    let brings = |trigger: &Value, wanted: &str| {
        label(trigger, COMPONENT) == PAYLOADS.stage && event_type(trigger) == wanted
    };
    let foreign = pipeline.sources.iter().filter_map(|(name, source)| Some((name, source.events.as_ref()?)));
    let unfed =
        foreign.filter(|(_, events)| !triggers.iter().any(|trigger| brings(trigger, &events.event_type)));
    unfed
        .map(|(name, events)| {
            let what = format!("no Trigger brings it the events of type {}", events.event_type);
            Finding::new(code::TRIGGER_MISSING, format!("source/{name}"), what)
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
    use pipeline_config::Pipeline;
    use serde_json::{Value, json};
    use topology::{STAGES, SUBSCRIPTIONS};

    use super::{Release, migrations, missing_triggers, name, readiness, unfed_sources, workers};

    fn named(name: &str) -> Value {
        json!({"metadata": {"name": name}})
    }

    #[test]
    fn an_object_that_is_not_ready_is_found_with_its_reason() {
        let object = json!({"metadata": {"name": "plant-ingest"}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "Unable to fetch image"}]}});
        let found = readiness("service", &[object]);
        assert_eq!(found[0].subject, "service/plant-ingest");
        assert_eq!(found[0].what, "RevisionFailed: Unable to fetch image");
    }

    #[test]
    fn a_worker_without_its_pods_is_found() {
        let worker = |ready: u64| json!({"metadata": {"name": "w"}, "spec": {"replicas": 2}, "status": {"readyReplicas": ready}});
        assert_eq!(workers(&[worker(2)]), []);
        assert_eq!(workers(&[worker(1)])[0].what, "1 of its 2 pods are ready");
    }

    #[test]
    fn every_subscription_has_its_trigger() {
        let all: Vec<_> =
            SUBSCRIPTIONS.iter().map(|wanted| named(&format!("plant-{}", wanted.name))).collect();
        let services = STAGES.iter().map(|stage| (stage.name.to_owned(), named(stage.name))).collect();
        let mut release = Release { name: "plant".into(), fullname: "plant".into(), services };
        assert_eq!(missing_triggers(&release, &all), []);
        for (index, missing) in SUBSCRIPTIONS.iter().enumerate() {
            let others: Vec<_> = [&all[..index], &all[index + 1..]].concat();
            let found = missing_triggers(&release, &others);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].subject, format!("trigger/plant-{}", missing.name));
        }
        // A job that is not done has neither.
        release.services.remove("cleanup");
        let others: Vec<_> = all.into_iter().filter(|one| name(one) != "plant-cleanup-due").collect();
        assert_eq!(missing_triggers(&release, &others), []);
    }

    #[test]
    fn a_source_of_foreign_events_has_its_trigger() {
        let file = "sources:\n  own: {format: json}\n  in-house:\n    format: senml_json\n    events: {type: com.example.reading}\n";
        let pipeline = Pipeline::parse(file, "freshet.yaml").unwrap();
        let trigger = |stage: &str, event_type: &str| {
            json!({
                "metadata": {"name": "t", "labels": {"app.kubernetes.io/component": stage}},
                "spec": {"filter": {"attributes": {"type": event_type}}},
            })
        };
        assert_eq!(unfed_sources(&pipeline, &[trigger("transform", "com.example.reading")]), []);
        for other in [trigger("transform", "com.example.other"), trigger("alert", "com.example.reading")] {
            let found = unfed_sources(&pipeline, &[other]);
            assert_eq!((found[0].subject.as_str(), found[0].code), ("source/in-house", "trigger-missing"));
            assert!(found[0].what.contains("com.example.reading"), "{}", found[0].what);
        }
    }

    #[test]
    fn a_failed_migration_is_found() {
        let job = |status: &str| {
            json!({"metadata": {"name": "m"}, "status": {"conditions": [
                {"type": "Failed", "status": status, "reason": "BackoffLimitExceeded"}]}})
        };
        assert_eq!(migrations(&[job("True"), job("False"), named("m")]).len(), 1);
    }
}
