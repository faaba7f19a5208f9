//! The chart renders what `crates/topology` declares.

use std::collections::BTreeSet;
use std::time::Duration;

use chart_tests::{Chart, Object, Tools, repository};
use serde_json::{Value, json};
use topology::{
    Delivery, Mode, PREWARMS, Prewarm, STAGES, SUBSCRIPTIONS, Subscription, TICK_TIMER, WORKER, timer_source,
};

use crate::{matrix, object, of_kind};

/// What the chart leaves out where it is not asked for.
const WITH_ALL: &str = "jobs.report.enabled=true,pipeline.reports.storage.s3.bucket=reports,jobs.canary.enabled=true,pipeline.canary.url=https://f.example.com";

#[test]
fn each_service_folder_is_a_stage_of_the_values() {
    let folder = repository().join("services");
    let folders: BTreeSet<String> = folder
        .read_dir()
        .expect("services is there")
        .map(|entry| entry.expect("its entries can be listed").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "cli")
        .collect();
    let values =
        std::fs::read_to_string(repository().join("charts/freshet/values.yaml")).expect("it is there");
    let values = chart_tests::documents(&values).expect("it is YAML").remove(0);
    let stages = values["stages"].as_object().expect("a map").keys().cloned();
    let stages: BTreeSet<String> = stages.chain([WORKER.to_owned()]).collect();
    let binaries = std::fs::read_to_string(repository().join("k8s/binaries")).expect("it is there");
    let binaries: BTreeSet<String> = binaries.lines().map(str::to_owned).collect();
    assert_eq!(binaries, folders.iter().cloned().chain(["freshet".to_owned()]).collect());
    let declared = STAGES.iter().map(|stage| stage.name).chain([WORKER]);
    let declared: BTreeSet<String> = declared.map(str::to_owned).collect();
    assert_eq!(stages, folders);
    assert_eq!(stages, declared);
}

#[test]
fn skaffold_builds_an_image_of_each_stage_and_hands_it_to_the_chart() {
    let skaffold =
        std::fs::read_to_string(repository().join("skaffold.yaml")).expect("skaffold.yaml is there");
    let skaffold = chart_tests::documents(&skaffold).expect("it is YAML").remove(0);
    let artifacts = skaffold["build"]["artifacts"].as_array().expect("a list");
    let images: BTreeSet<_> = artifacts
        .iter()
        .filter_map(|artifact| artifact["image"].as_str()?.rsplit('/').next().map(str::to_owned))
        .collect();
    let stages = STAGES.iter().map(|stage| format!("freshet-{}", stage.name));
    assert_eq!(images, stages.chain([format!("freshet-{WORKER}"), "freshet".to_owned()]).collect());
    let release = &skaffold["deploy"]["helm"]["releases"][0];
    let handed: BTreeSet<_> =
        release["setValueTemplates"].as_object().expect("a map").keys().cloned().collect();
    let tags = STAGES.iter().map(|stage| format!("stages.{}.image.tag", stage.name));
    assert_eq!(handed, tags.chain(["worker.image.tag", "cli.image.tag"].map(str::to_owned)).collect());
}

#[test]
fn scale_concurrency_and_time_are_the_declared_ones() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("kafka").set(WITH_ALL).objects();
    for stage in STAGES {
        let service = object(&objects, "Service", &format!("farm-{}", stage.name));
        let annotation = |key: &str| {
            service.text(&format!("/spec/template/metadata/annotations/autoscaling.knative.dev~1{key}"))
        };
        assert_eq!(annotation("max-scale"), stage.max_scale.to_string(), "{}", stage.name);
        assert_eq!(annotation("min-scale"), "0", "{}", stage.name);
        let pod = service.pod().expect("a service has a pod");
        assert_eq!(pod["containerConcurrency"], stage.container_concurrency, "{}", stage.name);
        assert_eq!(pod["timeoutSeconds"], stage.timeout.as_secs(), "{}", stage.name);
        let timeout = json!(stage.timeout.as_millis().to_string());
        assert_eq!(service.variable("DELIVERY_TIMEOUT_MS"), Some(timeout), "{}", stage.name);
        let public = service.at("/metadata/labels/networking.knative.dev~1visibility").is_none();
        assert_eq!(public, stage.public, "{}", stage.name);
    }
}

