//! The broker as a process, killed with SIGKILL.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use knative_local::{Config, Subscriber, TriggerSpec};
use testkit::eventually;

use crate::setup::{BUDGET, Event, Setup, example, service};

struct BrokerProcess {
    child: Child,
    broker: String,
    control: String,
}

impl BrokerProcess {
    fn start(setup: &Setup, config: &Config) -> Self {
        let path = setup.path("config.json");
        std::fs::write(&path, serde_json::to_vec(config).unwrap()).unwrap();
        let mut child =
            Command::new(example("knative-local")).arg(path).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| addresses[name].as_str().unwrap().to_owned();
        Self { broker: text("broker"), control: text("control"), child }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn get(&self, setup: &Setup, path: &str) -> serde_json::Value {
        let answer = setup.client.get(format!("{}/{path}", self.control)).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        // One that was killed already needs no second time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(setup: &Setup) -> Config {
    let mut config = setup.config();
    config.control = Some("127.0.0.1:0".parse().unwrap());
    config.commit_interval = Duration::from_secs(5);
    let mut stage = service("stage");
    stage.env.insert("SEEN_FILE".to_owned(), setup.path("seen").display().to_string());
    stage.idle = Duration::from_secs(60);
    config.services = vec![stage];
    config.triggers = vec![TriggerSpec::new("t", Subscriber::Service("stage".to_owned()))];
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_every_accepted_event_is_delivered_and_no_process_is_left() {
    let setup = Setup::new();
    let mut accepted = BTreeSet::new();
    let mut left = Vec::new();
    for round in 0..3 {
        let mut broker = BrokerProcess::start(&setup, &config(&setup));
        let ids: Vec<_> = (0..60).map(|id| format!("{round}-{id}")).collect();
        let posts = ids.iter().map(|id| async {
            assert_eq!(setup.post(&broker.broker, &Event::new(id)).await, 202);
        });
        futures_util::future::join_all(posts).await;
        accepted.extend(ids);
        let services = broker.get(&setup, "services").await;
        left.extend(services["stage"]["pids"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()));
        broker.kill();
    }
    let broker = BrokerProcess::start(&setup, &config(&setup));
    eventually(BUDGET, || async { broker.get(&setup, "quiet").await == true }).await;
    assert_eq!(setup.seen("seen").into_iter().collect::<BTreeSet<_>>(), accepted);
    for pid in left {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains("K_SERVICE=stage"), "{pid} still runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_point_after_the_answer_kills_the_broker_once() {
    let setup = Setup::new();
    let crash_dir = setup.path("crash");
    std::fs::create_dir(&crash_dir).unwrap();
    std::fs::write(crash_dir.join("after-answer"), "").unwrap();
    let config = Config { crash_dir: Some(crash_dir.clone()), ..config(&setup) };
    let mut broker = BrokerProcess::start(&setup, &config);
    assert_eq!(setup.post(&broker.broker, &Event::new("1")).await, 202);
    let status = broker.child.wait().unwrap();
    assert!(!status.success());
    assert!(!crash_dir.join("after-answer").exists());

    let broker = BrokerProcess::start(&setup, &config);
    eventually(BUDGET, || async { broker.get(&setup, "quiet").await == true }).await;
    assert_eq!(setup.seen("seen"), ["1", "1"]);
}
