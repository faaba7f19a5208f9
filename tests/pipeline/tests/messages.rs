//! What receivers are sent: in order, once for each id, signed, retracted where it was untrue, and elsewhere where a receiver does not answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pipeline_tests::stand::{Plan, Stand};
use serde_json::Value;
use standardwebhooks::Webhook;
use testkit::Random;
use testkit::{Received, TestReceiver};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const START: &str = "2026-03-01T00:00:00Z";
const PIPELINE: &str = "
tick: 1m
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
    mapping: {items: /items, device: /device, time: /time, metrics: {temperature: /t}}
rules:
  Hot: {metric: temperature, above: 30, clear: 28}
  Warm: {metric: temperature, above: 20, for: 10m, select: {device: 'slow-*'}}
receivers:
  ops: {webhook: {url: {env: OPS_URL}, secret: {env: OPS_SECRET}}}
  spare: {webhook: {url: {env: SPARE_URL}, secret: {env: OPS_SECRET}}}
routes: [{to: [ops]}]
fallback: [spare]
network: {allow: [127.0.0.1]}
";

/// A pipeline, who listens, and what time it is.
struct World {
    stand: Stand,
    ops: TestReceiver,
    spare: TestReceiver,
    now: Timestamp,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn open(pipeline: &str) -> Option<Self> {
        let (ops, spare) = (TestReceiver::start().await, TestReceiver::start().await);
        let now = START.parse().unwrap();
        let mut plan = Plan::new(pipeline);
        plan.clock = Some(now);
        plan.environment = vec![
            ("OPS_URL".to_owned(), ops.url("/alerts")),
            ("OPS_SECRET".to_owned(), SECRET.to_owned()),
            ("SPARE_URL".to_owned(), spare.url("/alerts")),
            ("ALERTMANAGER_URL".to_owned(), ops.url("")),
        ];
        Some(Self { stand: Stand::up(plan).await?, ops, spare, now })
    }

    fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        self.stand.set_clock(self.now);
    }

    async fn tick_after(&mut self, time: SignedDuration) {
        self.pass(time);
        self.stand.tick().await;
    }

    /// One payload with these values, each at its distance from now in minutes.
    async fn measure(&self, device: &str, values: &[(i64, f64)]) {
        let item = |(minutes, t): &(i64, f64)| {
            let time = self.now.checked_add(SignedDuration::from_mins(*minutes)).unwrap();
            serde_json::json!({"device": device, "time": time.to_string(), "t": t})
        };
        let items: Vec<Value> = values.iter().map(item).collect();
        let body = serde_json::json!({ "items": items }).to_string();
        self.stand.post_until_taken("field", body.into_bytes()).await;
        self.stand.rest().await;
    }

    /// How many notifications have this status.
    async fn with_status(&self, status: &str) -> i64 {
        let sql = "select count(*) from notification where status = $1";
        self.stand.database().await.query_one(sql, &[&status]).await.unwrap().get(0)
    }
}

/// A message of a webhook.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    id: String,
    kind: String,
    key: String,
    since: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Message {
    /// Checks the signature with a library that is not ours.
    fn read(request: &Received) -> Self {
        let header = |name| request.header(name).unwrap_or_else(|| panic!("no {name}"));
        let timestamp = header("webhook-timestamp").parse().unwrap();
        let signature =
            Webhook::new(SECRET).unwrap().sign(header("webhook-id"), timestamp, &request.body).unwrap();
        assert_eq!(header("webhook-signature"), signature);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let time = |name: &str| body["data"][name].as_str().map(|text| text.parse().unwrap());
        Self {
            id: header("webhook-id").to_owned(),
            kind: body["type"].as_str().unwrap().to_owned(),
            key: body["data"]["key"].as_str().unwrap().to_owned(),
            since: time("since"),
            ended: time("ended_at"),
        }
    }
}

fn sent_to(receiver: &TestReceiver) -> Vec<Message> {
    receiver.received().iter().map(Message::read).collect()
}

