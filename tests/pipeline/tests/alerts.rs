//! Whatever order readings arrive in, the effective transitions are those that an oracle computes from all of them.
//!
//! Two `transform` and two `alert` processes at once, ticks in between, outages of the tick, corrections, repetitions,
//! readings of bad quality and from the future. `FRESHET_SEED` replays one seed, `FRESHET_SEEDS` sets how many there are.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::future::join_all;
use jiff::Timestamp;
use pipeline_tests::oracle::{self, Breach, Rule, Series};
use pipeline_tests::stand::{Plan, Stand};
use serde_json::{Value, json};
use testkit::Random;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
/// The simulated time between two looks at the clock.
const WAVE: i64 = 2 * MINUTE;
const WAVES: usize = 40;
/// Waves at the end in which nothing arrives.
const SILENT_WAVES: usize = 8;
const DEVICES: usize = 4;
const LATENESS: i64 = 20 * MINUTE;
/// No reading is later than this: the lateness window less 5 minutes that another may be ahead, and less the waves that are
/// under way at once.
const LATEST: i64 = LATENESS - 5 * MINUTE - 3 * WAVE;
const START: &str = "2026-03-01T00:00:00Z";

const TEMPERATURES: [f64; 12] = [8.0, 10.0, 11.0, 12.0, 15.0, 20.0, 28.0, 29.0, 30.0, 31.0, 35.0, 36.0];
const HUMIDITIES: [f64; 9] = [25.0, 30.0, 33.0, 35.0, 50.0, 65.0, 68.0, 70.0, 75.0];

#[tokio::test(flavor = "multi_thread")]
async fn any_order_of_arrival_of_all_seeds_ends_in_the_transitions_of_the_oracle() {
    let mut retracted = 0;
    for seed in seeds() {
        let Some(untrue) = holds_for(seed).await else { return };
        retracted += untrue;
    }
    assert!(retracted > 0, "no reading came late enough to make anything untrue");
}

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("seeds are whole numbers"));
    match number("FRESHET_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("FRESHET_SEEDS").unwrap_or(6)).collect(),
    }
}

/// How much was retracted meanwhile; `None` where PostgreSQL is not installed.
async fn holds_for(seed: u64) -> Option<i64> {
    let mut random = Random::new(seed);
    let rules = rules(&mut random);
    let start: Timestamp = START.parse().unwrap();
    let mut plan = Plan::new(pipeline(&rules));
    plan.clock = Some(start);
    plan.max_scale = vec![("transform", 2), ("alert", 2)];
    let stand = Stand::up(plan).await?;

    let world = World::new(&mut random, start.as_microsecond());
    world.play(&stand, &mut random).await;
    assert_eq!(disagreements(&stand, &rules, &world).await, "", "FRESHET_SEED={seed} replays this");
    let sql = "select count(*) from alert_transition where kind = 'retracted'";
    let retracted = stand.database().await.query_one(sql, &[]).await.unwrap().get(0);
    stand.down().await;
    Some(retracted)
}

/// All five kinds; how long a breach must last is the seed's.
fn rules(random: &mut Random) -> Vec<Rule> {
    let mut hold = || *random.one_of(&[0, 4 * MINUTE, 10 * MINUTE]);
    let holds = [hold(), hold(), hold(), hold()];
    let mut after = || (7 + random.below(9) as i64) * MINUTE;
    let rule = |name, metric, breach, hold| Rule { name, metric, breach, hold };
    vec![
        rule("Warm", "temperature", Breach::Above(30.0, 28.0), holds[0]),
        rule("Hot", "temperature", Breach::Above(35.0, 35.0), 0),
        rule("Cold", "temperature", Breach::Below(10.0, 12.0), holds[1]),
        rule("Damp", "relative_humidity", Breach::Outside((30.0, 70.0), (35.0, 65.0)), holds[2]),
        rule("Falls", "temperature", Breach::Falling { above: 8.0, clear: 2.0, per: 300.0 }, holds[3]),
        rule("Silent", "temperature", Breach::Absent(after()), 0),
        rule("Mute", "relative_humidity", Breach::Absent(after()), 0),
    ]
}

