//! Hours that have more moments than are read in a transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use jobs::{Cleanup, Runner};
use runtime::{Clock, Deadline};
use serde_json::Value;
use store::{MomentRow, Writer};
use testkit::Random;
use uuid::Uuid;

use crate::rollups::{
    METRICS, TO, assert_rolled, job, moment, paged, pipeline, roll, slot, world, write, zone,
};
use crate::world::{World, at};

/// Moments that are read in one slice.
const PAGE: usize = 300;
/// Three hours with a moment a second, in whose middle a day of Kolkata ends, and two days with one every 5 minutes.
const MOMENTS: &str = "
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\", quality)
    select s, at, at, '00000000-0000-0000-0000-000000000000',
           array[n % 50, null, n % 700, n % 360, n % 9, n % 2], array[(n % 7 = 0)::int * 2, null, 0, 0, n % 2, 0]::smallint[]
    from generate_series(1, 2) s,
         lateral (select extract(epoch from at)::bigint * 7919 % 100003 as n, at
                  from (select generate_series(timestamptz '2026-11-28 17:00Z', '2026-11-28 19:59:59Z', '1 second')
                        union select generate_series(timestamptz '2026-11-27 12:00Z', '2026-11-29 19:55Z', '5 minutes')) t (at)) m";

struct Run {
    runner: Runner<Cleanup>,
}

impl Run {
    /// Of a slot, of which [`PAGE`] moments are read at once.
    async fn of(world: &World, hours: i64) -> Self {
        let slot = slot(hours);
        world.execute(&format!("insert into job_slot (job, slot) values ('cleanup', '{slot}')")).await;
        let database = world.as_cleanup.clone();
        let job = paged(pipeline(), PAGE);
        Self { runner: Runner { name: "cleanup", job, database, clock: Clock::manual(slot) } }
    }

    /// One slice; whether the slot is done.
    async fn slice(&self, world: &World) -> bool {
        let ran = self.runner.run(Deadline::within(Duration::ZERO)).await.unwrap();
        assert_eq!(store::jobs::failed(&world.client().await).await.unwrap(), []);
        self.runner.clock.set(self.runner.clock.now() + SignedDuration::from_mins(1));
        ran.done == 1
    }

    /// Slices until the hour at 17:00 is begun, of `hours` or `due`.
    async fn until_begun(&self, world: &World, of: &str) {
        let hour = at("2026-11-28T17:00:02Z")..at("2026-11-28T18:00:00Z");
        while begun(world).await.is_none_or(|begun| begun.0 != of || !hour.contains(&begun.1)) {
            assert!(!self.slice(world).await, "the hour was not begun");
        }
    }

    async fn finish(&self, world: &World) {
        while !self.slice(world).await {}
    }
}

/// What the open slot has begun to read: of which part of its work, and from when on the rest is to be read.
async fn begun(world: &World) -> Option<(String, jiff::Timestamp)> {
    let sql = "select cursor -> 'after' from job_slot where state = 'open' and cursor -> 'after' -> 'begun' is not null";
    let row = world.client.query_opt(sql, &[]).await.unwrap()?;
    let cursor: Value = row.get(0);
    let begun = &cursor["begun"];
    let at = begun["at"].as_str().or_else(|| begun["begun"]["at"].as_str())?;
    let is_day = begun["day"].is_string();
    Some((format!("{}{}", cursor["of"].as_str()?, if is_day { " day" } else { "" }), at.parse().unwrap()))
}

/// A moment of a stream at a second, whose values are not those of [`MOMENTS`].
fn late(stream: i32, observed: &str) -> MomentRow {
    let received = at(TO) + SignedDuration::from_hours(3);
    let row = MomentRow::new(stream, at(observed), received, Uuid::from_u128(1));
    let values =
        METRICS.map(|(name, kind)| (name != "note").then(|| if kind == "flag" { 1.0 } else { 5000.0 }));
    MomentRow { values: values.to_vec(), ..row }
}

