//! Reports while processes die, stand still past their leases, and ticks are lost or come twice: each day of each site has one report, in rows and
//! in pages.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use receivers::{AddressPolicy, Outgoing};
use report::{Config, NAME, ReportJob};
use rollups::day_of;
use runtime::{Clock, Deadline};
use sha2::{Digest as _, Sha256};
use store::{Database, DatabaseSettings};
use tempfile::TempDir;
use testkit::Random;

/// Each of which changes its clocks within these days, but for India and Samoa.
const ZONES: [(&str, &str); 6] = [
    ("berlin", "Europe/Berlin"),
    ("london", "Europe/London"),
    ("pune", "Asia/Kolkata"),
    ("lord-howe", "Australia/Lord_Howe"),
    ("apia", "Pacific/Apia"),
    ("santiago", "America/Santiago"),
];
const FIRST: Date = date(2026, 3, 27);
/// Days on which there may be a slot; there is one on the first and on the last.
const DAYS: i32 = 11;

/// A device of each site that has sent every three hours.
const ROWS: &str = "
    insert into device (source, name, first_seen_at, last_seen_at) select 's', site, now(), now() from unnest($SITES) site order by site;
    insert into device_entry (source, name, registered) select 's', site, jsonb_build_object('site', site) from unnest($SITES) site;
    insert into stream (device_id, channel) select id, '' from device order by id;
    insert into metric select id, 0, 'temperature', 'Cel', 'number' from stream;
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select id, at, at, gen_random_uuid(), array[extract(hour from at)] from stream, generate_series(timestamptz '2026-03-20Z', '2026-04-10Z', interval '3 hours') at;
    insert into job (name, schedule, zone, known_since) values ('report', '30 6 * * *', 'UTC', '2026-01-01Z');";

fn slot_of(day: Date) -> Timestamp {
    day.at(6, 30, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn pipeline(folder: &Path) -> Pipeline {
    let sites: Vec<String> = ZONES.iter().map(|(site, zone)| format!("  {site}: {{zone: {zone}}}")).collect();
    let text = format!(
        "sources: {{s: {{format: json}}}}\nreports: {{storage: {{folder: '{}'}}}}\nsites:\n{}\n",
        folder.display(),
        sites.join("\n")
    );
    Pipeline::parse(&text, "freshet.yaml").unwrap()
}

fn process(url: &str, folder: &Path, clock: &Clock) -> Runner<ReportJob> {
    let pipeline = pipeline(folder);
    let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), None));
    let database = Database::new(&DatabaseSettings::from_url(url).unwrap().pool_size(1));
    let job = ReportJob::new(Config { pipeline, outgoing, roots: None }, clock.clone());
    Runner { name: NAME, job, database, clock: clock.clone() }
}

/// The last day that was over in a zone 15 minutes before a slot.
fn last_day(zone: &str, slot: Timestamp) -> Date {
    let zone = TimeZone::get(zone).unwrap();
    day_of(&zone, slot - SignedDuration::from_mins(15)).unwrap().date.yesterday().unwrap()
}

async fn hold(seed: u64) -> bool {
    let Some(place) = testkit::postgres().await else { return false };
    store::migrate(&DatabaseSettings::from_url(place.url()).unwrap()).await.unwrap();
    let client = place.connect().await;
    let sites: Vec<String> = ZONES.iter().map(|(site, _)| format!("'{site}'")).collect();
    let sites = format!("array[{}]", sites.join(","));
    client.batch_execute(&ROWS.replace("$SITES", &sites)).await.unwrap();
    let folder = TempDir::new().unwrap();
    let rolled = "
        insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-01-01Z');
        insert into job_slot (job, slot) values ('cleanup', '2026-04-10 03:10Z')";
    client.batch_execute(rolled).await.unwrap();
    let cleanup = Runner {
        name: "cleanup",
        job: Cleanup::new(pipeline(folder.path())),
        database: Database::new(&DatabaseSettings::from_url(place.url()).unwrap()),
        clock: Clock::manual("2026-04-10T03:10:00Z".parse().unwrap()),
    };
    assert_eq!(cleanup.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done, 1);
    let mut numbers = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let clock = Clock::manual(slot_of(FIRST));
    let days: Vec<Date> = FIRST.series(1.day()).take(DAYS as usize).collect();
    for (number, day) in days.iter().enumerate() {
        let is_lost = numbers.below(3) == 0 && number != 0 && number + 1 != days.len();
        if is_lost {
            continue;
        }
        let slot = slot_of(*day);
        clock.set(clock.now().max(slot));
        for _ in 0..=numbers.below(2) {
            let sql = "insert into job_slot (job, slot) values ('report', $1) on conflict do nothing";
            client.execute(sql, &[&slot]).await.unwrap();
        }
        // Processes that die at whatever they were doing, two at a time.
        for _ in 0..numbers.below(3) {
            let killed = [0, 1].map(|_| {
                let (process, after) = (process(place.url(), folder.path(), &clock), numbers.below(60));
                async move {
                    let run = process.run(Deadline::within(Duration::from_secs(60)));
                    let _ = tokio::time::timeout(Duration::from_millis(after), run).await;
                }
            });
            let [one, other] = killed;
            tokio::join!(one, other);
            // Nobody has their leases any more.
            clock.set(clock.now() + SignedDuration::from_mins(3));
        }
        for _ in 0..200 {
            let (one, other) =
                (process(place.url(), folder.path(), &clock), process(place.url(), folder.path(), &clock));
            let deadline = || Deadline::within(Duration::from_secs(60));
            let (one, other) = tokio::join!(one.run(deadline()), other.run(deadline()));
            one.unwrap();
            other.unwrap();
            let open = "select count(*) from job_slot where state <> 'done'";
            if client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                break;
            }
            // Its session may be there still, whose process has died.
            clock.set(clock.now() + SignedDuration::from_mins(3));
        }
    }
    let left = client
        .query("select slot::text, state, error from job_slot where state <> 'done'", &[])
        .await
        .unwrap();
    let left: Vec<(String, String, Option<String>)> =
        left.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(left, [], "seed {seed}");
    let mut pages = 0;
    for (site, zone) in ZONES {
        let (first, last) = (last_day(zone, slot_of(days[0])), last_day(zone, slot_of(days[days.len() - 1])));
        let expected: BTreeSet<(String, Date)> = first
            .series(1.day())
            .take_while(|day| *day <= last)
            .map(|day| ("day".to_owned(), day))
            .chain([("month".to_owned(), date(2026, 3, 1))])
            .collect();
        let rows = client
            .query("select kind, first_day, key, sha256 from report where site = $1", &[&site])
            .await
            .unwrap();
        let made: BTreeSet<(String, Date)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!((made, rows.len()), (expected.clone(), expected.len()), "seed {seed}: {site}");
        for row in &rows {
            let page = std::fs::read(folder.path().join(row.get::<_, String>(2))).unwrap();
            assert_eq!(row.get::<_, Vec<u8>>(3), Sha256::digest(&page).to_vec(), "seed {seed}: {site}");
        }
        pages += rows.len();
    }
    let files = walk(folder.path());
    assert_eq!(files, pages, "seed {seed}: pages that no row knows");
    true
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_day_of_each_site_has_one_report_whatever_dies() {
    let seeds: u64 = std::env::var("FRESHET_SEEDS").map_or(3, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        if !hold(seed).await {
            return;
        }
    }
}
