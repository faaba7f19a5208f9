//! Sections 4.2 to 4.5: processes on demand.

use std::time::Duration;

use knative_local::{
    Config, LocalKnative, Rule, Running, ServiceSpec, StartError, Subscriber, TriggerSpec, service_url,
};
use testkit::eventually;

use crate::setup::{BUDGET, Event, Setup, example, quiet, rules, service, start};

fn processes(running: &Running, name: &str) -> u32 {
    running.stats().services[name].processes
}

async fn at_zero(running: &Running, name: &str) {
    eventually(BUDGET, || async { processes(running, name) == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_from_zero_to_one_to_zero() {
    let setup = Setup::new();
    let mut config = setup.config();
    config.services = vec![service("hello")];
    let running = start(config).await;
    let url = running.service_url("hello").unwrap();
    assert_eq!(processes(&running, "hello"), 0);
    let text =
        setup.client.post(format!("{url}/a?b=c")).body("12345").send().await.unwrap().text().await.unwrap();
    let port = text.strip_prefix("/a?b=c PORT=").and_then(|text| text.split(' ').next()).unwrap_or_default();
    assert!((20_000..30_000).contains(&port.parse().unwrap()), "{text}");
    assert!(text.contains("K_SERVICE=hello K_CONFIGURATION=hello K_REVISION=hello-"), "{text}");
    assert!(text.ends_with("NEXT= 5"), "{text}");
    assert_eq!(processes(&running, "hello"), 1);
    at_zero(&running, "hello").await;
    setup.client.get(&url).send().await.unwrap();
    let stats = running.stats().services["hello"];
    assert_eq!((stats.starts, stats.requests, stats.errors), (2, 2, 0));
    assert!(stats.last_cold_start_ms > 0.0 && stats.process_seconds > 0.2);
    assert_eq!(rules(&running.violations()), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_the_start_and_share_one_process() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut slow = service("slow");
    slow.env.insert("START_DELAY_MS".to_owned(), "300".to_owned());
    slow.max_scale = 5;
    slow.container_concurrency = 20;
    config.services = vec![slow];
    let running = start(config).await;
    let url = running.service_url("slow").unwrap();
    let answers = (0..10).map(|_| async { setup.client.get(&url).send().await.unwrap().status().as_u16() });
    assert_eq!(futures_util::future::join_all(answers).await, [200; 10]);
    assert_eq!(running.stats().services["slow"].starts, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_concurrency_waits_and_the_rest_is_503() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut narrow = service("narrow");
    narrow.container_concurrency = 1;
    narrow.env.insert("ANSWER_DELAY_MS".to_owned(), "100".to_owned());
    narrow.min_scale = 1;
    config.services = vec![narrow];
    let running = start(config).await;
    eventually(BUDGET, || async { running.pids("narrow").len() == 1 }).await;
    let url = running.service_url("narrow").unwrap();
    let answers = (0..20).map(|_| async { setup.client.get(&url).send().await.unwrap().status().as_u16() });
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 11);
    assert_eq!(answers.iter().filter(|status| **status == 503).count(), 9);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_load_starts_more_processes_up_to_max_scale() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut wide = service("wide");
    wide.container_concurrency = 2;
    wide.max_scale = 3;
    wide.env.insert("ANSWER_DELAY_MS".to_owned(), "400".to_owned());
    config.services = vec![wide];
    let running = start(config).await;
    let url = running.service_url("wide").unwrap();
    let answers = (0..20).map(|_| async { setup.client.get(&url).send().await.unwrap().status().as_u16() });
    assert_eq!(futures_util::future::join_all(answers).await, [200; 20]);
    assert_eq!(running.stats().services["wide"].starts, 3);
    at_zero(&running, "wide").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_out_includes_the_start() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut late = service("late");
    late.env.insert("START_DELAY_MS".to_owned(), "2000".to_owned());
    late.timeout = Duration::from_millis(300);
    config.services = vec![late];
    config.start_limit = Duration::from_millis(1000);
    let running = start(config).await;
    let url = running.service_url("late").unwrap();
    assert_eq!(setup.client.get(&url).send().await.unwrap().status(), 504);
    eventually(BUDGET, || async { rules(&running.violations()) == [Rule::ListensInTime] }).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_is_replaced() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut mortal = service("mortal");
    mortal.env.insert("ANSWER_DELAY_MS".to_owned(), "200".to_owned());
    config.services = vec![mortal];
    let running = start(config).await;
    let url = running.service_url("mortal").unwrap();
    let answer = setup.client.get(&url).send();
    let (answer, ()) = tokio::join!(answer, async {
        eventually(BUDGET, || async { running.stats().services["mortal"].in_flight == 1 }).await;
        eventually(BUDGET, || async { running.pids("mortal").len() == 1 }).await;
        running.kill("mortal");
    });
    assert_eq!(answer.unwrap().status(), 502);
    // Its connections end a moment before its end is seen.
    eventually(BUDGET, || async { running.pids("mortal").is_empty() }).await;
    assert_eq!(setup.client.get(&url).send().await.unwrap().status(), 200);
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_with_its_process_even_where_its_connection_stays() {
    let setup = Setup::new();
    let mut config = setup.config();
    config.services = vec![ServiceSpec::new("heir", example("bequeath"))];
    let running = start(config).await;
    let url = running.service_url("heir").unwrap();
    let answer = setup.client.post(&url).body("for whom?").send().await.unwrap();
    assert_eq!(answer.status(), 502, "not 504 after the time-out");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ignores_sigterm_is_killed_and_noted() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut deaf = service("deaf");
    deaf.env.insert("DEAF".to_owned(), "1".to_owned());
    deaf.timeout = Duration::from_millis(300);
    config.services = vec![deaf];
    let running = start(config).await;
    setup.client.get(running.service_url("deaf").unwrap()).send().await.unwrap();
    at_zero(&running, "deaf").await;
    assert_eq!(rules(&running.violations()), [Rule::EndsOnSigterm]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_tried_again_and_the_request_times_out() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut broken = service("broken");
    broken.env.insert("FAIL".to_owned(), "78".to_owned());
    broken.timeout = Duration::from_millis(900);
    config.services = vec![broken];
    let running = start(config).await;
    let url = running.service_url("broken").unwrap();
    assert_eq!(setup.client.get(&url).send().await.unwrap().status(), 504);
    let starts = running.stats().services["broken"].starts;
    assert!((2..20).contains(&starts), "{starts} starts");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_wakes_its_service_and_a_stop_leaves_nothing_running() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut stage = service("stage");
    stage.env.insert("SEEN_FILE".to_owned(), setup.path("seen").display().to_string());
    stage.idle = BUDGET;
    config.services = vec![stage];
    config.triggers = vec![TriggerSpec::new("t", Subscriber::Service("stage".to_owned()))];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    assert_eq!(setup.seen("seen"), ["1"]);
    let pid = running.pids("stage")[0];
    running.stop().await;
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_nothing_running_that_was_just_starting() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut late = service("late");
    late.env.insert("START_DELAY_MS".to_owned(), "60000".to_owned());
    let list = config.state_dir.join("processes");
    config.services = vec![late];
    let running = start(config).await;
    let url = running.service_url("late").unwrap();
    let request = tokio::spawn(setup.client.get(&url).send());
    eventually(BUDGET, || async { running.stats().services["late"].starts == 1 }).await;
    let listed: Vec<_> = std::fs::read_dir(list).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let [revision] = &listed[..] else { panic!("{listed:?}") };
    let revision = revision.to_str().unwrap();
    eventually(BUDGET, || async { runs(revision) }).await;
    running.stop().await;
    assert!(!runs(revision));
    request.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_broker_left_running_is_killed_by_the_next() {
    let setup = Setup::new();
    let config = setup.config();
    let list = config.state_dir.join("processes");
    std::fs::create_dir_all(&list).unwrap();
    let [listed, another] =
        ["left", "another"].map(|name| format!("{name}-{}", setup.folder.path().display()).replace('/', "-"));
    std::fs::write(list.join(&listed), "").unwrap();
    let start_process = |revision: &str| {
        let mut command = std::process::Command::new("sleep");
        command.arg("1000").env("K_REVISION", revision).spawn().unwrap()
    };
    let (mut left, mut stranger) = (start_process(&listed), start_process(&another));
    eventually(BUDGET, || async { runs(&listed) && runs(&another) }).await;
    let running = start(config).await;
    eventually(BUDGET, || async { !runs(&listed) }).await;
    left.wait().unwrap();
    assert!(stranger.try_wait().unwrap().is_none());
    assert_eq!(std::fs::read_dir(list).unwrap().count(), 0);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    running.stop().await;
}

/// Whether there is a process with this `K_REVISION`.
fn runs(revision: &str) -> bool {
    let variable = format!("K_REVISION={revision}\0");
    std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&variable)
    })
}

/// A broker with one service, which listens by itself, and that service.
fn exposed(setup: &Setup) -> (Config, ServiceSpec) {
    let mut door = service("door");
    door.exposed = true;
    door.listen.set_port(testkit::free_port());
    (Config { services: vec![door.clone()], ..setup.config() }, door)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exposed_service_runs_from_the_start_listens_by_itself_and_is_replaced_when_it_dies() {
    let setup = Setup::new();
    let (config, door) = exposed(&setup);
    let running = start(config.clone()).await;
    let url = format!("http://{}/a", door.listen);
    assert_eq!(running.service_url("door").as_deref(), url.strip_suffix("/a"));
    let answer = async || setup.client.get(&url).send().await.map(|answer| answer.status().as_u16());
    assert_eq!(answer().await.unwrap(), 200);
    assert_eq!(running.stats().services["door"].requests, 0, "nothing stands before it");
    let pid = running.pids("door")[0];
    running.kill("door");
    eventually(BUDGET, || async { running.pids("door").first().is_some_and(|new| *new != pid) }).await;
    assert_eq!(answer().await.unwrap(), 200);
    running.stop().await;
    assert!(answer().await.is_err());

    // What is left of the connections that the door closed keeps nobody from its address.
    let again = start(config.clone()).await;
    assert_eq!(answer().await.unwrap(), 200);
    again.stop().await;

    let _taken = std::net::TcpListener::bind(door.listen).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let refused = LocalKnative::start(config, std::sync::Arc::new(move || now)).await;
    assert!(matches!(refused, Err(StartError::Io { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_a_killed_broker_left_taken_is_waited_for() {
    let setup = Setup::new();
    let (config, door) = exposed(&setup);
    let list = config.state_dir.join("processes");
    std::fs::create_dir_all(&list).unwrap();
    std::fs::write(list.join("door-of-a-killed-broker"), "").unwrap();
    let taken = std::net::TcpListener::bind(door.listen).unwrap();
    let starting = tokio::spawn(start(config));
    eventually(BUDGET, || async { std::fs::read_dir(&list).unwrap().next().is_none() }).await;
    drop(taken);
    let running = starting.await.unwrap();
    let url = format!("http://{}/a", door.listen);
    assert_eq!(setup.client.get(&url).send().await.unwrap().status(), 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_at_the_address_of_another_starts_it_and_is_no_request() {
    let setup = Setup::new();
    let mut config = setup.config();
    let mut first = service("first");
    first.env.insert("NEXT".to_owned(), format!("{}/x", service_url("second")));
    config.services = vec![first, service("second")];
    let running = start(config).await;
    let first = running.service_url("first").unwrap();
    let text = setup.client.get(&first).send().await.unwrap().text().await.unwrap();
    let second = running.service_url("second").unwrap();
    assert!(text.ends_with(&format!("NEXT={second}/x 0")), "{text}");
    assert_eq!(setup.client.get(format!("{second}/healthz")).send().await.unwrap().status(), 200);
    let woken = running.stats().services["second"];
    assert_eq!((woken.starts, woken.woken, woken.requests), (1, 1, 0));
    let asked = running.stats().services["first"];
    assert_eq!((asked.starts, asked.woken, asked.requests), (1, 0, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_led_a_browser_to_reaches_public_services_only() {
    let setup = Setup::new();
    let mut config = setup.config();
    config.services = vec![service("own"), ServiceSpec { public: true, ..service("public") }];
    let running = start(config).await;
    let broker = running.broker_url();
    let (own, public) = (running.service_url("own").unwrap(), running.service_url("public").unwrap());
    let port = own.rsplit(':').next().unwrap();
    let status = async |url: &str, name: &str, value: &str| {
        setup.client.post(url).header(name, value).body("x").send().await.unwrap().status().as_u16()
    };
    for (name, value) in [
        ("host", "evil.example"),
        ("host", &format!("evil.example:{port}")),
        ("origin", "https://evil.example"),
    ] {
        assert_eq!(status(&own, name, value).await, 421, "{name}: {value}");
        assert_eq!(status(&broker, name, value).await, 421, "{name}: {value}");
        assert_eq!(status(&public, name, value).await, 200, "{name}: {value}");
    }
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "LOCALHOST".into(),
    ] {
        assert_eq!(status(&own, "host", &host).await, 200, "{host}");
    }
    running.stop().await;
}