/// Writers store late readings between the slices, before and behind what is read.
#[tokio::test]
async fn hours_of_more_moments_than_a_page_are_those_of_all_readings_whatever_is_written_meanwhile() {
    let Some(world) = world().await else { return };
    world.execute(MOMENTS).await;
    let writer = Writer::start(&world.database);
    let mut numbers = Random::new(17);
    let (mut slices, mut written, mut seen) = (0, 0, BTreeSet::new());
    for hours in [9, 6] {
        let run = Run::of(&world, hours).await;
        while !run.slice(&world).await {
            slices += 1;
            seen.extend(begun(&world).await.map(|(of, _)| of));
            // Whatever an hour has, what goes with the cursor is as much as its metrics have.
            assert_eq!(world.count("job_slot where length(cursor::text) > 12000").await, 0);
            if numbers.below(4) == 0 {
                written += 1;
                let mut row = |stream| {
                    let second = numbers.below(3 * 3600) as i64;
                    let observed_at = at("2026-11-28T17:00:00Z") + SignedDuration::from_secs(second);
                    MomentRow { observed_at, ..moment(&mut numbers, stream, written) }
                };
                let rows = vec![row(1), row(2)];
                write(&writer, rows, written).await;
            }
        }
    }
    assert!(slices > 2 * 3 * 3600 / PAGE, "{slices} slices");
    let all = ["days", "due", "due day", "hours"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
    Run::of(&world, 0).await.finish(&world).await;
    assert_eq!(world.count(&format!("rollup_due where hour < '{TO}'")).await, 0);
    assert_rolled(&world, "moment", zone).await;
}

#[tokio::test]
async fn what_is_written_into_the_part_of_an_hour_that_is_read_makes_it_due_again() {
    let Some(world) = world().await else { return };
    world.execute(MOMENTS).await;
    let writer = Writer::start(&world.database);
    let hour = "rollup_due where stream_id = 1 and hour = '2026-11-28 17:00Z'";
    // While it is rolled up for the first time, and again.
    for (of, hours, second) in [("hours", 9, "17:00:00"), ("due", 6, "17:00:01")] {
        let run = Run::of(&world, hours).await;
        run.until_begun(&world, of).await;
        let observed = format!("2026-11-28T{second}Z");
        write(&writer, vec![late(1, &observed)], hours.unsigned_abs().into()).await;
        if of == "hours" {
            // It is rolled up again by the same slot, but for what is written while that is under way.
            run.until_begun(&world, "due").await;
            write(&writer, vec![late(1, &observed)], 100).await;
            write(&writer, vec![late(1, "2026-11-28T17:59:59Z")], 101).await;
        }
        run.finish(&world).await;
        assert_eq!(world.count(hour).await, 1, "{of}");
    }
    Run::of(&world, 0).await.finish(&world).await;
    assert_eq!(world.count(hour).await, 0);
    assert_rolled(&world, "moment", zone).await;
}

/// The moments at the ends of the day are more than a page; the hour behind it is of a day that is not over.
#[tokio::test]
async fn an_hour_stays_due_until_its_day_is_made() {
    let Some(world) = world().await else { return };
    world.execute(MOMENTS).await;
    let writer = Writer::start(&world.database);
    Run::of(&world, 9).await.finish(&world).await;
    let rows = vec![late(2, "2026-11-28T10:01:00Z"), late(2, "2026-11-29T09:01:00Z")];
    write(&writer, rows, 1).await;
    let run = Run::of(&world, 6).await;
    while begun(&world).await.is_none_or(|(of, _)| of != "due day") {
        assert!(!run.slice(&world).await, "the day was not begun");
    }
    assert_eq!(world.count("rollup_due where hour = '2026-11-28 10:00Z'").await, 1);
    run.finish(&world).await;
    Run::of(&world, 0).await.finish(&world).await;
    assert_eq!(world.count(&format!("rollup_due where hour < '{TO}'")).await, 0);
    assert_rolled(&world, "moment", zone).await;
}

/// Whoever renews the lease over an hour that is begun finds it another process's.
const LEASE_IS_LOST: &str = "
    create function lose() returns trigger language plpgsql as $$ begin new.lease := gen_random_uuid(); return new; end $$;
    create trigger lose before update on job_slot for each row
    when (new.lease = old.lease and new.cursor #>> '{after,begun,span,from}' = '2026-11-28T17:00:00Z') execute function lose();";

#[tokio::test]
async fn a_process_that_lost_its_lease_between_two_pages_writes_nothing_and_another_goes_on() {
    let Some(world) = world().await else { return };
    world.execute(MOMENTS).await;
    world.execute(LEASE_IS_LOST).await;
    let run = Run::of(&world, 0).await;
    let long = || Deadline::within(Duration::from_secs(60));
    run.runner.run(long()).await.unwrap();
    let (of, read_to) = begun(&world).await.unwrap();
    assert!(at("2026-11-28T17:00:00Z") < read_to && read_to < at("2026-11-28T18:00:00Z"), "{read_to}");
    let hour = "rollup_hour where stream_id = 1 and hour >= '2026-11-28 17:00Z'";
    assert_eq!((of.as_str(), world.count(hour).await), ("hours", 0));
    assert!(world.count("rollup_hour where stream_id = 1").await > 0, "hours before are there");
    // Nobody has it before the lease is over, and then it goes on where it was.
    assert_eq!(run.runner.run(long()).await.unwrap().slices, 0);
    assert_eq!(begun(&world).await.unwrap().1, read_to);
    world.execute("drop trigger lose on job_slot").await;
    run.runner.clock.set(run.runner.clock.now() + SignedDuration::from_mins(3));
    run.slice(&world).await;
    assert!(begun(&world).await.unwrap().1 > read_to);
    run.finish(&world).await;
    assert_rolled(&world, "moment", zone).await;
}

/// Values that no sum of two has without rounding, the least and the greatest.
const DOUBLES: &str = "
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select 1, at, at, '00000000-0000-0000-0000-000000000000',
           array[n / 3.0, null, 1e300 * n, power(0.1::float8, n::float8) * 5e-24, 1.7e308 * sin(n), 1 - n % 2]::float8[]
    from generate_series(0, 299) n, lateral (select '2026-11-28 17:00Z'::timestamptz + n * interval '7.000007 seconds' as at) t";

#[tokio::test]
async fn parts_of_pages_are_those_of_the_hour_to_the_last_digit() {
    let Some(world) = world().await else { return };
    world.execute(DOUBLES).await;
    let rolled = async || {
        let sql = "select r::text from rollup_hour r order by stream_id, position, hour";
        let rows = world.client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    roll(&world, job(pipeline()), slot(6)).await;
    let at_once = rolled().await;
    assert_eq!(at_once.len(), 5);
    world.execute("delete from rollup_hour; delete from rollup_day; update rollup_progress set hours_to = null, days_to = null").await;
    roll(&world, paged(pipeline(), 7), slot(3)).await;
    assert_eq!(rolled().await, at_once);
}
