//! `freshet receiver test`.

use crate::one_answer::one_answer;
use crate::process::{freshet, freshet_with};

/// 24 bytes of key, as Standard Webhooks writes it.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

fn pipeline_file(url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("the temporary folder is writable");
    let text = format!(
        "sources:\n  a: {{format: json}}\nreceivers:\n  ops: {{webhook: {{url: '{url}/x', secret: {{env: S}}}}}}\n\
         network: {{allow: [127.0.0.1]}}\n"
    );
    std::fs::write(file.path(), text).expect("the file is writable");
    file
}

#[test]
fn a_signed_test_message_arrives() {
    let (url, request) = one_answer("204 No Content");
    let file = pipeline_file(&url);
    let run =
        freshet_with(&["receiver", "test", "ops", "-p", file.path().to_str().unwrap()], &[("S", SECRET)]);
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (0, "ops: delivered\n", ""));
    let request = request.join().unwrap();
    assert!(request.starts_with("POST /x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("webhook-signature: v1,") && request.contains("receiver.test"), "{request}");
}

#[test]
fn a_refusal_is_printed_and_exits_1() {
    let (url, request) = one_answer("403 Forbidden");
    let file = pipeline_file(&url);
    let arguments = ["receiver", "test", "ops", "-o", "json", "-p", file.path().to_str().unwrap()];
    let run = freshet_with(&arguments, &[("S", SECRET)]);
    request.join().unwrap();
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.status, &answer["delivered"]), (1, &false.into()));
    assert!(answer["reason"].as_str().unwrap().contains("403"), "{answer}");
}

#[test]
fn an_unset_secret_and_an_unknown_receiver_say_so() {
    let file = pipeline_file("http://127.0.0.1:9");
    let path = file.path().to_str().unwrap();
    let run = freshet(&["receiver", "test", "ops", "-p", path]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("environment variable S is not set"), "{}", run.stderr);
    let run = freshet(&["receiver", "test", "opps", "-p", path]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("its receivers are: ops"), "{}", run.stderr);
}
