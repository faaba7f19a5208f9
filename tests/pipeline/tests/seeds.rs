//! Random traffic under random faults: when they are over, everything that was accepted is where it must be, once.
//!
//! `FRESHET_SEED` replays one seed, `FRESHET_SEEDS` sets how many there are.

use pipeline_tests::farm::{Farm, STAGES, patient, payloads_of};
use runtime::Clock;
use testkit::Random;
use topology::Mode;

const SEEDS: u64 = 12;
const PAYLOADS: usize = 24;
/// Seeds that share a stand; each has devices and marks of its own.
const SEEDS_A_STAND: usize = 25;

const CRASH_POINTS: [(&str, &str); 11] = [
    ("ingest", "before-write"),
    ("ingest", "after-commit"),
    ("transform", "before-write"),
    ("transform", "after-commit"),
    ("alert", "before-write"),
    ("alert", "after-commit"),
    ("notify", "before-write"),
    ("notify", "after-send"),
    ("notify", "after-commit"),
    ("dead-letter", "before-write"),
    ("dead-letter", "after-commit"),
];

#[tokio::test(flavor = "multi_thread")]
async fn all_odd_seeds_hold_with_one_process_a_stage() {
    hold(Mode::Broker, seeds().filter(|seed| seed % 2 == 1).collect(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_seeds_hold_in_direct_mode() {
    hold(Mode::Direct, seeds().collect(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_even_seeds_hold_with_two_processes_of_transform_and_alert() {
    hold(Mode::Broker, seeds().filter(|seed| seed % 2 == 0).collect(), 2).await;
}

fn seeds() -> Box<dyn Iterator<Item = u64>> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("seeds are whole numbers"));
    match number("FRESHET_SEED") {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new(1..=number("FRESHET_SEEDS").unwrap_or(SEEDS)),
    }
}

async fn hold(mode: Mode, seeds: Vec<u64>, processes: u32) {
    for seeds in seeds.chunks(SEEDS_A_STAND) {
        let Some(mut farm) = Farm::open(mode, processes, (None, patient)).await else { return };
        for seed in seeds {
            let _said = SaysWhichFailed(*seed);
            Run::new(*seed, &mut farm).play().await;
        }
        let accepted = farm.accepted();
        assert!(
            accepted > seeds.len() * PAYLOADS / 3,
            "only {accepted} payloads were accepted: the faults are too many"
        );
        farm.stand.down().await;
    }
}

/// Names the seed on the way out of a panic.
struct SaysWhichFailed(u64);

impl Drop for SaysWhichFailed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0} failed; FRESHET_SEED={0} replays it", self.0);
        }
    }
}

/// A fault that lasts until it is mended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lasting {
    SinkDown,
    DeadLetterSinkDown,
    Duplicates,
    Reorder,
    DatabaseDown,
}

const LASTING: [Lasting; 5] = [
    Lasting::SinkDown,
    Lasting::DeadLetterSinkDown,
    Lasting::Duplicates,
    Lasting::Reorder,
    Lasting::DatabaseDown,
];

/// One seed's run.
struct Run<'a> {
    seed: u64,
    random: Random,
    farm: &'a mut Farm,
    /// What lasts, and for how many more steps.
    lasting: Vec<(Lasting, u64)>,
}

impl<'a> Run<'a> {
    fn new(seed: u64, farm: &'a mut Farm) -> Self {
        Self { seed, random: Random::new(seed), farm, lasting: Vec::new() }
    }

    async fn play(mut self) {
        let mut left = payloads_of(self.seed, &mut self.random, PAYLOADS, Clock::system().now());
        // Some are late by as much as the whole run.
        for _ in 0..self.random.below(6) {
            let late = self.random.below(left.len() as u64) as usize;
            let payload = left.remove(late);
            left.push(payload);
        }
        while !left.is_empty() {
            let wave = left.len().min(1 + self.random.below(4) as usize);
            self.fault().await;
            self.farm.post(left.drain(..wave).collect()).await;
            self.pass_a_step();
            if self.lasting.is_empty() && self.random.chance(1, 3) {
                self.farm.stand.rest().await;
            }
        }
        for (fault, _) in std::mem::take(&mut self.lasting) {
            self.set(fault, false);
        }
        for (stage, point) in CRASH_POINTS {
            self.farm.stand.crash_no_more_at(stage, point);
        }
        self.farm.settles().await;
    }

    async fn fault(&mut self) {
        let stand = &self.farm.stand;
        match self.random.below(8) {
            0 => {
                let stage: &&str = self.random.one_of(&STAGES);
                stand.running.kill(stage);
            }
            1..=2 => {
                let (stage, point) = self.random.one_of(&CRASH_POINTS);
                stand.crash_at(stage, point);
            }
            3 => stand.running.faults().crash(),
            4 => stand.running.faults().crash_after_next_answer(),
            5..=6 => {
                let fault = *self.random.one_of(&LASTING);
                let steps = 1 + self.random.below(4);
                if !self.lasting.iter().any(|(other, _)| *other == fault) {
                    self.set(fault, true);
                    self.lasting.push((fault, steps));
                }
            }
            _ => {
                // A tick that the broker does not take is lost, as on a cluster.
                let _ = stand.running.tick("tick").await;
            }
        }
    }

    fn pass_a_step(&mut self) {
        let over: Vec<_> = self
            .lasting
            .extract_if(.., |(_, steps)| {
                *steps -= 1;
                *steps == 0
            })
            .collect();
        for (fault, _) in over {
            self.set(fault, false);
        }
    }

    fn set(&mut self, fault: Lasting, on: bool) {
        let faults = self.farm.stand.running.faults();
        match fault {
            Lasting::SinkDown => faults.sink_down(on),
            Lasting::DeadLetterSinkDown => faults.dead_letter_sink_down(on),
            Lasting::Duplicates => faults.duplicate_every(if on { 2 } else { 0 }),
            Lasting::Reorder => faults.reorder(on),
            Lasting::DatabaseDown => {
                let server = &mut self.farm.stand.postgres.instance;
                let done = tokio::task::block_in_place(|| if on { server.kill() } else { server.restart() });
                done.expect("the server is killed and started again");
            }
        }
    }
}
