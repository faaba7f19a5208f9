//! A service as a process: its settings, its log, its telemetry, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stage::{App, RunningServer, ServerOptions};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn slow_echo() -> Command {
    example("slow_echo")
}

/// Cargo builds a package's examples with its tests, beside them.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples").join(name));
    command.env_clear().env("PORT", "0").env("LISTEN_ADDRESS", "127.0.0.1").stdout(Stdio::piped());
    command
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next log line whose message has `part` in it; every line on the way must be JSON.
    fn line_with(&mut self, part: &str) -> Value {
        loop {
            let line: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            if line["message"].as_str().unwrap().contains(part) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A collector that keeps what it is sent: path and body.
type Exported = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

fn collector() -> (RunningServer, Exported) {
    let exported = Exported::default();
    let kept = Arc::clone(&exported);
    let app = App::new().routes(move |config| {
        let kept = Arc::clone(&kept);
        config.default_service(web::to(move |path: actix_web::http::Uri, body: web::Bytes| {
            kept.lock().unwrap().push((path.path().to_owned(), body.to_vec()));
            async { HttpResponse::Ok().finish() }
        }));
    });
    (RunningServer::start(app, ServerOptions::default()).unwrap(), exported)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_in_the_middle_of_a_request_answers_it_flushes_and_exits_with_zero() {
    let (collector, exported) = collector();
    let mut process = Process::start(
        slow_echo()
            .env("DELAY_MS", "200")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env("K_REVISION", "r1"),
    );
    let address = process.line_with("is listening")["address"].as_str().unwrap().to_owned();
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let request = client
        .post(format!("http://{address}/"))
        .header("ce-specversion", "1.0")
        .header("ce-id", "e-1")
        .header("ce-source", "/test")
        .header("ce-type", "com.example.said")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body("hello");
    let answer = tokio::spawn(request.send());
    let line = process.line_with("echoing");
    assert_eq!((&line["ce_id"], &line["ce_type"]), (&"e-1".into(), &"com.example.said".into()));
    assert_eq!((&line["trace_id"], &line["severity"]), (&TRACE.into(), &"INFO".into()));
    assert_eq!(line["revision"], "r1");

    process.signal(Signal::SIGTERM);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.headers()["traceparent"].to_str().unwrap().starts_with(&format!("00-{TRACE}-")));
    assert_eq!(answer.text().await.unwrap(), "hello");
    process.line_with("flushed");
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));

    let exported = exported.lock().unwrap();
    let trace: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&TRACE[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let has = |path: &str, part: &[u8]| {
        exported.iter().any(|(at, body)| at == path && body.windows(part.len()).any(|window| window == part))
    };
    assert!(has("/v1/traces", &trace), "the span was exported under the caller's trace");
    for name in ["http.server.request.duration", "messaging.process.duration", "faas.coldstarts"] {
        assert!(has("/v1/metrics", name.as_bytes()), "{name} was exported");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_on_where_nothing_is_exported_whatever_the_log_shows() {
    for filter in ["info", "off"] {
        let mut process =
            Process::start(slow_echo().env("RUST_LOG", format!("{filter},stage=info")).env("DELAY_MS", "1"));
        let address = process.line_with("is listening")["address"].as_str().unwrap().to_owned();
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        let echo = async |traceparent: Option<String>| {
            let request = client
                .post(format!("http://{address}/"))
                .header("ce-specversion", "1.0")
                .header("ce-id", "e-1")
                .header("ce-source", "/test")
                .header("ce-type", "com.example.said");
            let request = match traceparent {
                Some(traceparent) => {
                    request.header("traceparent", traceparent).header("tracestate", "vendor=1")
                }
                None => request,
            };
            let answer = request.body("hello").send().await.unwrap();
            let field = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (field("traceparent").unwrap(), field("tracestate"))
        };
        let given = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(echo(Some(given.clone())).await, (given, Some("vendor=1".to_owned())), "{filter}");
        let (one, another) = (echo(None).await, echo(None).await);
        assert_ne!(one.0[3..35], another.0[3..35], "each that comes without a trace begins one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_does_not_keep_a_process_from_ending() {
    let mut process = Process::start(slow_echo().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    process.line_with("is listening");
    process.signal(Signal::SIGTERM);
    // The last metrics are sent at the end, and where that fails the log says so.
    let line = process.line_with("the collector did not take traces or metrics");
    assert_eq!(line["severity"], "WARN");
    assert!(line["error"].as_str().unwrap().contains("refused"), "{line}");
    let ended = tokio::task::spawn_blocking(move || process.child.wait().unwrap());
    let status = tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_wrong_start_lists_every_mistake_and_exits_with_78() {
    let output = slow_echo()
        .env("PORT", "eighty")
        .env("DELAY_MS", "-1")
        .env("RUST_LOG", "slow_echo=loud")
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stderr).unwrap();
    for name in ["PORT", "DELAY_MS", "RUST_LOG"] {
        assert!(text.contains(&format!("{name}: is n")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_ended_its_process_three_times_is_kept_and_its_neighbours_are_handled() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let start = || {
        let mut mortal = example("mortal");
        let mut process =
            Process::start(mortal.env("KEPT", &kept).env("SCRATCH_DIR", folder.path().join("scratch")));
        let address = process.line_with("is listening")["address"].as_str().unwrap().to_owned();
        (process, address)
    };
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let deliver = |address: &str, id: &str, event_type: &str| {
        let request = client
            .post(format!("http://{address}/"))
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/test")
            .header("ce-type", event_type)
            .body("data");
        async move { request.send().await.map(|answer| answer.status().as_u16()).ok() }
    };
    for death in 1..=3 {
        let (mut process, address) = start();
        // The neighbour was under way at the first death, and is handled alone after it.
        assert_eq!(deliver(&address, "neighbour", "done").await, Some(202), "before death {death}");
        if death == 1 {
            tokio::spawn(deliver(&address, "neighbour", "wait"));
            process.line_with("waiting");
        }
        assert_eq!(deliver(&address, "poison", "abort").await, None, "death {death}");
        let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap()).await.unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6));
    }
    let (_process, address) = start();
    assert_eq!(deliver(&address, "poison", "abort").await, Some(202));
    assert_eq!(deliver(&address, "neighbour", "done").await, Some(202));
    let kept = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert!(kept.starts_with("poison: the process ended 3 times"), "{kept}");
}
