//! Readings go below the floors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_model::{Name, Quality, Reading, ReceiptOutcome, Sample, Value};
use jiff::{SignedDuration, Timestamp};
use jobs::Runner;
use retention::{Retention, Step};
use runtime::{Clock, Deadline};
use store::{KeptRequest, NewDevices, Payload, PayloadSamples, Receipt, Streams, Tags, WriteError, Writer};
use uuid::Uuid;

use crate::cleanup::{DAY, NOW, clean, plan};
use crate::world::{World, at, cleanup};

/// Two sources of three devices, an hourly reading each from June to November; one old reading of a device in no month of its own.
const READINGS: &str = "
    select make_partition('moment', first::date) from generate_series(timestamptz '2026-06-01Z', '2026-11-01Z', '1 month') first;
    insert into device (source, name, first_seen_at, last_seen_at)
    select source, 'd' || n, '2026-06-01Z', '2026-11-30Z' from unnest('{attic,yard}'::text[]) source, generate_series(1, 3) n;
    insert into stream (device_id, channel) select id, '' from device;
    insert into metric select id, 0, 'temperature', 'Cel', 'number' from stream;
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select stream.id, at, at, gen_random_uuid(), '{21.5}'
    from stream, generate_series(timestamptz '2026-06-01Z', '2026-11-29Z', interval '1 hour') at;
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select min(id), '2019-05-01Z', '2026-06-01Z', gen_random_uuid(), '{21.5}' from stream;";

fn kept(days: i32) -> Option<SignedDuration> {
    Some(DAY * days)
}

async fn moments(world: &World, source: &str) -> i64 {
    world.count(&format!("moment join stream s on s.id = stream_id join device d on d.id = device_id where source = '{source}'")).await
}

