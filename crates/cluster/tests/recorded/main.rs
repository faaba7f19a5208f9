//! The looks of `doctor` and `status` over objects that a real cluster gave: Kubernetes 1.35, Knative 1.23, one release
//! with the in-memory Broker, a minute after its install. The stage `scheduler`, its Trigger and that of held payloads came later: they were
//! added to the recording after the model of `dead-letter`.

use cluster::Release;
use cluster::doctor::{broker, capacity, knative, objects, versions};
use cluster::status;
use serde_json::Value;

fn recorded() -> Value {
    serde_json::from_str(include_str!("plant.json")).expect("the recording is JSON")
}

fn list<'a>(recorded: &'a Value, what: &str) -> &'a [Value] {
    recorded[what].as_array().expect("the recording has this list")
}

fn release(recorded: &Value) -> Release {
    let stage = |service: &Value| service["metadata"]["labels"]["app.kubernetes.io/component"].clone();
    let services = list(recorded, "services").iter();
    Release {
        name: "plant".into(),
        fullname: "plant".into(),
        services: services
            .map(|service| {
                (stage(service).as_str().expect("a service has its stage").to_owned(), service.clone())
            })
            .collect(),
    }
}

#[test]
fn a_release_that_is_well_has_only_the_findings_of_its_broker() {
    let recorded = recorded();
    let release = release(&recorded);
    let services: Vec<_> =
        release.services.iter().map(|(stage, service)| (stage.as_str(), service)).collect();
    let (triggers, timers) = (list(&recorded, "triggers"), list(&recorded, "timers"));
    let definitions = list(&recorded, "definitions");
    let mut found = versions::definitions(definitions);
    found.extend(objects::readiness("service", list(&recorded, "services")));
    found.extend(objects::readiness("trigger", triggers));
    found.extend(objects::readiness("pingsource", timers));
    found.extend(objects::missing_triggers(&release, triggers));
    found.extend(knative::autoscaler(&recorded["config-autoscaler"], &services));
    found.extend(knative::defaults(&recorded["config-defaults"], &services));
    found.extend(knative::deployment(&recorded["config-deployment"], &services));
    found.extend(knative::features(&recorded["config-features"], &services));
    found.extend(capacity::look(list(&recorded, "nodes"), list(&recorded, "pods"), &services, "plant"));
    let of_payloads = broker::of_payloads(triggers, None);
    found.extend(broker::dead_letters(&of_payloads));
    found.extend(broker::look("plant", Some(&recorded["broker"]), definitions, &of_payloads));
    let codes: Vec<_> = found.iter().map(|finding| (finding.level.as_str(), finding.code)).collect();
    assert_eq!(
        codes,
        [("warning", "dead-letters-not-durable"), ("warning", "broker-keeps-nothing")],
        "{found:?}"
    );
}

#[test]
fn the_start_of_each_stage_is_shown_while_no_pod_runs() {
    let recorded = recorded();
    let release = release(&recorded);
    let lines = status::lines(&release, (&[], list(&recorded, "events")), None, &[]);
    assert_eq!(lines.len(), 6);
    for line in &lines {
        assert!(line.ready && line.pods == 0, "{line:?}");
        assert!(line.start_seconds.is_some_and(|seconds| (0..30).contains(&seconds)), "{line:?}");
    }
    assert_eq!(lines[0].stage, "ingest");
}

#[test]
fn a_stage_is_reached_by_its_host_inside_the_cluster() {
    let release = release(&recorded());
    assert_eq!(release.host("dead-letter").unwrap(), "plant-dead-letter.garden.svc.cluster.local");
}
