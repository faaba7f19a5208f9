use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jobs::{Job, Progress, Ran, Runner, SliceError, make_due};
use pipeline_config::jobs::Job as Planned;
use runtime::{Clock, Deadline};
use schedule::{CatchUp, Schedule};
use serde_json::{Value, json};
use store::{StoreError, Transaction};
use tokio::sync::Notify;

use crate::world::{PIPELINE, World, at};

/// Each cursor of a slot is committed once, and so is its end: else a key is there twice, and the slice fails.
const EFFECTS: &str = "
    create table effect (job text, slot timestamptz, what text, primary key (job, slot, what));
    create function note() returns trigger language plpgsql as $$
    begin
        if new.cursor is distinct from old.cursor then
            insert into effect values (new.job, new.slot, new.cursor::text);
        end if;
        if new.state = 'done' and old.state <> 'done' then
            insert into effect values (new.job, new.slot, 'done');
        end if;
        return new;
    end $$;
    create trigger note after update on job_slot for each row execute function note();";

const SLICES: u64 = 4;

/// A job of so many slices; what happens in each is drawn.
struct Drawn {
    random: Arc<Random>,
    killed: Arc<Notify>,
}

/// Numbers by a seed (SplitMix64).
struct Random(AtomicU64);

impl Random {
    fn below(&self, most: u64) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }
}

