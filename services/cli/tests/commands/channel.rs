//! `freshet channel test`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use crate::process::{freshet, freshet_with};

/// 24 bytes of key, as Standard Webhooks writes it.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// A receiver that answers one request with `status` and gives what it was sent.
fn receiver(status: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("the listener is bound").port();
    let request = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("the command connects");
        let mut text = String::new();
        let mut bytes = [0; 4096];
        while !text.ends_with('}') {
            let count = peer.read(&mut bytes).expect("the command sends");
            assert_ne!(count, 0, "the request ended early: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        write!(peer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .expect("the command listens");
        text
    });
    (port, request)
}

fn pipeline_file(port: u16) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("the temporary folder is writable");
    let text = format!(
        "sources:\n  a: {{format: json}}\nchannels:\n  ops: {{webhook: {{url: 'http://127.0.0.1:{port}/x', secret: {{env: S}}}}}}\n\
         network: {{allow: [127.0.0.1]}}\n"
    );
    std::fs::write(file.path(), text).expect("the file is writable");
    file
}

#[test]
fn a_signed_test_message_arrives() {
    let (port, request) = receiver("204 No Content");
    let file = pipeline_file(port);
    let run =
        freshet_with(&["channel", "test", "ops", "-p", file.path().to_str().unwrap()], &[("S", SECRET)]);
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (0, "ops: delivered\n", ""));
    let request = request.join().unwrap();
    assert!(request.starts_with("POST /x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("webhook-signature: v1,") && request.contains("channel.test"), "{request}");
}

#[test]
fn a_refusal_is_told_and_exits_1() {
    let (port, request) = receiver("403 Forbidden");
    let file = pipeline_file(port);
    let arguments = ["channel", "test", "ops", "-o", "json", "-p", file.path().to_str().unwrap()];
    let run = freshet_with(&arguments, &[("S", SECRET)]);
    request.join().unwrap();
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.status, &answer["delivered"]), (1, &false.into()));
    assert!(answer["reason"].as_str().unwrap().contains("403"), "{answer}");
}

#[test]
fn an_unset_secret_and_an_unknown_channel_say_so() {
    let file = pipeline_file(9);
    let path = file.path().to_str().unwrap();
    let run = freshet(&["channel", "test", "ops", "-p", path]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("environment variable S is not set"), "{}", run.stderr);
    let run = freshet(&["channel", "test", "opps", "-p", path]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("its channels are: ops"), "{}", run.stderr);
}
