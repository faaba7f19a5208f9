//! `kill -9` at each named point of each stage and of the broker: what was under way is done again, and only once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use pipeline_tests::checker::Answer;
use pipeline_tests::farm::{Farm, patient};
use pipeline_tests::stand::PATIENCE;
use pipeline_tests::traffic::{Item, Payload};
use runtime::Clock;
use testkit::eventually;
use topology::Mode;

/// A farm, and a device whose alert begins or ends with each payload.
struct Field {
    farm: Farm,
    start: Timestamp,
    count: i64,
}

impl Field {
    async fn open() -> Option<Self> {
        Self::open_in(Mode::Broker).await
    }

    async fn open_in(mode: Mode) -> Option<Self> {
        let farm = Farm::open(mode, 1, (None, patient)).await?;
        let start = Clock::system().now();
        Some(Self { farm, start, count: 0 })
    }

    /// One reading that begins or ends the alert, and one item that makes no sense.
    fn next(&mut self) -> Payload {
        self.count += 1;
        let time = self.start.as_microsecond() + (self.count - 100) * 1_000_000;
        let temperature = if self.count % 2 == 1 { 35.0 } else { 20.0 };
        let item = |temperature, time| Item { device: "d".to_owned(), time, temperature, humidity: 50.0 };
        Payload {
            mark: format!("mark-{}", self.count),
            items: vec![item(Some(temperature), time), item(None, time + 1)],
        }
    }

    async fn post_next(&mut self) {
        let payload = self.next();
        self.farm.post(vec![payload]).await;
    }

    /// A payload while `stage` dies at `point`; afterwards everything holds, and the alert went on.
    async fn outlives(&mut self, stage: &str, point: &str) {
        self.farm.stand.crash_at(stage, point);
        self.post_next().await;
        eventually(PATIENCE, || async { self.farm.stand.has_crashed(stage, point) }).await;
        self.farm.settles().await;
        assert_eq!(self.transitions().await, self.count, "after the crash of {stage} at {point}");
    }

    async fn transitions(&self) -> i64 {
        let database = self.farm.stand.database().await;
        database.query_one("select count(*) from alert_transition", &[]).await.unwrap().get(0)
    }

    /// Cause, deliveries and times sent back of each payload that went to the dead letter sink.
    async fn dead_letters(&self) -> Vec<(String, i32, i32)> {
        let database = self.farm.stand.database().await;
        let sql = "select cause, deliveries, replays from dead_letter where reason like 'transform %'";
        let rows = database.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// Payloads whose whole retry schedule passes without a database.
    async fn lose_the_database_for(&mut self, payloads: u64) {
        let dead = || self.farm.stand.running.stats().triggers["transform-payloads"].dead_lettered;
        let wanted = dead() + payloads;
        self.farm.stand.postgres.instance.kill().unwrap();
        for _ in 0..payloads {
            self.post_next().await;
        }
        let running = &self.farm.stand.running;
        eventually(PATIENCE, || async {
            running.stats().triggers["transform-payloads"].dead_lettered >= wanted
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_outlives_transform_before_and_after_its_commit() {
    let Some(mut field) = Field::open().await else { return };
    field.outlives("transform", "before-write").await;
    field.outlives("transform", "after-commit").await;
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_outlives_alert_before_and_after_its_commit() {
    let Some(mut field) = Field::open().await else { return };
    field.outlives("alert", "before-write").await;
    field.outlives("alert", "after-commit").await;
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_one_row_and_one_id_wherever_notify_dies() {
    let Some(mut field) = Field::open().await else { return };
    for (point, times) in [("before-write", 1), ("after-send", 2), ("after-commit", 1)] {
        let before = field.farm.ops.received().len();
        field.outlives("notify", point).await;
        let received = field.farm.ops.received();
        let ids: Vec<_> =
            received[before..].iter().map(|message| message.header("webhook-id").unwrap()).collect();
        assert_eq!(ids.len(), times, "{point}: {ids:?}");
        assert!(ids.iter().all(|id| *id == ids[0]), "{point}: {ids:?}");
    }
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_outlives_ingest() {
    let Some(mut field) = Field::open().await else { return };
    // Before it is queued its sender has no answer, and a sender would come again.
    field.farm.stand.crash_at("ingest", "before-write");
    let payload = field.next();
    assert_eq!(field.farm.stand.post("field", payload.body()).await, Some(502));
    // The answer can come before the end of the process is seen; a request then would meet nobody.
    let running = &field.farm.stand.running;
    eventually(PATIENCE, || async { running.stats().services["ingest"].processes == 0 }).await;
    field.farm.post(vec![payload]).await;
    field.farm.settles().await;
    assert_eq!(field.farm.accepted(), 1);
    field.outlives("ingest", "after-commit").await;
    assert_eq!(field.farm.accepted(), 1);
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_direct_mode_a_payload_outlives_ingest_before_and_after_its_commit() {
    let Some(mut field) = Field::open_in(Mode::Direct).await else { return };
    for point in ["before-write", "after-commit"] {
        field.farm.stand.crash_at("ingest", point);
        let mut payload = field.next();
        // Two requests with an item that makes no sense are two dead letters.
        payload.items.truncate(1);
        assert_eq!(field.farm.stand.post("field", payload.body()).await, None, "{point}");
        // Without an answer a sender comes again; its readings are there already, where they were committed.
        field.farm.stand.post_until_taken("field", payload.body()).await;
        field.farm.sent.push((payload, Answer::Accepted));
        field.farm.settles().await;
        assert_eq!(field.transitions().await, field.count, "after the crash at {point}");
    }
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_outlives_its_keeper() {
    let Some(mut field) = Field::open().await else { return };
    field.post_next().await;
    field.farm.settles().await;
    field.lose_the_database_for(1).await;
    field.farm.stand.crash_at("dead-letter", "after-commit");
    tokio::task::block_in_place(|| field.farm.stand.postgres.instance.restart()).unwrap();
    eventually(PATIENCE, || async { field.farm.stand.has_crashed("dead-letter", "after-commit") }).await;
    field.farm.stand.rest().await;
    // Delivered again after the crash: the same dead letter, counted.
    assert_eq!(field.dead_letters().await, [("unavailable".to_owned(), 2, 0)]);

    // The first delivery of what is due ends before it is sent back, the second after that was recorded.
    let points = ["before-write", "after-commit"];
    points.iter().for_each(|point| field.farm.stand.crash_at("dead-letter", point));
    field.farm.stand.tick().await;
    for point in points {
        assert!(field.farm.stand.has_crashed("dead-letter", point), "{point}");
    }
    field.farm.settles().await;
    assert_eq!(field.transitions().await, 2);
    field.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_again_where_the_broker_dies_between_a_reply_and_its_acknowledgement() {
    let Some(mut field) = Field::open().await else { return };
    for _ in 0..3 {
        // The answers of transform, alert and notify come in turn; each may be the one that is not kept.
        field.farm.stand.running.faults().crash_after_next_answer();
        field.post_next().await;
        field.farm.stand.rest().await;
        field.farm.stand.running.faults().crash();
        field.farm.settles().await;
        assert_eq!(field.transitions().await, field.count);
        assert_eq!(field.farm.ops.received().len() as i64, field.count);
    }
    field.farm.stand.down().await;
}
