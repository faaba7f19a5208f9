//! Any order of arrival, two processes at once, and ticks in between.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{World, pipeline, run};

const RULES: &str = "{Hot: {metric: temperature, above: 30, clear: 28, for: 2m},
                      Cold: {metric: temperature, below: 5},
                      Silent: {metric: temperature, absent: 7m}}";
const LATENESS: i64 = 900;

/// A reading: the device, its second, its value.
type Reading = (usize, i64, f64);

/// Small and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn second(&mut self, below: i64) -> i64 {
        i64::try_from(self.roll(below.unsigned_abs())).unwrap()
    }
}

/// Readings in the order in which they arrive, each less than the lateness window late.
fn story(dice: &mut Dice) -> Vec<(i64, Reading)> {
    let mut arriving = Vec::new();
    for device in 0..4 {
        let mut second = 0;
        for _ in 0..12 {
            second += 1 + dice.second(400);
            let value = [2.0, 20.0, 27.0, 29.0, 31.0][usize::try_from(dice.roll(5)).unwrap()];
            arriving.push((second + dice.second(LATENESS), (device, second, value)));
        }
    }
    arriving.sort_by_key(|(arrival, _)| *arrival);
    arriving
}

/// Second by second, knowing all readings and heartbeats at once: (rule, kind, second).
fn oracle(readings: &BTreeMap<i64, f64>, heartbeats: &BTreeSet<i64>) -> Vec<(String, String, i64)> {
    let mut found: Vec<(&str, &str, i64)> = vec![];
    let (mut hot, mut cold, mut silent) = ((None, false), false, (0, false));
    let first = *readings.keys().next().unwrap();
    let end = *readings.keys().chain(heartbeats).max().unwrap();
    for now in first..=end {
        let is_counted = heartbeats.range(..now).next_back().zip(heartbeats.range(now..).next());
        let is_counted = is_counted.is_some_and(|(left, right)| right - left <= 750);
        silent.0 = if is_counted { silent.0 + 1 } else { 0 };
        if let Some(value) = readings.get(&now) {
            if std::mem::take(&mut silent).1 {
                found.push(("Silent", "resolved", now));
            }
            if *value <= 28.0 && std::mem::take(&mut hot).1 {
                found.push(("Hot", "resolved", now));
            } else if *value > 30.0 && hot.0.is_none() {
                hot.0 = Some(now);
            }
            if (*value < 5.0) != cold {
                cold = !cold;
                found.push(("Cold", if cold { "firing" } else { "resolved" }, now));
            }
        }
        if !hot.1 && hot.0.is_some_and(|since| now - since >= 120) {
            hot.1 = true;
            found.push(("Hot", "firing", now));
        }
        if !silent.1 && silent.0 >= 420 {
            silent.1 = true;
            found.push(("Silent", "firing", now));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(rule, kind, second)| (rule.to_owned(), kind.to_owned(), second)).collect()
}

#[tokio::test]
async fn two_processes_and_any_order_of_arrival_end_in_the_oracles_transitions() {
    for seed in 0..6 {
        let Some(mut world) = World::new().await else { return };
        let (left, right) = (world.process(&pipeline(RULES)).await, world.process(&pipeline(RULES)).await);
        let mut dice = Dice(seed);
        let arriving = story(&mut dice);
        let mut heartbeats: BTreeSet<i64> = (0..25).map(|tick| tick * 300 + dice.second(20)).collect();
        let outage = 600 + dice.second(2_000);
        heartbeats.retain(|second| !(outage..outage + 1_200).contains(second));

        let mut ticks = heartbeats.iter().copied().peekable();
        for (arrival, (device, second, value)) in &arriving {
            while let Some(tick) = ticks.next_if(|tick| tick <= arrival) {
                let process = if dice.roll(2) == 0 { &left } else { &right };
                world.heartbeat(process, tick).await;
            }
            world.at(*arrival);
            let stream = world.store(&format!("gh-{device}"), *second, *value).await;
            match dice.roll(3) {
                // Lost; the next event, whatever it is about, finds the request.
                0 => {}
                1 => drop(run(&left, &[stream]).await),
                _ => {
                    let streams = [stream];
                    tokio::join!(run(&left, &streams), run(&right, &streams));
                }
            }
        }
        for tick in ticks {
            world.heartbeat(&right, tick).await;
        }
        world.heartbeat(&left, *heartbeats.last().unwrap()).await;

        for device in 0..4 {
            let readings = arriving.iter().filter(|(_, reading)| reading.0 == device);
            let readings = readings.map(|(_, (_, second, value))| (*second, *value)).collect();
            let found = world.effective_by_rule(&format!("gh-{device}")).await;
            assert_eq!(found, oracle(&readings, &heartbeats), "seed {seed}, device {device}");
        }
        let twice = "(select from alert_transition where kind <> 'retracted' and retracted_by is null
                      group by rule, stream_id, kind, at having count(*) > 1) as twice";
        assert_eq!(world.count(twice).await, 0);
        let unqueued =
            "alert_transition t where not exists (select from notification n where n.transition_id = t.id)";
        assert_eq!(world.count(unqueued).await, 0);
    }
}
