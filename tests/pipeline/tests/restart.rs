//! The state of rules is rows: it outlives processes, scale to zero, and a crash of PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{Timestamp, ToSpan};
use pipeline_tests::oracle::stored;
use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::eventually;
use topology::Mode;

const PIPELINE: &str = "
tick: 5m
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
rules:
  Warm: {metric: temperature, above: 30, clear: 28, for: 10m}
  Hot: {metric: temperature, above: 35, clear: 33}
  Falls: {metric: temperature, rate_of_change: {above: 5, per: 10m, direction: falling}}
";
const START: &str = "2026-03-01T00:00:00Z";

/// Those that run without a Kafka.
const MODES: [Mode; 2] = [Mode::Broker, Mode::Direct];

struct Place {
    mode: Mode,
    stand: Stand,
    start: Timestamp,
}

impl Place {
    async fn open(mode: Mode) -> Option<Self> {
        let start = START.parse().unwrap();
        let mut plan = Plan::new(PIPELINE);
        (plan.mode, plan.clock) = (mode, Some(start));
        Some(Self { mode, stand: Stand::up(plan).await?, start })
    }

    fn clock(&self, minute: i64) {
        self.stand.set_clock(self.start + minute.minutes());
    }

    async fn measure(&self, minute: i64, value: f64) {
        self.clock(minute);
        let time = self.start + minute.minutes();
        let body = format!(r#"{{"device": "d", "time": "{time}", "temperature": {value}}}"#);
        self.stand.post_until_taken("field", body.into_bytes()).await;
        self.stand.rest().await;
    }

    async fn tick(&self, minute: i64) {
        self.clock(minute);
        self.stand.tick().await;
    }

    /// What `rule` did, in minutes.
    async fn did(&self, rule: &str) -> Vec<(bool, i64)> {
        let all = stored(&self.stand.database().await).await.unwrap();
        let of = all.get(&(rule.to_owned(), "d".to_owned())).cloned().unwrap_or_default();
        let start = self.start.as_microsecond();
        of.into_iter().map(|(fires, at)| (fires, (at - start) / 60_000_000)).collect()
    }

    /// Waits until `rule` did this: in direct mode what asks for its evaluation leaves after the answer.
    async fn comes_to(&self, rule: &str, expected: &[(bool, i64)]) {
        eventually(PATIENCE, || async {
            let did = self.did(rule).await;
            if did == expected { Ok(()) } else { Err(did) }
        })
        .await;
    }

    async fn scaled_to_zero(&self) {
        let running = |stage: &str| self.stand.running.stats().services[stage].processes > 0;
        // In direct mode nothing stands before `ingest` that would start it.
        let stages = ["transform", "alert", "notify"].into_iter();
        let stages: Vec<_> = stages.chain((self.mode == Mode::Broker).then_some("ingest")).collect();
        eventually(PATIENCE, || async { !stages.iter().any(|stage| running(stage)) }).await;
    }

    fn kill_all(&self) {
        for stage in ["ingest", "transform", "alert", "notify"] {
            self.stand.running.kill(stage);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_time_that_ends_while_nothing_runs_is_decided_on_the_heartbeat() {
    for mode in MODES {
        let Some(place) = Place::open(mode).await else { return };
        place.measure(1, 31.0).await;
        place.scaled_to_zero().await;
        place.tick(6).await;
        assert_eq!(place.did("Warm").await, []);
        place.scaled_to_zero().await;
        place.tick(11).await;
        place.comes_to("Warm", &[(true, 11)]).await;
        place.scaled_to_zero().await;
        // Still above the clear threshold: only a process that forgot would end or begin anything.
        place.measure(14, 29.0).await;
        place.comes_to("Warm", &[(true, 11)]).await;
        place.measure(15, 28.0).await;
        place.comes_to("Warm", &[(true, 11), (false, 15)]).await;
        place.stand.down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_times_hysteresis_and_rates_outlive_killed_processes_and_a_crash_of_the_database() {
    for mode in MODES {
        let Some(mut place) = Place::open(mode).await else { return };
        place.measure(1, 36.0).await;
        place.kill_all();
        // No longer above the threshold, but above where it ends.
        place.measure(4, 35.0).await;
        place.comes_to("Hot", &[(true, 1)]).await;
        place.stand.postgres.instance.kill().unwrap();
        place.stand.postgres.instance.restart().unwrap();
        place.kill_all();
        place.tick(8).await;
        assert_eq!(place.did("Warm").await, []);
        place.tick(12).await;
        place.comes_to("Warm", &[(true, 11)]).await;
        place.kill_all();
        // From 35 to 27 in ten minutes: the reading before it was seen by a process that is gone.
        place.measure(14, 27.0).await;
        place.comes_to("Hot", &[(true, 1), (false, 14)]).await;
        place.comes_to("Warm", &[(true, 11), (false, 14)]).await;
        place.comes_to("Falls", &[(true, 14)]).await;
        place.stand.down().await;
    }
}
