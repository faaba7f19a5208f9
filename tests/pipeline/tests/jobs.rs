//! Timed work by real processes: a slot is done once, whatever ticks are lost or come twice and whatever dies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{Timestamp, ToSpan};
use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::eventually;

const PIPELINE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
retention: {dead_letters: 30d}
jobs: {cleanup: {at: '30 2 * * *', zone: Europe/Berlin}}
";

/// The evening before the night in which the clock goes from 2:00 to 3:00.
const START: &str = "2026-03-28T20:00:00Z";

struct Place {
    stand: Stand,
    start: Timestamp,
}

impl Place {
    async fn open() -> Option<Self> {
        Self::open_with(PIPELINE).await
    }

    async fn open_with(pipeline: &str) -> Option<Self> {
        let start: Timestamp = START.parse().unwrap();
        let mut plan = Plan::new(pipeline);
        plan.clock = Some(start);
        let place = Self { stand: Stand::up(plan).await?, start };
        let rows = "
            insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
            select 'field', n::text, now(), timestamptz '2026-03-14 00:00Z' + n * interval '1 day', gen_random_uuid(), 'stored'
            from generate_series(-11000, 5) n";
        place.stand.database().await.batch_execute(rows).await.unwrap();
        place.tick(0).await;
        Some(place)
    }

    async fn tick(&self, minute: i64) {
        self.stand.set_clock(self.start + minute.minutes());
        self.stand.tick().await;
    }

    async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.stand.database().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_slot_of_cleanup_is_done_once_whatever_dies_meanwhile() {
    let Some(place) = Place::open().await else { return };
    // 2:30 does not come in that night: the slot is at 3:00, which is 1:00 UTC.
    place.stand.crash_at("cleanup", "before-write");
    place.tick(300).await;
    let died = async || place.stand.has_crashed("cleanup", "before-write");
    eventually(PATIENCE, died).await;
    assert_eq!(
        place.one::<i64>("select count(*) from receipt_key").await,
        11_006,
        "its transaction has ended with it"
    );
    place.stand.crash_at("cleanup", "after-commit");
    place.tick(305).await;
    let died = async || place.stand.has_crashed("cleanup", "after-commit");
    eventually(PATIENCE, died).await;
    place.tick(310).await;
    place.tick(310).await;
    let done = async || place.one::<i64>("select count(*) from job_slot where state = 'done'").await == 1;
    eventually(PATIENCE, done).await;
    // Of the keys, those are left that had expired no more than 14 days before the slot: those of the 16th to the 19th of March.
    assert_eq!(place.one::<i64>("select count(*) from receipt_key").await, 4);
    let slot: String = place
        .one("select string_agg(slot::timestamptz at time zone 'UTC' || ' ' || attempts, ', ') from job_slot")
        .await;
    assert_eq!(slot, "2026-03-29 01:00:00 2");
    assert_eq!(place.one::<i64>("select (result -> 0 ->> 'rows')::bigint from job_slot").await, 11_002);
    place.stand.down().await;
}

#[tokio::test]
async fn a_site_is_told_of_its_day_once_whatever_dies_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let reports = format!(
        "{PIPELINE}  report: {{at: '30 2 * * *', zone: Europe/Berlin}}\n  cleanup: {{at: '0 1 * * *', zone: Europe/Berlin}}\n\
         sites: {{north: {{zone: Europe/Berlin}}}}\n\
         reports: {{storage: {{folder: '{}'}}}}\n",
        folder.path().display()
    );
    let reports = reports.replace("jobs: {cleanup: {at: '30 2 * * *', zone: Europe/Berlin}}\n", "jobs:\n");
    let Some(place) = Place::open_with(&reports).await else { return };
    // What it is made of is rolled up before, at midnight in UTC.
    place.tick(245).await;
    let rolled = "select count(*) from job_slot where job = 'cleanup' and state = 'done'";
    eventually(PATIENCE, async || place.one::<i64>(rolled).await == 1).await;
    for (minute, point) in [(300, "before-write"), (305, "after-commit")] {
        place.stand.crash_at("report", point);
        place.tick(minute).await;
        eventually(PATIENCE, async || place.stand.has_crashed("report", point)).await;
    }
    place.tick(310).await;
    place.tick(310).await;
    let done = "select count(*) from job_slot where job = 'report' and state = 'done'";
    eventually(PATIENCE, async || place.one::<i64>(done).await == 1).await;
    let made: String =
        place.one("select string_agg(kind || ' ' || first_day || ' ' || key, ', ') from report").await;
    assert_eq!(made, "day 2026-03-28 north/2026-03-28/day.html");
    let page = std::fs::read_to_string(folder.path().join("north/2026-03-28/day.html")).unwrap();
    assert!(page.contains("Saturday, 28 March 2026"), "{page}");
    place.stand.down().await;
}

#[tokio::test]
async fn ticks_that_were_lost_over_a_weekend_leave_one_slot_to_do() {
    let Some(place) = Place::open().await else { return };
    place.tick(3 * 24 * 60).await;
    let done = async || place.one::<i64>("select count(*) from job_slot where state = 'done'").await == 1;
    eventually(PATIENCE, done).await;
    let slot: Timestamp = place.one("select max(slot) from job_slot").await;
    assert_eq!(slot, "2026-03-31T00:30:00Z".parse().unwrap());
    place.stand.down().await;
}