fn pipeline(rules: &[Rule]) -> String {
    let mut text = format!(
        "lateness: {}s
tick: {}s
sources:
  field:
    format: json
    credentials: [{{header: X-Api-Key, secret: {{env: STAND_KEY}}}}]
    mapping: {{items: /items, device: /device, time: /time, metrics: {{temperature: /t, relative_humidity: /h}}}}
rules:
",
        LATENESS / SECOND,
        WAVE / SECOND
    );
    for rule in rules {
        let condition = match rule.breach {
            Breach::Above(begin, clear) => format!("above: {begin}, clear: {clear}"),
            Breach::Below(begin, clear) => format!("below: {begin}, clear: {clear}"),
            Breach::Outside((low, high), (from, to)) => {
                format!("outside: [{low}, {high}], clear: [{from}, {to}]")
            }
            Breach::Falling { above, clear, per } => {
                format!("rate_of_change: {{above: {above}, per: {per}s, direction: falling}}, clear: {clear}")
            }
            Breach::Absent(after) => format!("absent: {}s", after / SECOND),
        };
        let hold = if rule.hold > 0 { format!(", for: {}s", rule.hold / SECOND) } else { String::new() };
        writeln!(text, "  {}: {{metric: {}, {condition}{hold}}}", rule.name, rule.metric).unwrap();
    }
    text
}

