//! The canary while its processes die, whatever they are doing, its requests are refused or their answers lost, and slots come while others wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runtime::Deadline;
use testkit::Random;

use crate::world::{SLOT, World};

/// Slots of a seed.
const SLOTS: i64 = 4;
/// Ticks after which each of them must be over.
const TICKS: u32 = 200;

/// Each slot has one run, its payload is one payload however often it is sent, what it came to is so in rows, and nobody outside is told of
/// success where there was none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_slot_has_one_run_whatever_dies() {
    let seeds = std::env::var("FRESHET_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(5_u64);
    for seed in 1..=seeds {
        let Some(world) = World::start().await else { return };
        Seed { world, numbers: Random::new(seed), statuses: Vec::new(), arrived: BTreeSet::new(), killed: 0 }
            .hold(seed)
            .await;
    }
}

struct Seed {
    world: World,
    numbers: Random,
    /// What each request outside is answered with, in order.
    statuses: Vec<u16>,
    /// Slots whose payloads came all the way.
    arrived: BTreeSet<Timestamp>,
    killed: usize,
}

impl Seed {
    async fn hold(mut self, seed: u64) {
        // Taken, refused for now, and taken though the answer says otherwise.
        self.statuses = (0..10_000).map(|_| *self.numbers.one_of(&[202, 202, 202, 503, 504])).collect();
        self.world.outside.answer_next(self.statuses.iter().copied());
        let first: Timestamp = SLOT.parse().unwrap();
        let mut slots = 1;
        for tick in 0.. {
            assert!(tick < TICKS, "seed {seed}: a slot is not over");
            let clock = &self.world.runner.clock;
            clock.set(clock.now() + SignedDuration::from_mins(1 + self.numbers.below(6) as i64));
            if slots < SLOTS && self.numbers.chance(1, 6) {
                let slot = first + SignedDuration::from_hours(slots);
                clock.set(clock.now().max(slot));
                let sql = "insert into job_slot (job, slot) values ('canary', $1) on conflict do nothing";
                self.world.client.execute(sql, &[&slot]).await.unwrap();
                slots += 1;
            }
            self.tick().await;
            self.arrive().await;
            let open: i64 = self.world.one("select count(*) from job_slot where state = 'open'").await;
            if open == 0 && slots == SLOTS {
                break;
            }
        }
        self.check(seed).await;
    }

    /// Two processes at once, each of which may die at whatever it is doing.
    async fn tick(&mut self) {
        let run = |dies_after: Option<u64>| {
            let process = self.world.process();
            async move {
                let run = process.run(Deadline::within(Duration::from_secs(60)));
                match dies_after {
                    Some(after) => tokio::time::timeout(Duration::from_millis(after), run).await.is_err(),
                    None => run.await.map(|_| false).unwrap(),
                }
            }
        };
        let [one, other] = [0, 1].map(|_| self.numbers.chance(1, 2).then(|| self.numbers.below(40)));
        let (one, other) = tokio::join!(run(one), run(other));
        if one || other {
            self.killed += usize::from(one) + usize::from(other);
            // Nobody has their leases any more.
            let clock = &self.world.runner.clock;
            clock.set(clock.now() + SignedDuration::from_mins(3));
        }
    }

    /// Some of what was taken comes all the way.
    async fn arrive(&mut self) {
        for at in self.taken() {
            let sql = "select slot from canary_run where at = $1";
            let slot: Timestamp = self.world.client.query_one(sql, &[&at]).await.unwrap().get(0);
            if !self.arrived.contains(&slot) && self.numbers.chance(2, 3) {
                self.world.arrives_of(&slot.to_string(), 2.0, "delivered").await;
                self.arrived.insert(slot);
            }
        }
    }

    /// What was sent, and how it was answered: the time of each payload, and whether it was taken.
    fn sent(&self) -> impl Iterator<Item = (Timestamp, bool)> {
        let received = self.world.outside.received().into_iter().zip(&self.statuses);
        received.filter(|(one, _)| one.target.starts_with("/plant")).map(|(one, status)| {
            let body: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
            (body[0]["time"].as_str().unwrap().parse().unwrap(), *status != 503)
        })
    }

    fn taken(&self) -> BTreeSet<Timestamp> {
        self.sent().filter(|(_, is_taken)| *is_taken).map(|(at, _)| at).collect()
    }

    async fn check(&self, seed: u64) {
        let sql = "
            select s.slot, s.state, (s.result ->> 'passed')::boolean, r.at, r.delivered_at is not null, r.failure
            from job_slot s left join canary_run r using (slot) order by s.slot";
        let rows = self.world.client.query(sql, &[]).await.unwrap();
        assert_eq!(rows.len(), usize::try_from(SLOTS).unwrap(), "seed {seed}");
        let (mut runs, mut passed) = (BTreeMap::new(), 0);
        for row in rows {
            let (slot, state): (Timestamp, String) = (row.get(0), row.get(1));
            let (at, delivered, failure): (Option<Timestamp>, Option<bool>, Option<String>) =
                (row.get(3), row.get(4), row.get(5));
            let has_passed = delivered == Some(true) && self.arrived.contains(&slot);
            let is_true = match state.as_str() {
                // One that another has overtaken has no run.
                "done" => {
                    row.get::<_, Option<bool>>(2) == at.map(|_| failure.is_none())
                        && (at.is_none() || failure.is_some() || has_passed)
                }
                // One whose processes died five times is given up, and the next notes that of its run.
                "failed" => has_passed || delivered != Some(true),
                _ => false,
            };
            assert!(is_true, "seed {seed}: {slot} {state} {failure:?}");
            passed += usize::from(has_passed && failure.is_none());
            runs.extend(at.map(|at| (at, slot)));
        }
        let payloads: BTreeSet<Timestamp> = self.sent().map(|(at, _)| at).collect();
        assert!(payloads.iter().all(|at| runs.contains_key(at)), "seed {seed}: a payload of no run");
        let told = self.world.came_to("/ping").len();
        let most = (passed + self.killed) * 5;
        assert!(told <= most && (passed > 0 || self.killed > 0 || told == 0), "seed {seed}: {told} pings");
    }
}