impl Job for Drawn {
    async fn slice(
        &self,
        _: &Transaction<'_>,
        _: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let done = cursor.and_then(Value::as_u64).unwrap_or_default();
        match self.random.below(8) {
            0 => return Err(StoreError::Timeout.into()),
            // Its process is killed here.
            1 => {
                self.killed.notify_one();
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        Ok(if done < SLICES { Progress::More(json!(done + 1)) } else { Progress::Done(json!(done)) })
    }
}

fn runner<J>(world: &World, name: &'static str, job: J, clock: &Clock) -> Runner<J> {
    Runner { name, job, database: world.database.clone(), clock: clock.clone() }
}

fn planned<'p>(name: &'p str, schedule: &'p Schedule, catch_up: CatchUp) -> [Planned<'p>; 1] {
    [Planned { name, schedule, catch_up }]
}

async fn tick(world: &World, jobs: &[Planned<'_>], now: Timestamp) -> Vec<String> {
    make_due(&world.client().await, jobs, (PIPELINE, now)).await.unwrap()
}

/// Ticks are lost and come twice, two processes run at once, are killed within a slice, and slices fail. Each slot of the schedule is
/// worked on in order, each of its slices is committed once, and a process that fails five times has its slot given up.
#[tokio::test]
async fn each_slot_has_its_effect_once() {
    let Some(world) = World::build().await else { return };
    world.execute(EFFECTS).await;
    let seeds = std::env::var("FRESHET_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20u64);
    for seed in 0..seeds {
        let name: &'static str = Box::leak(format!("seed-{seed}").into_boxed_str());
        // Each over the days in which its clocks change, if they do.
        let (zone, start) = [
            ("Europe/Berlin", "2026-10-23T00:00:00Z"),
            ("Europe/London", "2026-03-27T00:00:00Z"),
            ("America/New_York", "2026-10-30T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
            ("America/Santiago", "2026-09-04T00:00:00Z"),
            ("Pacific/Auckland", "2026-09-25T00:00:00Z"),
            ("Asia/Kolkata", "2026-10-23T00:00:00Z"),
        ][usize::try_from(seed % 7).unwrap()];
        let schedule = Schedule::new("30 0,2,14 * * *", zone).unwrap();
        one_seed(&world, (name, &schedule), at(start), seed).await;
    }
}

async fn one_seed(world: &World, (name, schedule): (&'static str, &Schedule), start: Timestamp, seed: u64) {
    let random = Arc::new(Random(AtomicU64::new(seed)));
    let jobs = planned(name, schedule, CatchUp::All);
    let clock = Clock::manual(start);
    tick(world, &jobs, start).await;
    let (mut now, mut ticked, end) = (start, start, start + SignedDuration::from_hours(96));
    let open = format!("job_slot where job = '{name}' and slot <= '{end}' and state = 'open'");
    while ticked < end || world.count(&open).await > 0 {
        now += SignedDuration::from_mins(5 + i64::try_from(random.below(240)).unwrap());
        clock.set(now);
        // No slot is made up for that is older than a day.
        if now.duration_since(ticked) < SignedDuration::from_hours(16) && random.below(3) == 0 {
            continue;
        }
        ticked = now;
        let (due, again) = tokio::join!(tick(world, &jobs, now), tick(world, &jobs, now));
        assert_eq!(due, again);
        let process = || {
            let killed = Arc::new(Notify::new());
            let drawn = Drawn { random: Arc::clone(&random), killed: Arc::clone(&killed) };
            let runner = runner(world, name, drawn, &clock);
            async move {
                tokio::select! {
                    ran = runner.run(Deadline::within(Duration::from_secs(60))) => { ran.unwrap(); }
                    () = killed.notified() => {}
                }
            }
        };
        tokio::join!(process(), process());
    }
    let all = std::iter::successors(schedule.after(start), |slot| schedule.after(*slot));
    let expected: Vec<_> = all.take_while(|slot| *slot <= end).collect();
    let sql = "
        select slot, state, (select count(*) from effect e where e.job = s.job and e.slot = s.slot)
        from job_slot s where job = $1 and slot <= $2 order by slot";
    let slots = world.client.query(sql, &[&name, &end]).await.unwrap();
    assert_eq!(
        slots.iter().map(|row| row.get::<_, Timestamp>(0)).collect::<Vec<_>>(),
        expected,
        "seed {seed}"
    );
    for row in slots {
        let (state, effects): (String, i64) = (row.get(1), row.get(2));
        let whole = i64::try_from(SLICES).unwrap() + 1;
        match state.as_str() {
            "done" => assert_eq!(effects, whole, "seed {seed}"),
            "failed" => assert!(effects < whole, "seed {seed}"),
            other => panic!("a slot is {other} at the end of seed {seed}"),
        }
    }
}

/// Three slices that do nothing.
struct Plain;

impl Job for Plain {
    async fn slice(
        &self,
        _: &Transaction<'_>,
        _: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let done = cursor.and_then(Value::as_u64).unwrap_or_default();
        Ok(if done < 3 { Progress::More(json!(done + 1)) } else { Progress::Done(json!("all")) })
    }
}

fn hourly() -> Schedule {
    Schedule::new("0 * * * *", "UTC").unwrap()
}

async fn due_slot(world: &World, name: &str, clock: &Clock) {
    let schedule = hourly();
    let jobs = planned(name, &schedule, CatchUp::Latest);
    tick(world, &jobs, clock.now()).await;
    clock.set(clock.now() + SignedDuration::from_mins(60));
    assert_eq!(tick(world, &jobs, clock.now()).await, [name]);
}

#[tokio::test]
async fn a_process_that_was_stopped_past_its_lease_changes_nothing_any_more() {
    let Some(world) = World::build().await else { return };
    let clock = Clock::manual(at("2026-11-30T00:30:00Z"));
    due_slot(&world, "plain", &clock).await;
    let lease = |clock: &Clock| (clock.now(), clock.now() + SignedDuration::from_secs(120));
    let mut client = world.client().await;
    let mut stopped = store::jobs::claim(&client, "plain", lease(&clock)).await.unwrap().unwrap();
    let other = runner(&world, "plain", Plain, &clock);
    let deadline = || Deadline::within(Duration::from_secs(60));
    assert_eq!(other.run(deadline()).await.unwrap(), Ran::default(), "it is another process's");
    clock.set(clock.now() + SignedDuration::from_secs(121));
    assert_eq!(other.run(deadline()).await.unwrap(), Ran { slices: 4, done: 1, more: false });
    let transaction = Transaction::begin(&mut client).await.unwrap();
    assert!(!stopped.hold(&transaction, Duration::from_secs(5)).await.unwrap());
    stopped.advance(&transaction, (json!(1), clock.now())).await.unwrap();
    stopped.finish(&transaction, (&json!("twice"), clock.now())).await.unwrap();
    transaction.commit().await.unwrap();
    stopped.fail(&client, ("late", clock.now())).await.unwrap();
    let slot = store::jobs::newest_slots(&client, "plain", 1).await.unwrap().remove(0);
    assert_eq!((slot.state.as_str(), slot.result, slot.attempts), ("done", Some(json!("all")), 1));
}

#[tokio::test]
async fn a_run_whose_time_is_up_gives_its_slot_back_and_another_goes_on() {
    let Some(world) = World::build().await else { return };
    let clock = Clock::manual(at("2026-11-30T00:30:00Z"));
    due_slot(&world, "plain", &clock).await;
    let runner = runner(&world, "plain", Plain, &clock);
    // The first slice is always begun.
    let first = runner.run(Deadline::within(Duration::ZERO)).await.unwrap();
    assert_eq!(first, Ran { slices: 1, done: 0, more: true });
    let rest = runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap();
    assert_eq!(rest, Ran { slices: 3, done: 1, more: false });
    let slots = store::jobs::newest_slots(&world.client().await, "plain", 5).await.unwrap();
    assert_eq!((slots.len(), slots[0].attempts), (1, 0));
}

/// Fails each time.
struct Broken;

impl Job for Broken {
    async fn slice(
        &self,
        _: &Transaction<'_>,
        _: Timestamp,
        _: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        Err(StoreError::Timeout.into())
    }
}

#[tokio::test]
async fn a_slot_that_fails_is_tried_again_later_and_given_up_with_its_reason() {
    let Some(world) = World::build().await else { return };
    let clock = Clock::manual(at("2026-11-30T00:30:00Z"));
    due_slot(&world, "broken", &clock).await;
    let runner = runner(&world, "broken", Broken, &clock);
    let deadline = || Deadline::within(Duration::from_secs(60));
    for minutes in [1, 2, 4, 8] {
        runner.run(deadline()).await.unwrap();
        clock.set(clock.now() + SignedDuration::from_mins(minutes) - SignedDuration::from_secs(1));
        let due = store::jobs::due(&world.client().await, &["broken".to_owned()], clock.now()).await.unwrap();
        assert_eq!(due, Vec::<String>::new(), "after {minutes} minutes");
        clock.set(clock.now() + SignedDuration::from_secs(1));
    }
    runner.run(deadline()).await.unwrap();
    let slot = store::jobs::newest_slots(&world.client().await, "broken", 1).await.unwrap().remove(0);
    assert_eq!((slot.state.as_str(), slot.attempts), ("failed", 5));
    assert_eq!(slot.error.as_deref(), Some("the database did not answer in time"));
}

#[tokio::test]
async fn a_paused_job_makes_no_slot_and_makes_up_for_none_and_a_person_may_ask_for_one() {
    let Some(world) = World::build().await else { return };
    let (client, schedule) = (world.client().await, hourly());
    let jobs = planned("plain", &schedule, CatchUp::All);
    let pause = |paused, now: &str| store::jobs::pause(&client, "plain", (paused, at(now)));
    tick(&world, &jobs, at("2026-11-30T00:30:00Z")).await;
    assert!(pause(true, "2026-11-30T00:40:00Z").await.unwrap());
    assert_eq!(tick(&world, &jobs, at("2026-11-30T05:30:00Z")).await, Vec::<String>::new());
    assert!(pause(false, "2026-11-30T05:40:00Z").await.unwrap());
    assert_eq!(tick(&world, &jobs, at("2026-11-30T05:45:00Z")).await, Vec::<String>::new());
    assert!(store::jobs::request(&client, "plain", at("2026-11-30T05:46:00Z")).await.unwrap());
    assert_eq!(tick(&world, &jobs, at("2026-11-30T05:47:00Z")).await, ["plain"]);
    tick(&world, &jobs, at("2026-11-30T07:10:00Z")).await;
    let slots = store::jobs::newest_slots(&client, "plain", 9).await.unwrap();
    let slots: Vec<_> = slots.iter().map(|slot| (slot.slot.to_string(), slot.requested)).collect();
    let expected =
        [("2026-11-30T07:00:00Z", false), ("2026-11-30T06:00:00Z", false), ("2026-11-30T05:46:00Z", true)];
    assert_eq!(slots, expected.map(|(slot, requested)| (slot.to_owned(), requested)));
    assert!(!store::jobs::request(&client, "other", at("2026-11-30T05:46:00Z")).await.unwrap());
}

#[tokio::test]
async fn a_file_that_is_not_in_force_makes_no_slot_and_a_changed_schedule_begins_anew() {
    let Some(world) = World::build().await else { return };
    let (client, schedule) = (world.client().await, hourly());
    let jobs = planned("plain", &schedule, CatchUp::All);
    let other = make_due(&client, &jobs, ("of an old pod", at("2026-11-30T00:30:00Z"))).await.unwrap();
    assert_eq!((other, world.count("job").await), (Vec::new(), 0));
    tick(&world, &jobs, at("2026-11-30T00:30:00Z")).await;
    let changed = Schedule::new("*/10 * * * *", "UTC").unwrap();
    let jobs = planned("plain", &changed, CatchUp::All);
    assert_eq!(tick(&world, &jobs, at("2026-11-30T03:05:00Z")).await, Vec::<String>::new());
    assert_eq!(tick(&world, &jobs, at("2026-11-30T03:21:00Z")).await, ["plain"]);
    assert_eq!(world.count("job_slot").await, 2);
}