#[test]
fn in_direct_mode_ingest_knows_how_many_requests_it_is_given() {
    let Some(tools) = Tools::of_this_test() else { return };
    let bound = |values: &str, set: &str| {
        let objects = Chart::new(tools).ci(values).set(set).objects();
        object(&objects, "Service", "farm-ingest").variable("MAX_IN_FLIGHT")
    };
    let declared = STAGES.iter().find(|stage| stage.public).expect("one is").container_concurrency;
    let declared = Some(json!(declared.to_string()));
    assert_eq!(bound("broker-in-memory", "mode=direct"), declared);
    assert_eq!(bound("kafka", "mode=direct"), declared);
    assert_eq!(bound("kafka", "mode=broker"), None);
    let concurrency = "mode=direct,stages.ingest.containerConcurrency=40";
    assert_eq!(bound("kafka", concurrency), Some(json!("40")));
    let own = "mode=direct,stages.ingest.env.MAX_IN_FLIGHT=60";
    assert_eq!(bound("kafka", own), Some(json!("60")));
}

#[test]
fn each_subscription_is_one_trigger_with_its_whole_delivery() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, objects) in matrix(tools) {
        let service = objects.iter().find(|object| object.name().ends_with("-ingest")).expect("it is there");
        let fullname = service.name().trim_end_matches("-ingest").to_owned();
        let triggers = of_kind(objects, "Trigger");
        // What is off by default.
        let is_there = |subscription: &Subscription| {
            !["report", "canary"].contains(&subscription.stage) || values == "everything-values.yaml"
        };
        let declared: Vec<Subscription> = SUBSCRIPTIONS.into_iter().filter(is_there).collect();
        for subscription in &declared {
            let name = format!("{fullname}-{}", subscription.name);
            let trigger = object(objects, "Trigger", &name);
            assert_eq!(
                trigger.at("/spec/filter/attributes"),
                Some(&filter(subscription, &fullname)),
                "{values}"
            );
            let subscriber = json!({
                "apiVersion": "serving.knative.dev/v1", "kind": "Service",
                "name": format!("{fullname}-{}", subscription.stage),
            });
            assert_eq!(trigger.at("/spec/subscriber/ref"), Some(&subscriber), "{values}: {name}");
            check_delivery(values, trigger, subscription.delivery());
        }
        let foreign = triggers
            .iter()
            .filter(|trigger| trigger.text("/spec/filter/attributes/type").starts_with("com."));
        assert_eq!(
            triggers.len(),
            declared.len() + foreign.count(),
            "{values}: a Trigger that nobody declares"
        );
    }
}

fn filter(subscription: &Subscription, fullname: &str) -> Value {
    let mut attributes = json!({"type": subscription.event_type});
    if let Some(subject) = subscription.subject {
        attributes["subject"] = json!(subject);
    }
    if let Some(timer) = subscription.timer {
        attributes["source"] = json!(timer_source("fields", &format!("{fullname}-{timer}")));
    }
    attributes
}

fn check_delivery(values: &str, trigger: &Object, declared: Delivery) {
    let place = format!("{values}: {}", trigger.name());
    let delivery = trigger.at("/spec/delivery").unwrap_or_else(|| panic!("{place} has no delivery"));
    let sink = &delivery["deadLetterSink"]["ref"]["name"];
    assert_eq!(sink.is_string(), declared.dead_letters, "{place}: {delivery}");
    assert_eq!(delivery["backoffPolicy"], "linear", "{place}");
    assert_eq!(trigger.annotation("kafka.eventing.knative.dev/delivery.order"), None, "{place}");
    let numbers =
        (seconds(&delivery["timeout"]), delivery["retry"].as_u64(), seconds(&delivery["backoffDelay"]));
    // What `everything` says otherwise.
    let expected = match (values, declared) {
        ("everything-values.yaml", Delivery::PAYLOADS) => (70, 20, 10),
        ("everything-values.yaml", _) => (70, 2, 5),
        _ => (declared.timeout.as_secs(), declared.retry, declared.backoff_delay.as_secs()),
    };
    let seconds = Duration::from_secs;
    assert_eq!(numbers, (seconds(expected.0), Some(expected.1.into()), seconds(expected.2)), "{place}");
}

