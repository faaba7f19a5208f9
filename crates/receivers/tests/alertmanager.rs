//! A real Alertmanager.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peers;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use peers::Peer;
use receivers::alertmanager::Alertmanager;
use receivers::{AlertChange, Attempt, Message, Outcome, Receiver};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{TestReceiver, eventually, free_port};

struct Running {
    port: u16,
    _folder: TempDir,
    _peer: Peer,
}

impl Running {
    /// One that notifies `endpoint` at once.
    async fn start(endpoint: &TestReceiver) -> Option<Self> {
        let program = peers::program("prometheus-alertmanager").or_else(|| peers::program("alertmanager"));
        let program = peers::need(program, "Alertmanager")?;
        let folder = TempDir::new().unwrap();
        let config = format!(
            "route: {{receiver: test, group_wait: 0s, group_interval: 1s, group_by: ['...']}}\n\
             receivers: [{{name: test, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            endpoint.url("/hook")
        );
        std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
        let port = free_port();
        let peer = Command::new(program)
            .arg("--config.file=alertmanager.yml")
            .args(["--storage.path=data", "--cluster.listen-address="])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { port, _folder: folder, _peer: Peer(peer) };
        eventually(Duration::from_secs(20), || async { std::net::TcpStream::connect(("127.0.0.1", port)) })
            .await;
        Some(running)
    }

    fn base(&self) -> reqwest::Url {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }
}

/// What the Alertmanager has sent to its endpoint: status and the alert's end.
fn sent(endpoint: &TestReceiver) -> Vec<(String, Value)> {
    let bodies = endpoint
        .received()
        .into_iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
    bodies
        .map(|body| (body["status"].as_str().unwrap_or_default().to_owned(), body["alerts"][0].clone()))
        .collect()
}

async fn deliver(receiver: &Alertmanager, message: &Message) -> Outcome {
    receiver.deliver(Attempt { message, now: peers::now(), tick: SignedDuration::from_mins(5) }).await
}

#[tokio::test]
async fn an_alert_fires_and_resolves_at_a_real_alertmanager() {
    let endpoint = TestReceiver::start().await;
    let Some(alertmanager) = Running::start(&endpoint).await else { return };
    // The second replica is down: that the first one has it is enough.
    let down = format!("http://127.0.0.1:{}", free_port()).parse().unwrap();
    let receiver = Alertmanager::new(Arc::new(peers::outgoing(None)), vec![down, alertmanager.base()], None);
    let mut message = peers::firing(7);

    eventually(Duration::from_secs(20), || async {
        deliver(&receiver, &message).await == Outcome::Delivered
    })
    .await;
    eventually(Duration::from_secs(20), || async {
        sent(&endpoint)
            .iter()
            .any(|(status, alert)| status == "firing" && alert["labels"]["device"] == "gewächshaus-1")
    })
    .await;

    // A device whose clock is ahead: nothing ends before it begins.
    let mut ahead = peers::firing(8);
    let since = peers::now().checked_add(SignedDuration::from_mins(4)).unwrap();
    ahead.change = AlertChange::Firing { since };
    ahead.alert.labels.insert("device".into(), "ahead".into());
    let attempt = Attempt { message: &ahead, now: peers::now(), tick: SignedDuration::from_secs(2) };
    assert_eq!(receiver.deliver(attempt).await, Outcome::Delivered);

    message.change = AlertChange::Resolved { since: message.change.since(), at: peers::now() };
    assert_eq!(deliver(&receiver, &message).await, Outcome::Delivered);
    eventually(Duration::from_secs(20), || async {
        sent(&endpoint)
            .iter()
            .any(|(status, alert)| status == "resolved" && alert["labels"]["alertname"] == "GreenhouseTooHot")
    })
    .await;
    assert!(receiver.needs_repeats());
}