#[tokio::test]
async fn months_go_that_no_source_keeps_and_of_one_that_is_kept_for_less_its_readings() {
    let Some(world) = World::build().await else { return };
    world.execute(READINGS).await;
    // To 2026-08-02 and, of the attic, 2026-10-31.
    let retention = Retention {
        readings: kept(120),
        readings_of: BTreeMap::from([("attic".to_owned(), kept(30))]),
        ..Retention::default()
    };
    let planned = plan(&world, retention.clone()).await;
    let rows = |wanted: fn(&Step) -> bool| {
        planned.iter().filter(|(step, _)| wanted(step)).map(|(_, rows)| *rows).collect::<Vec<_>>()
    };
    assert_eq!(rows(|step| matches!(step, Step::Readings { .. })), [6 * 30 * 24, 6 * 31 * 24]);
    assert_eq!(rows(|step| matches!(step, Step::StrayReadings { .. })), [1]);
    // As long as the months are there, theirs are counted too: 152 days and 3 hours of three devices, and the old one.
    assert_eq!(rows(|step| matches!(step, Step::ReadingsOf { .. })), [3 * (152 * 24 + 3) + 1]);
    let (of_attic, of_yard) = (moments(&world, "attic").await, moments(&world, "yard").await);
    let result = clean(&world, retention.clone()).await;
    let done: Vec<(Step, u64)> = result
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (serde_json::from_value(step.clone()).unwrap(), step["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        done.iter().map(|(step, _)| step).collect::<Vec<_>>(),
        planned.iter().map(|(step, _)| step).collect::<Vec<_>>()
    );
    let of_months = 3 * 61 * 24;
    assert_eq!(moments(&world, "yard").await, of_yard - of_months);
    assert_eq!(moments(&world, "attic").await, of_attic - 3 * (152 * 24 + 3) - 1);
    assert_eq!(world.count("pg_class where relname ~ '^moment_2026_[0-9]+$'").await, 4);
    assert_eq!(world.count("retention_floor where source = 'attic' and cleared_at = at").await, 1);
    // Nothing is left of the plan, and the next one is of what comes in between.
    let again = plan(&world, retention).await;
    assert!(!again.iter().any(|(step, _)| matches!(step, Step::Floor { .. } | Step::ReadingsOf { .. })));
    assert_eq!(again.iter().map(|(_, rows)| rows).sum::<i64>(), 0);
}

#[tokio::test]
async fn a_month_that_is_read_is_waited_for_and_holds_up_nobody_for_longer() {
    let Some(world) = World::build().await else { return };
    world.execute(READINGS).await;
    let (database, clock) = (world.as_cleanup.clone(), Clock::manual(at(NOW)));
    let job = cleanup(Retention { readings: kept(120), ..Retention::default() });
    let runner = Runner { name: "cleanup", job, database, clock };
    world.execute("insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-29Z')").await;
    world.execute(&format!("insert into job_slot (job, slot) values ('cleanup', '{NOW}')")).await;
    let run = || runner.run(Deadline::within(Duration::from_secs(60)));
    run().await.unwrap();
    runner.clock.set(runner.clock.now() + SignedDuration::from_mins(1));
    // One reads June and does not end, and one asks for it while the run waits.
    world.execute("begin").await;
    assert_eq!(world.count("moment where observed_at < '2026-07-01Z'").await, 6 * 30 * 24 + 1);
    let other = world.client().await;
    let read = async {
        let waits = "select exists (select from pg_locks where not granted and mode = 'AccessExclusiveLock')";
        while !other.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        other.query("select count(*) from moment where observed_at < '2026-07-01Z'", &[]).await.unwrap();
    };
    let (ran, ()) = tokio::join!(run(), read);
    assert_eq!(ran.unwrap().done, 0);
    let slot = store::jobs::newest_slots(&world.client().await, "cleanup", 1).await.unwrap().remove(0);
    let reason = slot.error.unwrap();
    assert!(reason.contains("lock timeout"), "{reason}");
    assert_eq!((slot.state.as_str(), world.count("moment_2026_06").await), ("open", 6 * 30 * 24));
    // It is tried again once the reader has gone.
    world.execute("commit").await;
    runner.clock.set(runner.clock.now() + SignedDuration::from_mins(2));
    assert_eq!(run().await.unwrap().done, 1);
    assert_eq!(world.count("pg_class where relname = 'moment_2026_06'").await, 0);
}

pub(crate) fn payload(id: u128, now: Timestamp, rows: Vec<store::MomentRow>) -> Payload {
    Payload {
        key: None,
        receipt: Receipt {
            id: Uuid::from_u128(id),
            received_at: now,
            source: "attic".into(),
            event_id: id.to_string(),
            format: "json".into(),
            pipeline: 1,
            traceparent: None,
            outcome: ReceiptOutcome::Stored,
            readings: rows.len(),
            expired: 0,
            problems: 0,
            request: KeptRequest::No,
        },
        rows,
        evaluation_requests: Vec::new(),
        dead_letter: None,
        seen: Vec::new(),
        registry: 1,
        held: None,
    }
}

/// Writers store readings of every age while the floor of their source moves and cleanup takes away what is below it, over and
/// over. In the end nothing is below the floor, whatever came late, and each reading is stored or counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_arrives_behind_what_went() {
    let Some(world) = World::build().await else { return };
    let now = at(NOW);
    let streams = Streams::new(world.database.clone());
    let reading = Reading {
        metric: "t".into(),
        value: Value::Number(1.0),
        unit: None,
        quality: Quality::Good,
        flags: Vec::new(),
        raw_metric: None,
    };
    let samples: Vec<Sample> =
        (0..200).map(|n| Sample::of("d".into(), Name::default(), now - DAY * n, reading.clone())).collect();
    let resolved = streams
        .resolve(&PayloadSamples {
            source: "attic",
            source_tags: &Tags::new(),
            device_tags: &[],
            received_at: now,
            receipt_id: Uuid::nil(),
            samples: &samples,
            new_devices: NewDevices { per_payload: 10, per_hour: None, known_only: false },
        })
        .await
        .unwrap();
    let rows = &resolved.streams[0].rows;
    let age = SignedDuration::from_millis(200);
    let ended = AtomicBool::new(false);
    let write = async |writer: Writer, first: u128| {
        let (mut id, mut refused) = (first, 0u32);
        while !ended.load(Ordering::Relaxed) {
            id += 1;
            let mut rows = rows.clone();
            rows.iter_mut().for_each(|row| row.receipt_id = Uuid::from_u128(id));
            match writer.write(payload(id, now, rows)).await {
                Ok(_) => {}
                // It held on to its floors for too long.
                Err(WriteError::Unavailable(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (id - first, refused)
    };
    let clean = async {
        let clock = Clock::manual(now);
        world.execute("insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-29Z')").await;
        for days in [120, 90, 60, 30] {
            let retention = Retention {
                readings_of: BTreeMap::from([("attic".to_owned(), kept(days))]),
                ..Retention::default()
            };
            let mut job = cleanup(retention);
            job.floor_age = age;
            let runner =
                Runner { name: "cleanup", job, database: world.as_cleanup.clone(), clock: clock.clone() };
            world
                .execute(&format!("insert into job_slot (job, slot) values ('cleanup', '{}')", clock.now()))
                .await;
            while runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done == 0 {
                assert_eq!(store::jobs::failed(&world.client().await).await.unwrap(), []);
                clock.set(clock.now() + SignedDuration::from_mins(1));
            }
            // Here and now nothing is below it.
            let below = "moment m, retention_floor f where m.observed_at < f.at";
            assert_eq!(world.count(below).await, 0, "{days} days");
        }
        ended.store(true, Ordering::Relaxed);
    };
    let writers = [1u128, 2].map(|n| write(Writer::with_floor_age(&world.database, age), n << 64));
    let [first, second] = writers;
    let ((), (of_first, _), (of_second, _)) = tokio::join!(clean, first, second);
    assert_eq!(world.count("moment m, retention_floor f where m.observed_at < f.at").await, 0);
    assert!(of_first > 3 && of_second > 3);
    // The floors are whole hours, of which one passes.
    let wrong = "receipt where readings + coalesce(expired, 0) <> 200 or readings not in (200, 121, 120, 91, 90, 61, 60, 31, 30)";
    assert_eq!(world.count(wrong).await, 0);
    assert!(world.count("receipt where expired >= 169").await > 0, "what came last met the last floor");
}
