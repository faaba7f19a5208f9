//! `freshet source test`.

use std::path::PathBuf;

use crate::process::{Run, freshet};

/// Runs the command over `body` as the file `name`, with a source of line protocol and one of SenML.
fn source_test(source: &str, name: &str, body: &str, options: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file is writable");
        path
    };
    let pipeline = write(
        "freshet.yaml",
        "sources:\n  racks: {format: influx_line_protocol, credentials: [{bearer: {env: T}}]}\n  river: {format: senml_json, credentials: [{bearer: {env: T}}]}\n",
    );
    let file = write(name, body);
    let mut arguments = vec!["source", "test", source, file.to_str().expect("the path is UTF-8")];
    arguments.extend([
        "-p",
        pipeline.to_str().expect("the path is UTF-8"),
        "--received-at",
        "2026-03-01T12:00:00Z",
    ]);
    arguments.extend(options);
    freshet(&arguments)
}

#[test]
fn readings_are_shown_as_they_would_be_stored() {
    let run = source_test("racks", "body.lp", "inlet,host=r1 temperature=21.5 1772366400000000000\n", &[]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let line: Vec<_> = run.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(line[0], "r1");
    assert!(line.contains(&"21.5") && line.contains(&"2026-03-01T12:00:00Z"), "{line:?}");
    assert_eq!(run.stderr, "payloads: 1, readings: 1, problems: 0, refused: 0\n");
}

#[test]
fn what_makes_no_sense_is_named_and_exits_1() {
    let body = "inlet,host=r1 temperature=21.5 1772366400000000000\nthis is no line\n";
    let run = source_test("racks", "body.lp", body, &["-o", "json"]);
    assert_eq!(run.status, 1);
    let previews: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(previews[0]["readings"].as_array().unwrap().len(), 1, "{previews}");
    assert!(previews[0]["problems"][0]["place"].as_str().unwrap().contains('2'), "{previews}");
}

#[test]
fn a_recorded_request_is_taken_as_it_is_and_a_refusal_printed() {
    let request = "POST /hooks/river HTTP/1.1\ncontent-type: application/senml+json\n\n[{\"n\":";
    let run = source_test("river", "body.http", request, &[]);
    assert_eq!(run.status, 1);
    assert!(run.stdout.contains("body.http: refused with 400: "), "{}", run.stdout);
}

#[test]
fn what_ingest_answers_by_itself_stores_nothing_and_is_well() {
    let run = source_test("racks", "health.http", "GET /hooks/racks/health HTTP/1.1\n\n", &[]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stdout.contains("health.http: a question of the sender"), "{}", run.stdout);
}

#[test]
fn an_input_is_named_with_what_becomes_of_it() {
    let rows = "[{\"n\": \"a\", \"v\": 1}]\n{\n";
    let run = source_test(
        "river",
        "rows.ndjson",
        rows,
        &["--content-type", "application/senml+json", "-o", "json"],
    );
    let previews: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    for (index, end) in ["rows.ndjson:1", "rows.ndjson:2"].iter().enumerate() {
        assert!(previews[index]["input"].as_str().unwrap().ends_with(end), "{previews}");
    }
    assert_eq!(previews[0]["readings"].as_array().unwrap().len(), 1, "{previews}");
    assert_eq!(previews[1]["refused"]["status"], 400, "{previews}");
}

#[test]
fn an_unknown_source_says_which_there_are() {
    let run = source_test("lake", "body.lp", "", &[]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("its sources are: racks, river"), "{}", run.stderr);
}
