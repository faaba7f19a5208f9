//! A farm on a simulated day, whose database and Broker go away and come back.

use jiff::{SignedDuration, Timestamp};
use knative_local::{Config, TriggerStats};

use crate::farm::Farm;
use crate::traffic::payloads;
use testkit::Random;
use topology::Mode;

/// The time between two ticks.
pub const TICK: SignedDuration = SignedDuration::from_mins(5);
const START: &str = "2026-03-01T00:00:00Z";
const DEVICES: u64 = 3;

/// A farm and the time of its day.
pub struct Outage {
    /// The farm.
    pub farm: Farm,
    random: Random,
    now: Timestamp,
}

impl Outage {
    /// `None` where PostgreSQL is not installed; `seed` is that of the payloads.
    pub async fn open(mode: Mode, seed: u64, adjust: fn(&mut Config)) -> Option<Self> {
        let now: Timestamp = START.parse().expect("the start is a time");
        let farm = Farm::open(mode, 1, (Some(now), adjust)).await?;
        Some(Self { farm, random: Random::new(seed), now })
    }

    /// Some time later there is a tick.
    ///
    /// # Panics
    /// Where the Broker does not take it.
    pub async fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).expect("the day has an end");
        self.farm.stand.set_clock(self.now);
        self.farm.stand.running.tick("tick").await.expect("the broker takes a tick");
    }

    /// Posts four payloads of the last minute.
    ///
    /// # Panics
    /// Where one of them is not accepted.
    pub async fn post(&mut self) {
        let before = self.farm.accepted();
        let from = self.now.as_microsecond() - 60_000_000;
        self.farm.post(payloads(&mut self.random, 4, DEVICES, from)).await;
        assert_eq!(self.farm.accepted(), before + 4);
    }

    /// What became of payloads so far.
    pub fn payloads(&self) -> TriggerStats {
        self.farm.stand.running.stats().triggers[topology::PAYLOADS.name]
    }

    /// The database is killed.
    ///
    /// # Panics
    /// Where it cannot be.
    pub fn database_goes(&mut self) {
        self.farm.stand.postgres.instance.kill().expect("a process can be killed");
    }

    /// The database is there again.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn database_is_back(&mut self) {
        let server = &mut self.farm.stand.postgres.instance;
        tokio::task::block_in_place(|| server.restart()).expect("the database starts again");
    }

    /// How many rows of `of`, a table with its condition, there are.
    ///
    /// # Panics
    /// Where the database does not answer.
    pub async fn count(&self, of: &str) -> i64 {
        let sql = format!("select count(*) from {of}");
        let row = self.farm.stand.database().await.query_one(&sql, &[]).await;
        row.expect("the database counts").get(0)
    }

    /// Nobody was, not even for a moment.
    ///
    /// # Panics
    /// Where a device was reported silent.
    pub async fn nobody_was_silent(&self) {
        let count = self.count("alert_transition where rule = 'Silent'").await;
        assert_eq!(count, 0, "somebody was reported silent");
    }
}