/// What happens in one run.
struct World {
    start: i64,
    /// The items that arrive in each wave.
    waves: Vec<Vec<Value>>,
    /// What counts in the end, by device and metric.
    series: BTreeMap<(String, &'static str), Series>,
    /// The same with readings whose value does not count: that they came ends a silence.
    heard: BTreeMap<(String, &'static str), Series>,
}

impl World {
    fn new(random: &mut Random, start: i64) -> Self {
        let mut world =
            Self { start, waves: vec![Vec::new(); WAVES], series: BTreeMap::new(), heard: BTreeMap::new() };
        for device in 0..DEVICES {
            world.live(random, &format!("dev-{device}"));
        }
        world
    }

    /// One device's life: readings at irregular times, silences, values that wander over the thresholds.
    fn live(&mut self, random: &mut Random, device: &str) {
        let end = self.clock(WAVES - SILENT_WAVES);
        let (mut warmth, mut damp) = (5_usize, 4_usize);
        let mut at = self.start + random.below(12) as i64 * 10 * SECOND;
        while at < end {
            warmth = wander(random, warmth, TEMPERATURES.len());
            damp = wander(random, damp, HUMIDITIES.len());
            let temperature = (!random.chance(1, 12)).then_some(TEMPERATURES[warmth]);
            let humidity = random.chance(2, 3).then_some(HUMIDITIES[damp]);
            self.arrive(random, device, at, (temperature, humidity));
            let pause = if random.chance(1, 15) { 60 + random.below(150) } else { 2 + random.below(13) };
            at += pause as i64 * 10 * SECOND;
        }
    }

    fn arrive(&mut self, random: &mut Random, device: &str, at: i64, (t, h): (Option<f64>, Option<f64>)) {
        let early = if random.chance(1, 6) { random.below(5) as i64 * MINUTE } else { 0 };
        let late =
            if random.chance(1, 2) { random.below((LATEST / MINUTE) as u64) as i64 * MINUTE } else { 0 };
        let wave = self.wave_of(at - early + late);
        self.waves[wave].push(item(device, at, t, h));
        // Nothing is as hot as this, so that it counts as uncertain.
        if random.chance(1, 20) {
            self.waves[wave].push(item(device, at + 3 * SECOND, Some(700.0), None));
            self.heard.entry((device.to_owned(), "temperature")).or_default().insert(at + 3 * SECOND, 700.0);
        }
        // A clock that is wrong moves no checkpoint.
        if random.chance(1, 20) {
            let future = self.clock(wave) + 20 * MINUTE + SECOND;
            self.waves[wave].push(item(device, future, Some(36.0), Some(75.0)));
        }
        let corrected = self.wave_of(at + LATEST);
        let mut value = t;
        if t.is_some() && corrected > wave && random.chance(1, 10) {
            value = Some(*random.one_of(&TEMPERATURES));
            self.waves[corrected].push(item(device, at, value, None));
        }
        for (metric, value) in [("temperature", value), ("relative_humidity", h)] {
            for of in [&mut self.series, &mut self.heard] {
                of.entry((device.to_owned(), metric)).or_default().extend(value.map(|value| (at, value)));
            }
        }
    }

    /// The first wave that is not before `at`.
    fn wave_of(&self, at: i64) -> usize {
        let wave = (at - self.start).max(1).unsigned_abs().div_ceil(WAVE.unsigned_abs());
        (wave as usize - 1).min(WAVES - 1)
    }

    fn clock(&self, wave: usize) -> i64 {
        self.start + (wave as i64 + 1) * WAVE
    }

    async fn play(&self, stand: &Stand, random: &mut Random) {
        let mut without_ticks = 0_u64;
        for (number, items) in self.waves.iter().enumerate() {
            stand.set_clock(Timestamp::from_microsecond(self.clock(number)).unwrap());
            if random.chance(1, 12) {
                without_ticks = 1 + random.below(4);
            }
            let ticks = without_ticks == 0;
            without_ticks = without_ticks.saturating_sub(1);
            let posts = payloads(random, items).into_iter().map(|body| stand.post_until_taken("field", body));
            let tick = async {
                if ticks {
                    stand.running.tick("tick").await.unwrap();
                }
            };
            tokio::join!(join_all(posts), tick);
            // Now and then the next wave comes before this one is done with, twice in a row at most.
            if number % 3 == 2 || random.chance(1, 2) {
                stand.rest().await;
            }
        }
        stand.tick().await;
    }
}

fn wander(random: &mut Random, from: usize, len: usize) -> usize {
    let step = random.below(5) as usize;
    (from + step).saturating_sub(2).min(len - 1)
}

fn item(device: &str, at: i64, t: Option<f64>, h: Option<f64>) -> Value {
    json!({"device": device, "time": at, "t": t, "h": h})
}

/// The items in any order and company; some payloads come twice.
fn payloads(random: &mut Random, items: &[Value]) -> Vec<Vec<u8>> {
    let mut items = items.to_vec();
    random.shuffle(&mut items);
    let mut payloads = Vec::new();
    while !items.is_empty() {
        let some = items.split_off(items.len().saturating_sub(1 + random.below(4) as usize));
        let body = json!({"items": some}).to_string().into_bytes();
        payloads.extend(random.chance(1, 8).then(|| body.clone()));
        payloads.push(body);
    }
    payloads
}

/// A line for each alert of which the database and the oracle do not say the same; and there must be alerts at all.
async fn disagreements(stand: &Stand, rules: &[Rule], world: &World) -> String {
    let database = stand.database().await;
    let heartbeats = oracle::heartbeats(&database).await.unwrap();
    let mut stored = oracle::stored(&database).await.unwrap();
    let mut text = String::new();
    let mut fired = 0;
    for rule in rules {
        let series = if matches!(rule.breach, Breach::Absent(_)) { &world.heard } else { &world.series };
        for ((device, _), series) in series.iter().filter(|((_, metric), _)| *metric == rule.metric) {
            let wanted = oracle::transitions(rule, series, &heartbeats, WAVE);
            let found = stored.remove(&(rule.name.to_owned(), device.clone())).unwrap_or_default();
            fired += wanted.len();
            if wanted != found {
                let [wanted, found] = [&wanted, &found].map(|list| {
                    let minutes =
                        |(fires, at): &(bool, i64)| (*fires, (at - world.start) as f64 / MINUTE as f64);
                    list.iter().map(minutes).collect::<Vec<_>>()
                });
                writeln!(text, "{rule:?} {device}\n  wanted {wanted:?}\n  found  {found:?}").unwrap();
            }
        }
    }
    for (alert, transitions) in stored {
        writeln!(text, "{alert:?}: nobody wants {transitions:?}").unwrap();
    }
    let marks: i64 = database.query_one("select count(*) from evaluation_request", &[]).await.unwrap().get(0);
    if fired < 10 || marks > 0 {
        writeln!(text, "{fired} transitions are too few, or {marks} marks are left").unwrap();
    }
    text
}