fn kinds(receiver: &TestReceiver) -> Vec<String> {
    sent_to(receiver).into_iter().map(|message| message.kind).collect()
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn firing_never_comes_after_its_resolved_where_the_receiver_fails_now_and_then() {
    let Some(mut world) = World::open(PIPELINE).await else { return };
    let mut random = Random::new(7);
    let devices = ["a", "b", "c"];
    for _ in 0..40 {
        world.pass(MINUTE);
        world.ops.answer_next(
            (0..random.below(4)).map(|_| *[503, 200, 500].get(random.below(3) as usize).unwrap()),
        );
        for device in devices {
            if random.chance(2, 3) {
                world.measure(device, &[(0, if random.chance(1, 2) { 31.0 } else { 27.0 })]).await;
            }
        }
        world.stand.tick().await;
    }
    for _ in 0..6 {
        world.tick_after(MINUTE * 20).await;
    }
    assert_eq!((world.with_status("pending").await, world.with_status("failed").await), (0, 0));
    let all = sent_to(&world.ops);
    in_order(&all);
    one_id_for_each_message(&all);
    assert!(
        all.iter().any(|message| message.kind == "alert.passed"),
        "nothing was ever over before it was sent"
    );
    // What was said last of each alert is how it stands.
    let database = world.stand.database().await;
    let firing: i64 = database
        .query_one("select count(*) from alert_state where status = 'firing'", &[])
        .await
        .unwrap()
        .get(0);
    let last: BTreeMap<_, _> =
        all.iter().map(|message| (&message.key, message.kind == "alert.firing")).collect();
    assert_eq!(last.values().filter(|fires| **fires).count() as i64, firing);
    world.stand.down().await;
}

fn in_order(all: &[Message]) {
    let mut over: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for message in all {
        let began = message.since.expect("each of these alerts has a beginning");
        if message.kind == "alert.firing" {
            let over = over.get(message.key.as_str());
            assert!(over.is_none_or(|over| began > *over), "{message:?} came after its end");
        }
        over.entry(&message.key)
            .and_modify(|last| *last = (*last).max(message.ended.unwrap_or(*last)))
            .or_insert(message.ended.unwrap_or(Timestamp::MIN));
    }
}

/// A retry is known by its id, and no two messages share one.
fn one_id_for_each_message(all: &[Message]) {
    let messages: BTreeSet<_> =
        all.iter().map(|message| (&message.id, &message.kind, message.since, message.ended)).collect();
    let ids: BTreeSet<_> = all.iter().map(|message| &message.id).collect();
    let news: BTreeSet<_> =
        all.iter().map(|message| (&message.key, &message.kind, message.since, message.ended)).collect();
    assert_eq!((messages.len(), news.len()), (ids.len(), ids.len()));
    assert!(all.len() > ids.len(), "nothing was ever sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_was_over_before_it_was_sent_is_one_message() {
    let Some(mut world) = World::open(PIPELINE).await else { return };
    world.pass(MINUTE * 10);
    world.measure("batch", &[(-5, 31.0), (-2, 27.0)]).await;
    assert_eq!(kinds(&world.ops), ["alert.passed"]);

    world.ops.answer(503);
    world.measure("slowly", &[(0, 31.0)]).await;
    world.pass(MINUTE);
    world.ops.answer(200);
    world.measure("slowly", &[(0, 27.0)]).await;
    world.tick_after(MINUTE).await;
    assert_eq!(kinds(&world.ops), ["alert.passed", "alert.firing", "alert.passed"]);
    assert_eq!((world.with_status("delivered").await, world.with_status("superseded").await), (2, 2));
    world.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_late_data_made_untrue_is_retracted_where_it_was_notified() {
    let Some(mut world) = World::open(PIPELINE).await else { return };
    world.pass(MINUTE * 20);
    world.measure("slow-1", &[(-12, 25.0), (0, 25.0)]).await;
    assert_eq!(kinds(&world.ops), ["alert.firing"]);
    world.measure("slow-1", &[(-6, 15.0)]).await;
    let all = sent_to(&world.ops);
    assert_eq!(
        all.iter().map(|message| message.kind.as_str()).collect::<Vec<_>>(),
        ["alert.firing", "alert.retracted"]
    );
    assert_eq!(all[0].key, all[1].key);
    world.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_is_notified_after_an_hour_and_the_receiver_is_tried_for_a_day() {
    let Some(mut world) = World::open(PIPELINE).await else { return };
    world.ops.answer(503);
    world.measure("far", &[(0, 31.0)]).await;
    world.tick_after(MINUTE * 50).await;
    assert_eq!(kinds(&world.spare), [""; 0], "the fallback was sent it before its time");
    for _ in 0..22 {
        world.tick_after(MINUTE * 60).await;
        assert_eq!(kinds(&world.spare), ["alert.firing"]);
    }
    assert_eq!(world.with_status("failed").await, 0, "it was given up before its day was over");
    for _ in 0..3 {
        world.tick_after(MINUTE * 60).await;
    }
    assert_eq!(kinds(&world.spare), ["alert.firing"]);
    let ids: BTreeSet<_> = sent_to(&world.ops).into_iter().map(|message| message.id).collect();
    assert_eq!((ids.len(), world.with_status("failed").await), (1, 1));
    assert!(world.ops.received().len() > 20);

    // Who was sent the beginning is sent the end.
    world.ops.answer(200);
    world.measure("far", &[(0, 27.0)]).await;
    world.tick_after(MINUTE).await;
    assert_eq!(kinds(&world.spare), ["alert.firing", "alert.resolved"]);
    world.stand.down().await;
}

const ALERTMANAGER: &str = "
tick: 1m
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
    mapping: {items: /items, device: /device, time: /time, metrics: {temperature: /t}}
rules:
  Hot: {metric: temperature, above: 30, clear: 28}
receivers:
  prometheus: {alertmanager: {url: {env: ALERTMANAGER_URL}}}
network: {allow: [127.0.0.1]}
";

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_is_sent_a_firing_alert_at_every_tick_until_it_is_over() {
    let Some(mut world) = World::open(ALERTMANAGER).await else { return };
    world.measure("d", &[(0, 31.0)]).await;
    let began = world.now;
    let mut ends = vec![began + MINUTE * 3];
    for _ in 0..5 {
        world.tick_after(MINUTE).await;
        ends.push(world.now + MINUTE * 3);
    }
    world.pass(MINUTE);
    world.measure("d", &[(0, 27.0)]).await;
    ends.push(world.now);
    for _ in 0..3 {
        world.tick_after(MINUTE).await;
    }
    let time = |alert: &Value, name: &str| alert[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let alerts: Vec<Value> = world
        .ops
        .received()
        .iter()
        .map(|request| {
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/v2/alerts"));
            serde_json::from_slice::<Vec<Value>>(&request.body).unwrap().remove(0)
        })
        .collect();
    assert_eq!(alerts.iter().map(|alert| time(alert, "endsAt")).collect::<Vec<_>>(), ends);
    assert!(alerts.iter().all(|alert| time(alert, "startsAt") == began));
    assert!(
        alerts
            .iter()
            .all(|alert| alert["labels"] == alerts[0]["labels"] && alert["labels"]["alertname"] == "Hot")
    );
    world.stand.down().await;
}
