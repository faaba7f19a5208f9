//! What it takes to roll up an hour that has very many moments: the memory and the longest transaction.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline};
use store::{Database, DatabaseSettings};

/// Moments of the hour, evenly, where `FRESHET_LONG` does not say that the test may take long; and where it does: 1 kHz.
const FEW: i64 = 200_000;
const MANY: i64 = 3_600_000;
/// A transaction of Freshet's own reads moments for no longer than this.
const LONGEST: Duration = Duration::from_secs(5);
/// Memory that a page of moments may take, in KiB, whatever the hour has.
const MEMORY: i64 = 100 * 1024;

/// A device in India, where a day ends in the middle of the hour.
const HOUR: &str = "
    select make_partition('moment', '2026-11-01');
    insert into device (source, name, first_seen_at, last_seen_at) values ('s', 'd', now(), now());
    insert into stream (device_id, channel) select id, '' from device;
    insert into metric select id, position, name, '', 'number'
    from stream, unnest('{x,y,z,energy}'::text[]) with ordinality m (name, number), lateral (select number - 1) p (position);
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select 1, at, at, '00000000-0000-0000-0000-000000000000', array[n % 100, n % 77, n % 360, n]
    from generate_series(0, $MOMENTS - 1) n,
         lateral (select timestamptz '2026-11-28 18:00Z' + n * interval '1 hour' / $MOMENTS as at) t;
    analyze;
    insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z');
    insert into job_slot (job, slot) values ('cleanup', '2026-11-29 20:15Z');";

/// The most memory that the process has held since this was asked last, in KiB.
fn peak() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn an_hour_of_very_many_moments_takes_short_transactions_and_little_memory() {
    let Some(place) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(place.url()).unwrap();
    store::migrate(&settings).await.unwrap();
    let moments = if std::env::var_os("FRESHET_LONG").is_some() { MANY } else { FEW };
    let client = place.connect().await;
    client.batch_execute(&HOUR.replace("$MOMENTS", &moments.to_string())).await.unwrap();
    let pipeline =
        "sources: {s: {format: json, time_zone: Asia/Kolkata}}\nnames: {energy: {aggregate: counter}}";
    let runner = Runner {
        name: "cleanup",
        job: Cleanup::new(Pipeline::parse(pipeline, "freshet.yaml").unwrap()),
        database: Database::new(&settings),
        clock: Clock::manual("2026-11-29T20:20:00Z".parse().unwrap()),
    };
    peak();
    let before = peak();
    let (began, mut longest, mut slices, mut done) = (Instant::now(), Duration::ZERO, 0, 0);
    while done == 0 {
        let slice = Instant::now();
        let ran = runner.run(Deadline::within(Duration::ZERO)).await.unwrap();
        longest = longest.max(slice.elapsed());
        (slices, done) = (slices + ran.slices, ran.done);
        runner.clock.set(runner.clock.now() + SignedDuration::from_mins(1));
        assert_eq!(store::jobs::failed(&runner.database.client().await.unwrap()).await.unwrap(), []);
    }
    let memory = peak() - before;
    println!(
        "{moments} moments of an hour: {:?}, {slices} slices, the longest {longest:?}, {memory} KiB",
        began.elapsed()
    );
    for (table, n) in [("rollup_hour", moments), ("rollup_day", moments / 2)] {
        let sql = format!("select count(*) from {table} where n = $1 and last > first");
        let parts: i64 = client.query_one(&sql, &[&n]).await.unwrap().get(0);
        assert!(parts > 0, "{table}");
    }
    assert!(longest < LONGEST, "{longest:?}");
    assert!(memory < MEMORY, "{memory} KiB");
}
