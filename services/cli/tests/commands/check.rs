//! `freshet check` and `freshet schema`.

use crate::process::{freshet, freshet_reading};

#[test]
fn mistakes_are_printed_with_their_places_and_the_exit_status_is_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, "sources:\n  a:\n    fromat: json\n").unwrap();
    let run = freshet(&["check", file.to_str().unwrap()]);
    assert_eq!(run.status, 1);
    let name = file.display();
    assert_eq!(
        run.stdout.lines().collect::<Vec<_>>(),
        [
            format!("{name}:3:5: mistake: `format` is missing"),
            format!("{name}:3:5: mistake: unknown key `fromat`; did you mean `format`?"),
            format!("{name}:2:3: warning: source `a` has no credentials: anyone may send to it"),
        ]
    );
    assert_eq!(run.stderr, format!("{name}: 2 mistakes, 1 warning\n"));
}

#[test]
fn warnings_alone_are_no_failure_and_programs_get_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, "sources:\n  a: {format: json}\n").unwrap();
    let run = freshet(&["check", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(run.status, 0);
    let findings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(findings[0]["kind"], "warning");
    assert_eq!(findings[0]["line"], 2);
}

#[test]
fn events_of_others_are_warned_of_where_the_broker_keeps_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, "sources:\n  a: {format: json, events: {type: com.example.reading}}\n").unwrap();
    let checked = |more: &[&str]| freshet(&[&["check", file.to_str().unwrap()], more].concat());
    assert_eq!(checked(&[]).stdout, "");
    let run = checked(&["--broker-class", "MTChannelBasedBroker"]);
    let warning = format!("{}:2:3: warning: source `a` is events in the Broker", file.display());
    assert!(run.status == 0 && run.stdout.starts_with(&warning), "{}", run.stdout);
}

#[test]
fn how_far_back_each_source_can_be_mended_is_said() {
    let run = freshet_reading(
        &["check", "-"],
        b"
sources:
  a: {format: json}
  b: {format: json, keep_requests: none}
  c: {format: json, keep_requests: problems}
  d: {format: json, kafka: {servers: 'kafka:9092', topic: readings}}
retention: {requests: 7d}
",
    );
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let said = "can be read again: requests of the last 7 days; of c only those that could not be taken whole; of b none; \
                of d what their topics keep\n";
    assert!(run.stderr.ends_with(said), "{}", run.stderr);
}

#[test]
fn several_files_are_checked_as_one_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let (sources, rules) = (folder.path().join("sources.yaml"), folder.path().join("rules.yaml"));
    std::fs::write(&sources, "sources:\n  a: {format: json, credentials: [{bearer: {env: T}}]}\n").unwrap();
    std::fs::write(&rules, "rules:\n  R: {metric: temperature, above: 3, select: {source: b}}\n").unwrap();
    let run = freshet(&["check", sources.to_str().unwrap(), rules.to_str().unwrap()]);
    assert_eq!(run.status, 1);
    let mistake = format!("{}:2:55: mistake: no source is named `b`", rules.display());
    assert!(run.stdout.starts_with(&mistake), "{}", run.stdout);
    let run = freshet(&["check", rules.to_str().unwrap()]);
    assert!(run.stdout.contains("`sources` is missing"), "{}", run.stdout);
}

#[test]
fn standard_input_is_checked_too() {
    let run = freshet_reading(&["check", "-"], b"sources:\n  a: {fromat: json}\n");
    assert_eq!(run.status, 1);
    assert!(run.stdout.starts_with("standard input:2:6: mistake: `format` is missing"), "{}", run.stdout);
    assert_eq!(run.stderr, "standard input: 2 mistakes, 1 warning\n");
}

#[test]
fn a_missing_file_says_what_to_do() {
    let run = freshet(&["check", "/nowhere/freshet.yaml"]);
    assert_eq!((run.status, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("/nowhere/freshet.yaml cannot be read"), "{}", run.stderr);
    assert!(run.stderr.contains("name the file: freshet check FILE"), "{}", run.stderr);
}

#[test]
fn the_schema_is_the_published_one() {
    let run = freshet(&["schema"]);
    let published = include_str!("../../../../docs/freshet.schema.json");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!((run.status, parse(&run.stdout)), (0, parse(published)));
}

#[test]
fn a_wrong_command_line_exits_2() {
    let run = freshet(&["chekc"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("check"), "{}", run.stderr);
}
