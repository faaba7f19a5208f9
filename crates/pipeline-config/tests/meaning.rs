//! What a file means.

use std::collections::BTreeMap;
use std::io::Write as _;

use event_model::Severity;
use jiff::SignedDuration;
use pipeline_config::{AlertFacts, Emit, Pipeline, SecretError, SecretRef};
use retention::Retention;
use rules::Condition;

fn pipeline(rest: &str) -> Pipeline {
    Pipeline::parse(&format!("sources:\n  a: {{format: json}}\n{rest}"), "f")
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn thresholds_are_in_the_canonical_unit() {
    let rules = pipeline(
        "rules:\n  A: {metric: temperature, above: 86, clear: 77, unit: Far}\n  B: {metric: temperature, rate_of_change: {above: 9, per: 1h}, unit: Far}\n",
    )
    .rules;
    let Condition::Above { threshold, clear } = rules[0].condition else { panic!("{:?}", rules[0]) };
    assert!((threshold - 30.0).abs() < 1e-9 && (clear - 25.0).abs() < 1e-9, "{threshold} {clear}");
    let Condition::RateOfChange { threshold, clear, .. } = rules[1].condition else {
        panic!("{:?}", rules[1])
    };
    assert!((threshold - 5.0).abs() < 1e-9 && (clear - 5.0).abs() < 1e-9, "{threshold} {clear}");
}

#[test]
fn the_hash_knows_meaning_from_looks() {
    let hash = |text: &str| Pipeline::parse(text, "f").unwrap().hash;
    let plain = hash("sources:\n  a: {format: json, rate: 5/s}\nlateness: 15m\n");
    assert_eq!(plain.len(), 64);
    assert_eq!(
        plain,
        hash("# a comment\nlateness: '15m'\nsources: {a: {rate: \"5/s\", format: json}}\nrules:\n")
    );
    assert_ne!(plain, hash("sources:\n  a: {format: json, rate: 6/s}\nlateness: 15m\n"));
}

#[test]
fn every_matching_route_is_taken_and_the_fallback_where_none_does() {
    let pipeline = pipeline(
        "rules:\n  Hot: {metric: temperature, above: 3}\nreceivers:\n  x: {ntfy: {topic: x}}\n  y: {ntfy: {topic: y}}\n  z: {ntfy: {topic: z}}\n\
         routes:\n  - {to: [x]   , select: {severity: critical, device: 'gh-*'}}\n  - {to: [x, y], select: {labels: {team: a}}}\nfallback: [z]\n",
    );
    let team = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let none = BTreeMap::new();
    let facts = |severity, device, labels| AlertFacts { severity, rule: "Hot", source: "a", device, labels };
    assert_eq!(pipeline.receivers_for(facts(Severity::Critical, "gh-1", &team)), ["x", "y"]);
    assert_eq!(pipeline.receivers_for(facts(Severity::Critical, "gh-1", &none)), ["x"]);
    assert_eq!(pipeline.receivers_for(facts(Severity::Warning, "gh-1", &none)), ["z"]);
}

#[test]
fn readings_are_published_only_where_the_file_says_so() {
    assert_eq!(pipeline("").emit, Emit::Never);
    assert_eq!(pipeline("emit: never\n").emit, Emit::Never);
    assert_eq!(pipeline("emit: always\n").emit, Emit::Always);
}

#[test]
fn without_routes_all_go_to_every_receiver_that_is_no_fallback() {
    let pipeline = pipeline("receivers:\n  x: {ntfy: {topic: x}}\n  y: {ntfy: {topic: y}}\nfallback: [y]\n");
    assert_eq!(pipeline.routes[0].to, ["x"]);
}

#[test]
fn a_secret_file_is_read_anew_and_its_value_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let secret = SecretRef::File(file.path().to_owned());
    let none = |_: &str| None;
    assert!(matches!(secret.resolve(&none), Err(SecretError::Empty(_))));
    writeln!(file, "hunter2").unwrap();
    let value = secret.resolve(&none).unwrap();
    assert_eq!(value.expose(), "hunter2");
    assert_eq!(format!("{value:?}"), "Secret([redacted])");
    assert!(matches!(SecretRef::Env("A".into()).resolve(&none), Err(SecretError::Unset(_))));
    assert_eq!(SecretRef::Env("A".into()).resolve(&|name| Some(name.repeat(2))).unwrap().expose(), "AA");
}

#[test]
fn what_is_not_named_is_kept_and_cleanup_runs_at_night() {
    let day = SignedDuration::from_hours(24);
    let plain = pipeline("");
    assert_eq!(plain.retention, Retention::default());
    assert_eq!((plain.jobs.cleanup.pattern(), plain.jobs.cleanup.zone()), ("10 3 * * *", "UTC"));
    let said =
        pipeline("retention: {receipts: 2y, dead_letters: 36h}\njobs: {cleanup: {zone: Asia/Kolkata}}\n");
    let expected =
        Retention { receipts: Some(day * 730), dead_letters: Some(day + day / 2), ..Retention::default() };
    assert_eq!(said.retention, expected);
    assert_eq!((said.jobs.cleanup.pattern(), said.jobs.cleanup.zone()), ("10 3 * * *", "Asia/Kolkata"));
}
