//! `canary` and `jobs.canary`: what they mean, and each mistake in them at its place.

use std::collections::BTreeMap;

use event_model::Severity;
use jiff::SignedDuration;
use pipeline_config::canary::{self, NAME, RULE};
use pipeline_config::receiver::Setting;
use pipeline_config::{AlertFacts, Credential, Findings, Pipeline, Receiver, SecretRef};

const HEAD: &str = "sources:\n  a: {format: json, credentials: [{bearer: {env: T}}]}\n";

fn parsed(rest: &str) -> Result<Pipeline, Findings> {
    Pipeline::parse(&format!("{HEAD}{rest}"), "f")
}

fn pipeline(rest: &str) -> Pipeline {
    parsed(rest).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn mistake(rest: &str) -> String {
    parsed(rest).expect_err("it has a mistake").to_string()
}

fn receivers_of<'p>(pipeline: &'p Pipeline, source: &str) -> Vec<&'p str> {
    let labels = BTreeMap::new();
    let facts = AlertFacts { severity: Severity::Critical, rule: RULE, source, device: "d", labels: &labels };
    pipeline.receivers_for(facts)
}

#[test]
fn it_brings_a_source_a_rule_and_a_receiver() {
    let pipeline = pipeline(
        "receivers: {ops: {ntfy: {topic: t}}}\nfallback: [ops]\ncanary: {secret: {env: C}}\nrules: {hot: {metric: temperature, above: 30}}\n",
    );
    let source = &pipeline.sources[NAME];
    assert_eq!(source.credentials, [Credential::Bearer { secret: SecretRef::Env("C".into()) }]);
    assert_eq!(source.profile.source, NAME);
    assert_eq!(pipeline.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), [RULE, "hot"]);
    assert_eq!(pipeline.receivers[NAME], Receiver::Row);
    // Its alerts go nowhere else, whatever becomes of them, and no other goes there.
    assert_eq!(receivers_of(&pipeline, NAME), [NAME]);
    assert_eq!(receivers_of(&pipeline, "a"), ["ops"]);
    assert!(pipeline.fallback_of(NAME).is_empty());
}

#[test]
fn without_it_nothing_of_it_is_there() {
    let pipeline = pipeline("");
    assert_eq!((pipeline.canary, pipeline.sources.len()), (None, 1));
    assert!(pipeline.rules.is_empty() && pipeline.receivers.is_empty());
}

#[test]
fn it_alone_is_a_pipeline() {
    let pipeline = Pipeline::parse("canary: {secret: {file: /run/c}}\n", "f").expect("it is a pipeline");
    assert_eq!(pipeline.sources.len(), 1);
}

#[test]
fn there_is_a_job_where_it_says_where_to() {
    let names = |rest: &str| pipeline(rest).jobs.all().map(|job| job.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names("canary: {secret: {env: C}}\n"), ["cleanup"]);
    let full =
        "canary: {url: 'https://f.example.com', secret: {env: C}, within: 90s, ping: {success: {env: P}}}\n";
    assert_eq!(names(full), ["cleanup", "canary"]);
    let canary = pipeline(full).canary.expect("there is one");
    assert_eq!(canary.within, SignedDuration::from_secs(90));
    assert_eq!(canary.ping.success, Some(Setting::Secret(SecretRef::Env("P".into()))));
    let hourly = pipeline(full).jobs.canary.expect("there is a job");
    assert_eq!((hourly.pattern(), hourly.zone()), ("7 * * * *", "UTC"));
}

#[test]
fn what_it_costs_and_what_does_nothing_is_warned_of() {
    let warnings = |rest: &str| pipeline(rest).warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let full = "canary: {url: 'https://f.example.com', secret: {env: C}}\n";
    let often = |at: &str| warnings(&format!("{full}jobs: {{canary: {{at: '{at}'}}}}\n"));
    assert!(often("*/15 * * * *").is_empty());
    // Ten minutes apart only on Sundays.
    for at in ["*/5 * * * *", "0,10 6 * * 0"] {
        assert!(often(at).iter().any(|warning| warning.contains("from zero")), "{at}");
    }
    let unused = warnings("canary: {secret: {env: C}}\njobs: {canary: {}}\n");
    assert!(unused.iter().any(|warning| warning.contains("no `canary.url`")), "{unused:?}");
}

#[test]
fn its_names_are_its_own() {
    let place = |rest: &str, line: usize| {
        let text = mistake(rest);
        assert!(text.contains(&format!("f:{line}:")) && text.contains("belongs to `canary`"), "{text}");
    };
    place("  freshet-canary: {format: json, credentials: [{bearer: {env: T}}]}\n", 3);
    place("rules:\n  FreshetCanary: {metric: temperature, above: 1}\n", 4);
    place("receivers:\n  freshet-canary: {ntfy: {topic: t}}\n", 4);
    assert!(mistake("receivers: {r: {row: {}}}\n").contains("row"));
    assert!(mistake("canary: {secret: hunter2}\n").contains("a secret never stands in this file"));
    assert!(mistake("canary: {url: 'https://f.example.com'}\n").contains("secret"));
}

#[test]
fn a_payload_is_two_readings_of_its_source() {
    let now = "2026-03-01T12:00:00.1239Z".parse().expect("a time");
    let at = canary::time_of_payload(now);
    assert_eq!(
        canary::payload(canary::DEVICE, at),
        r#"[{"device":"canary","time":"2026-03-01T12:00:00.123Z","canary":1},{"device":"canary","time":"2026-03-01T12:00:00.124Z","canary":0}]"#
    );
}
