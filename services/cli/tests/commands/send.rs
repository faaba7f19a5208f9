//! `freshet send`: what was not taken, and why.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::process::{Run, command, freshet, freshet_with, start};

/// A webhook that takes bodies with a `good` in them, refuses others with a problem, and never answers a `slow` one.
struct Webhook {
    url: String,
    /// A copy of each request.
    requests: Receiver<String>,
}

impl Webhook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = listener.local_addr().unwrap().to_string();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &sender));
            }
        });
        Self { url, requests }
    }
}

fn serve(mut stream: TcpStream, requests: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    while reader.read_line(&mut request).unwrap() > 2 {}
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let _ = requests.send(request + &body);
    if body.contains("slow") {
        // Until the sender gives up.
        let _ = reader.read(&mut [0]);
        return;
    }
    let (status, text) = match body.as_str() {
        "" => ("400 Bad Request", r#"{"detail": "the body is empty"}"#),
        body if body.contains("good") => ("202 Accepted", ""),
        _ => ("400 Bad Request", r#"{"title": "Bad Request", "detail": "not JSON: line 1"}"#),
    };
    let length = text.len();
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}")
        .unwrap();
}

/// Sends these files of a folder, one at a time.
fn send(to: &str, files: &[(&str, &str)], options: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let arguments = ["send", "--to", to, "--concurrency", "1", "."];
    let output = command(&[&arguments, options].concat()).current_dir(folder.path()).output().unwrap();
    Run::of(output)
}

#[test]
fn each_input_that_is_not_taken_is_named_with_its_reason() {
    let webhook = Webhook::start();
    let files = [
        ("a.json", "good"),
        ("b.json", "{"),
        ("c.csv", "name,value\ngood,1\nbad,2\n"),
        ("d.ndjson", "\"good\"\n\n\"bad\"\n"),
        ("e.json", ""),
    ];
    let run = send(&webhook.url, &files, &[]);
    assert_eq!(run.status, 1);
    let named: Vec<_> = run.stderr.lines().collect();
    assert_eq!(
        &named[..4],
        [
            "./b.json: 400 not JSON: line 1",
            "./c.csv:3: 400 not JSON: line 1",
            "./d.ndjson:3: 400 not JSON: line 1",
            "./e.json: 400 the body is empty",
        ]
    );
    assert!(named[4].starts_with("3 of 7 requests were taken"), "{}", run.stderr);
    let empty = webhook.requests.try_iter().last().unwrap();
    assert!(empty.contains("content-length: 0\r\n"), "{empty}");
}

#[test]
fn programs_get_every_input_that_is_not_taken_and_people_the_first_twenty() {
    let webhook = Webhook::start();
    let rows = "bad\n".repeat(23);
    let run = send(&webhook.url, &[("rows.ndjson", &rows)], &["-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["refused"].as_array().unwrap().len(), 23, "{report}");
    assert_eq!(report["refused"][22]["input"], "./rows.ndjson:23");
    assert_eq!((&report["requests"], &report["accepted"]), (&23.into(), &0.into()));
    assert_eq!(run.stderr.lines().count(), 21, "{}", run.stderr);
    assert!(run.stderr.contains("3 more were not taken"), "{}", run.stderr);
}

#[test]
fn rows_of_one_request_are_named_together() {
    let webhook = Webhook::start();
    let run = send(&webhook.url, &[("rows.ndjson", "1\n2\n3\n")], &["--batch", "2"]);
    assert!(run.stderr.starts_with("./rows.ndjson:1-2: 400 "), "{}", run.stderr);
    assert!(run.stderr.contains("\n./rows.ndjson:3: 400 "), "{}", run.stderr);
}

#[test]
fn no_answer_is_printed_with_its_cause_and_without_a_secret() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let to = format!("http://127.0.0.1:{port}/hooks/a?key=hunter2");
    let run = send(&to, &[("a.json", "{}")], &["--retries", "0"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.starts_with("./a.json: no answer: "), "{}", run.stderr);
    assert!(run.stderr.contains("refused"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn ctrl_c_ends_with_what_was_taken_until_then() {
    let webhook = Webhook::start();
    let mut child = start(&["send", "--to", &webhook.url, "-", "-o", "json"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"\"good\"\n\"slow\"\n").unwrap();
    // Both are under way or done, and the command waits for more.
    let seen: Vec<_> = webhook.requests.iter().take(2).collect();
    assert!(seen.iter().any(|request| request.contains("slow")), "{seen:?}");
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let run = Run::of(child.wait_with_output().unwrap());
    drop(input);
    assert_eq!(run.status, 130);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    // The answer of the first may still have been on its way.
    let cut_off = report["cut_off"].as_u64().unwrap();
    assert!((1..=2).contains(&cut_off), "{report}");
    assert_eq!(report["requests"].as_u64().unwrap() + cut_off, 2, "{report}");
    assert!(run.stderr.contains("interrupted: "), "{}", run.stderr);
}

#[test]
fn counts_have_a_lowest_value() {
    for option in ["--batch", "--concurrency", "--timeout"] {
        let run = freshet(&["send", option, "0", "-"]);
        assert_eq!(run.status, 2, "{option}");
        assert!(run.stderr.contains("is not in 1..="), "{}", run.stderr);
    }
}

#[test]
fn without_a_running_pipeline_the_state_directory_that_was_looked_in_is_named() {
    let id = "01890000-0000-7000-8000-000000000000";
    let run = freshet_with(&["dead-letters", "replay", id], &[("FRESHET_STATE_DIR", "/nowhere/freshet")]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("no `freshet up` runs in /nowhere/freshet"), "{}", run.stderr);
    assert!(run.stderr.contains("--state-dir"), "{}", run.stderr);
}
