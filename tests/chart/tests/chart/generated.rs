//! What the chart has from elsewhere: `files/topology.yaml` and the numbers of `values.yaml` from `crates/topology`, the keys of
//! `pipeline` in `values.schema.json` from the pipeline's own schema. `FRESHET_BLESS=1` writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use chart_tests::repository;
use serde_json::{Value, json};
use topology::{Delivery, PREWARMS, STAGES, SUBSCRIPTIONS, StageSpec, Subscription, TICK_TIMER};

const HEAD: &str = "# Generated from crates/topology for the templates: `FRESHET_BLESS=1 cargo test -p chart-tests` writes it.\n";

/// Compares a file of the chart with what it is generated to be, or writes it.
fn check(name: &str, generate: impl FnOnce(&str) -> String) {
    let path = repository().join("charts/freshet").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected = generate(&text);
    if std::env::var_os("FRESHET_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap_or_else(|error| panic!("{name}: {error}"));
    } else {
        assert_eq!(text, expected, "FRESHET_BLESS=1 cargo test -p chart-tests writes {name} anew");
    }
}

#[test]
fn the_templates_read_what_is_declared() {
    check("files/topology.yaml", |_| {
        let stages = STAGES.iter().map(|stage| (stage.name, traits(stage)));
        let subscriptions = SUBSCRIPTIONS.iter().map(|one| (one.name, subscription(one)));
        let deliveries = Delivery::ALL.map(|one| (one.name, delivery(one)));
        let prewarms = PREWARMS.map(|one| {
            let modes: Vec<_> = one.modes.iter().map(|mode| mode.word()).collect();
            json!({"stage": one.stage, "variable": one.variable, "next": one.next, "modes": modes})
                .to_string()
        });
        format!(
            "{HEAD}stages:\n{}\n# `timer` stands for the source of the PingSource of that name.\nsubscriptions:\n{}\n\
             # Their numbers are values.\ndeliveries:\n{}\ntimers:\n  {}: {{every: {}s, rare: {}s}}\n\nprewarms:\n  - {}\n",
            rows(stages),
            rows(subscriptions),
            rows(deliveries.into_iter()),
            TICK_TIMER.name,
            TICK_TIMER.every.as_secs(),
            TICK_TIMER.rare.as_secs(),
            prewarms.join("\n  - "),
        )
    });
}

/// A line of JSON, which is YAML too, for each name.
fn rows(named: impl Iterator<Item = (&'static str, Value)>) -> String {
    named.map(|(name, value)| format!("  {name}: {value}\n")).collect()
}

/// What is not so is left out.
fn traits(stage: &StageSpec) -> Value {
    let secrets: Vec<&str> = stage.secrets.iter().map(|secrets| secrets.key()).collect();
    let secrets = (!secrets.is_empty()).then(|| json!(secrets));
    let kafka: Vec<_> = stage.kafka.iter().map(|one| one.word()).collect();
    let traits = [
        ("pipeline", stage.pipeline.then_some(json!(true))),
        ("database", stage.database.then_some(json!(true))),
        ("job", stage.job.then_some(json!(true))),
        ("publishes", stage.publishes.then_some(json!(true))),
        ("secrets", secrets),
        ("kafka", (!kafka.is_empty()).then_some(json!(kafka))),
    ];
    traits.into_iter().filter_map(|(name, trait_)| Some((name.to_owned(), trait_?))).collect()
}

fn subscription(one: &Subscription) -> Value {
    let mut value =
        json!({"stage": one.stage, "filter": {"type": one.event_type}, "delivery": one.delivery().name});
    if let Some(subject) = one.subject {
        value["filter"]["subject"] = json!(subject);
    }
    if let Some(timer) = one.timer {
        value["timer"] = json!(timer);
    }
    value
}

fn delivery(one: Delivery) -> Value {
    if one.dead_letters { json!({"deadLetters": true}) } else { json!({}) }
}

#[test]
fn the_numbers_of_the_values_are_the_declared_ones() {
    let mut numbers = BTreeMap::new();
    for stage in STAGES {
        for (key, number) in [
            ("maxScale", stage.max_scale.into()),
            ("containerConcurrency", stage.container_concurrency.into()),
            ("timeoutSeconds", stage.timeout.as_secs()),
        ] {
            numbers.insert(format!("stages.{}.{key}", stage.name), number);
        }
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).expect("a delay is short");
    for delivery in Delivery::ALL {
        assert_eq!(delivery.timeout, Delivery::PAYLOADS.timeout, "the values know one time-out");
        numbers.insert(format!("delivery.{}.retry", delivery.name), delivery.retry.into());
        numbers.insert(format!("delivery.{}.backoffDelayMs", delivery.name), millis(delivery.backoff_delay));
    }
    numbers.insert("delivery.timeoutSeconds".to_owned(), Delivery::PAYLOADS.timeout.as_secs());
    check("values.yaml", |text| {
        let written = with_numbers(text, &mut numbers);
        assert!(numbers.is_empty(), "values.yaml has no {numbers:?}");
        written
    });
}

/// `text` with each of `numbers` behind the key at its path; what was found is taken out of them.
fn with_numbers(text: &str, numbers: &mut BTreeMap<String, u64>) -> String {
    let mut path: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        let key = content.split_once(':').filter(|_| !content.starts_with('#'));
        let number = key.and_then(|(key, _)| {
            path.truncate((line.len() - content.len()) / 2);
            path.push(key);
            numbers.remove(&path.join("."))
        });
        lines.push(match (key, number) {
            (Some((key, _)), Some(number)) => {
                format!("{}{key}: {number}\n", &line[..line.len() - content.len()])
            }
            _ => format!("{line}\n"),
        });
    }
    lines.concat()
}

#[test]
fn the_pipeline_of_the_values_has_the_keys_of_its_own_schema() {
    let own = std::fs::read_to_string(repository().join("docs/freshet.schema.json")).expect("it is there");
    let own: Value = serde_json::from_str(&own).expect("it is JSON");
    let keys = own["properties"].as_object().into_iter().flatten();
    let keys: serde_json::Map<_, _> =
        keys.map(|(key, value)| (key.clone(), json!({"description": value["description"]}))).collect();
    let keys = serde_json::to_string_pretty(&keys).expect("it is JSON").replace('\n', "\n      ");
    check("values.schema.json", |schema| {
        let (before, rest) = schema.split_once("\n    \"pipeline\": {").expect("it has a pipeline");
        let (head, rest) = rest.split_once("\"properties\": {").expect("the pipeline has keys");
        let (_, after) = rest.split_once("\n      }\n").expect("they end");
        format!("{before}\n    \"pipeline\": {{{head}\"properties\": {keys}\n{after}")
    });
}