/// An ISO 8601 duration in seconds.
fn seconds(text: &Value) -> Duration {
    let text = text.as_str().and_then(|text| text.strip_prefix("PT")?.strip_suffix('S'));
    Duration::from_secs_f64(text.and_then(|text| text.parse().ok()).expect("PT…S"))
}

#[test]
fn the_one_timer_comes_as_often_as_declared() {
    let Some(tools) = Tools::of_this_test() else { return };
    let schedule = |values: &str| {
        let objects = Chart::new(tools).ci(values).objects();
        let timers = of_kind(&objects, "PingSource");
        assert_eq!(timers.len(), 1, "{values}");
        assert_eq!(timers[0].name(), format!("farm-{}", TICK_TIMER.name));
        timers[0].text("/spec/schedule").to_owned()
    };
    assert_eq!(schedule("topic-mode"), format!("*/{} * * * *", TICK_TIMER.every.as_secs() / 60));
    // Neither a rule nor a receiver needs it.
    assert_eq!(schedule("nothing"), format!("0 */{} * * *", TICK_TIMER.rare.as_secs() / 3600));
}

#[test]
fn a_tick_is_the_cron_line_that_the_pipeline_asks_for() {
    let Some(tools) = Tools::of_this_test() else { return };
    let table = [
        ("30s", "*/30 * * * * *"),
        ("60s", "*/1 * * * *"),
        ("10m", "*/10 * * * *"),
        ("1h", "0 */1 * * *"),
        ("60m", "0 */1 * * *"),
        ("24h", "0 0 * * *"),
        ("1d", "0 0 * * *"),
    ];
    for (tick, cron) in table {
        let objects = Chart::new(tools).ci("topic-mode").set(&format!("pipeline.tick={tick}")).objects();
        assert_eq!(object(&objects, "PingSource", "farm-tick").text("/spec/schedule"), cron, "{tick}");
    }
}

#[test]
fn each_stage_prewarms_those_that_are_declared() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, mode) in [("kafka", Mode::Broker), ("topic-mode", Mode::Topic), ("kafka", Mode::Direct)] {
        let chart = Chart::new(tools).ci(values).set(&format!("mode={}", mode.word()));
        let objects = chart.set(WITH_ALL).objects();
        for stage in STAGES {
            let service = object(&objects, "Service", &format!("farm-{}", stage.name));
            for variable in ["PREWARM_URLS", "PREWARM_WATCHED_URLS", "PREWARM_FIRING_URLS"] {
                let is_own = |prewarm: &&Prewarm| prewarm.stage == stage.name && prewarm.variable == variable;
                let next: Vec<_> = PREWARMS
                    .iter()
                    .filter(is_own)
                    .filter(|prewarm| prewarm.modes.contains(&mode))
                    .map(|prewarm| format!("http://farm-{}.fields.svc.cluster.local", prewarm.next))
                    .collect();
                let said = service.variable(variable).and_then(|value| value.as_str().map(str::to_owned));
                assert_eq!(said.unwrap_or_default(), next.join(","), "{mode:?} {} {variable}", stage.name);
            }
        }
    }
    let objects = Chart::new(tools).ci("topic-mode").objects();
    let alert = "http://farm-alert.fields.svc.cluster.local";
    assert_eq!(object(&objects, "Deployment", "farm-worker").variable("PREWARM_URLS"), Some(json!(alert)));
    let quiet = Chart::new(tools).ci("kafka").set("prewarm.enabled=false").text().expect("it is rendered");
    assert!(!quiet.contains("PREWARM"));
}

#[test]
fn events_of_others_get_a_trigger_each() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("broker-in-memory").objects();
    let foreign: Vec<_> = of_kind(&objects, "Trigger")
        .into_iter()
        .filter(|trigger| {
            trigger.at("/spec/filter/attributes") == Some(&json!({"type": "com.example.reading"}))
        })
        .collect();
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].text("/spec/subscriber/ref/name"), "farm-transform");
    check_delivery("broker-in-memory", foreign[0], Delivery::PAYLOADS);
}
