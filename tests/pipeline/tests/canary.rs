//! The canary by real processes: through the public address, the whole chain, to a ping outside; in each mode, whatever dies meanwhile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{Timestamp, ToSpan as _};
use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::{TestReceiver, eventually, free_port};
use topology::Mode;

const PIPELINE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
rules: {Any: {metric: canary, above: 0}}
receivers: {ops: {webhook: {url: {env: OPS_URL}}}}
canary:
  url: {env: PUBLIC_URL}
  secret: {env: CANARY_SECRET}
  ping: {success: {env: PING_URL}, failure: {env: PING_URL}}
network: {allow: [127.0.0.1]}
";
const START: &str = "2026-03-01T00:05:00Z";

struct Place {
    stand: Stand,
    outside: TestReceiver,
    start: Timestamp,
}

impl Place {
    async fn open(mode: Mode) -> Option<Self> {
        let outside = TestReceiver::start().await;
        let start: Timestamp = START.parse().unwrap();
        let mut plan = Plan::new(PIPELINE);
        plan.mode = mode;
        plan.clock = Some(start);
        plan.listen = ([127, 0, 0, 1], free_port()).into();
        plan.environment = vec![
            ("PUBLIC_URL".to_owned(), format!("http://{}", plan.listen)),
            ("CANARY_SECRET".to_owned(), "tweet-8b1f".to_owned()),
            ("PING_URL".to_owned(), outside.url("/ping")),
            ("OPS_URL".to_owned(), outside.url("/ops")),
        ];
        let place = Self { stand: Stand::up(plan).await?, outside, start };
        place.tick(0).await;
        Some(place)
    }

    async fn tick(&self, minute: i64) {
        self.stand.set_clock(self.start + minute.minutes());
        self.stand.tick().await;
    }

    async fn count(&self, of: &str) -> i64 {
        let sql = format!("select count(*) from {of}");
        self.stand.database().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Each run so far has come all the way, was stored once, and notified nobody but by its row.
    async fn have_passed(&self, runs: i64) {
        let passed =
            "canary_run where failure is null and delivered_at is not null and pinged_at is not null";
        eventually(PATIENCE, async || self.count(passed).await == runs).await;
        assert_eq!(self.count("canary_run").await, runs);
        assert_eq!(self.count("moment").await, 2 * runs);
        // A payload that is sent again has a receipt of its own.
        assert!(self.count("receipt where stored_at is not null").await >= runs);
        let delivered = "notification where receiver = 'freshet-canary' and status = 'delivered'";
        // The rule of the file watches it too.
        assert_eq!(self.count(delivered).await, 2 * runs);
        assert_eq!(self.count("notification where receiver <> 'freshet-canary'").await, 0);
        let came = self.outside.received();
        assert!(came.iter().all(|one| one.target == "/ping"), "{came:?}");
    }
}

async fn comes_all_the_way(mode: Mode) {
    let Some(place) = Place::open(mode).await else { return };
    place.tick(2).await;
    place.tick(7).await;
    place.have_passed(1).await;
    place.tick(62).await;
    place.tick(67).await;
    place.have_passed(2).await;
    assert_eq!(place.outside.received().len(), 2);
    place.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_comes_all_the_way_in_broker_mode() {
    comes_all_the_way(Mode::Broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_comes_all_the_way_in_direct_mode() {
    comes_all_the_way(Mode::Direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_run_whatever_dies_meanwhile() {
    let Some(place) = Place::open(Mode::Broker).await else { return };
    // The payload is sent twice, and its alert sent on by a second process.
    place.stand.crash_at("notify", "before-write");
    for (minute, point) in [(2, "before-write"), (7, "after-commit"), (12, "before-write")] {
        place.stand.crash_at("canary", point);
        place.tick(minute).await;
        eventually(PATIENCE, async || place.stand.has_crashed("canary", point)).await;
    }
    for minute in [17, 22, 27] {
        place.tick(minute).await;
    }
    assert!(place.stand.has_crashed("notify", "before-write"));
    place.have_passed(1).await;
    assert_eq!(place.count("job_slot where state = 'done' and attempts = 3").await, 1);
    place.stand.down().await;
}
