//! `freshet codec test`, and sources with codecs.

use crate::process::{Run, freshet};

const SCRIPT: &str = "
function decodeUplink(input) {
  if (input.fPort !== 2) return {errors: ['unknown port']};
  return {data: {temperature: input.bytes[0] + Number(input.variables.offset || 0), at: new Date().getUTCFullYear()}, warnings: ['low battery']};
}
";

/// Runs the command in a folder with the script `probe.js` and a pipeline that names it.
fn in_folder(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let pipeline = "sources:\n  field: {format: ttn_v3, codec: probe.js, credentials: [{bearer: {env: T}}]}\n  bare: {format: ttn_v3, credentials: [{bearer: {env: T}}]}\n";
    let uplink = r#"{"end_device_ids":{"dev_eui":"70B3D57ED0000001"},"uplink_message":{"f_port":2,"frm_payload":"FQ=="}}"#;
    for (name, text) in [("probe.js", SCRIPT), ("freshet.yaml", pipeline), ("uplink.json", uplink)] {
        std::fs::write(folder.path().join(name), text).expect("the file is writable");
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| {
            if argument.contains('.') && !argument.contains('=') {
                path(argument)
            } else {
                (*argument).to_owned()
            }
        })
        .collect();
    freshet(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn what_a_script_gives_is_printed() {
    let run = in_folder(&[
        "codec",
        "test",
        "probe.js",
        "15",
        "--port",
        "2",
        "--variable",
        "offset=0.5",
        "--received-at",
        "2026-03-01",
        "-o",
        "json",
    ]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let made: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON is printed");
    let expected =
        serde_json::json!({"data": {"temperature": 21.5, "at": 2026}, "warnings": ["low battery"]});
    assert_eq!(made, expected);
}

#[test]
fn cayenne_lpp_is_built_in() {
    let run = in_folder(&["codec", "test", "cayenne_lpp", "03 67 01 10"]);
    assert_eq!((run.status, run.stdout.contains("\"temperature_3\": 27.2")), (0, true), "{}", run.stdout);
}

#[test]
fn a_refusal_is_told_and_exits_1() {
    let run = in_folder(&["codec", "test", "probe.js", "15"]);
    assert_eq!((run.status, run.stderr.contains("unknown port")), (1, true), "{}", run.stderr);
    let run = in_folder(&["codec", "test", "cayenne_lpp", "03FF"]);
    assert_eq!(
        (run.status, run.stderr.contains("255 is no type of Cayenne LPP")),
        (1, true),
        "{}",
        run.stderr
    );
}

#[test]
fn a_source_decodes_by_its_script_and_says_what_nothing_decodes() {
    let run = in_folder(&["source", "test", "field", "uplink.json", "-p", "freshet.yaml", "-o", "json"]);
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let previews: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON is printed");
    assert_eq!(previews[0]["readings"][0]["value"], 21.0, "{previews}");
    let run = in_folder(&["source", "test", "bare", "uplink.json", "-p", "freshet.yaml"]);
    assert!(
        run.stderr.contains("frames that nothing decodes: 1; give the source a `codec`"),
        "{}",
        run.stderr
    );
}
