//! `freshet readings --every`: what the readings of each span come to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline};
use serde_json::Value;
use store::{Database, DatabaseSettings};
use testkit::TestDatabase;

use crate::process::{Run, freshet_with};

const PIPELINE: &str = "
sites:
  north: {zone: Asia/Kolkata}
sources:
  yard: {format: json, credentials: [{bearer: {env: T}}], time_zone: Europe/Berlin}
devices:
  yard:
    filed: {site: north}
names:
  rain: {aggregate: counter}
rollups: {gap: 30m}
";

/// A mean, a counter that is reset between two spans, a flag, a text; a bad value, and an empty span.
const ROWS: &str = r#"
    insert into device (source, name, first_seen_at, last_seen_at) values
        ('yard', 'd', now(), now()), ('yard', 'filed', now(), now()), ('yard', 'placed', now(), now());
    insert into device_entry (source, name, registered) values ('yard', 'placed', '{"site": "north"}');
    insert into stream (device_id, channel) values (1, ''), (2, ''), (3, '');
    insert into metric (stream_id, position, name, unit, kind) values
        (1, 0, 'temperature', 'Cel', 'number'), (1, 1, 'rain', 'mm', 'number'), (1, 2, 'door_open', '', 'flag'), (1, 3, 'note', '', 'text'),
        (2, 0, 'temperature', 'Cel', 'number'), (3, 0, 'temperature', 'Cel', 'number');
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values", texts, quality) values
        (1, '2026-03-01T12:00Z', now(), gen_random_uuid(), '{10, 5, 1}', '{null, null, null, hello}', null),
        (1, '2026-03-01T12:10Z', now(), gen_random_uuid(), '{20, 7, 0}', null, null),
        (1, '2026-03-01T12:14:59.999999Z', now(), gen_random_uuid(), '{-999}', null, '{2}'),
        (1, '2026-03-01T12:15Z', now(), gen_random_uuid(), '{40, 1, 1}', null, '{1}'),
        (1, '2026-03-01T12:45Z', now(), gen_random_uuid(), '{50, 4}', null, null),
        (2, '2026-03-01T18:29Z', now(), gen_random_uuid(), '{1}', null, null),
        (2, '2026-03-01T18:30Z', now(), gen_random_uuid(), '{2}', null, null),
        (3, '2026-03-01T18:29Z', now(), gen_random_uuid(), '{1}', null, null),
        (3, '2026-03-01T18:30Z', now(), gen_random_uuid(), '{2}', null, null);"#;

struct World {
    database: TestDatabase,
    folder: tempfile::TempDir,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        store::migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
        database.connect().await.batch_execute(ROWS).await.unwrap();
        let world = Self { database, folder: tempfile::tempdir().unwrap() };
        std::fs::write(world.folder.path().join("freshet.yaml"), PIPELINE).unwrap();
        Some(world)
    }

    fn every(&self, arguments: &[&str]) -> Run {
        let pipeline = self.folder.path().join("freshet.yaml");
        let run = freshet_with(
            &[&["readings", "--every"], arguments].concat(),
            &[("DATABASE_URL", self.database.url()), ("FRESHET_PIPELINE", pipeline.to_str().unwrap())],
        );
        assert_eq!(run.status, 0, "{}", run.stderr);
        run
    }

    /// Where each span begins, its value, and how many readings it has.
    fn spans(&self, arguments: &[&str], metric: &str) -> Vec<(String, Value, u64)> {
        let run = self.every(&[arguments, &["--metric", metric, "-o", "ndjson"]].concat());
        let span = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["from"].as_str().unwrap().to_owned(), line["value"].clone(), line["n"].as_u64().unwrap())
        };
        run.stdout.lines().map(span).collect()
    }
}

fn at(minute: &str) -> String {
    format!("2026-03-01T{minute}:00Z")
}

#[tokio::test]
async fn each_metric_is_aggregated_in_its_own_way_and_what_is_empty_has_no_value() {
    let Some(world) = World::build().await else { return };
    let of = |metric: &str| world.spans(&["15m", "d"], metric);
    assert_eq!(
        of("temperature"),
        [
            (at("12:00"), 15.0.into(), 2),
            (at("12:15"), 40.0.into(), 1),
            (at("12:30"), Value::Null, 0),
            (at("12:45"), 50.0.into(), 1),
        ]
    );
    // Each step counts in the span in which it ends; a counter that fell begins anew.
    let rises: Vec<Value> = of("rain").into_iter().map(|(_, rise, _)| rise).collect();
    assert_eq!(rises, [2.0.into(), 1.0.into(), Value::Null, 3.0.into()]);
    assert_eq!(world.spans(&["1h", "d"], "rain"), [(at("12:00"), 6.0.into(), 4)]);
    // Open for ten of fifteen minutes.
    let open = world.spans(&["1h", "d"], "door_open");
    assert_eq!(open.len(), 1);
    assert!((open[0].1.as_f64().unwrap() - 10.0 / 15.0).abs() < 1e-12, "{open:?}");
    assert_eq!(of("note"), []);
    let csv = world.every(&["1h", "d", "--metric", "temperature", "-o", "csv"]).stdout;
    assert_eq!(
        csv,
        "source,device,channel,metric,unit,from,to,aggregate,value,min,max,n,bad\n\
         yard,d,,temperature,Cel,2026-03-01T12:00:00Z,2026-03-01T13:00:00Z,mean,30.0,10.0,50.0,4,1\n"
    );
}

#[tokio::test]
async fn days_are_those_of_the_devices_site() {
    let Some(world) = World::build().await else { return };
    // In Kolkata a day begins at 18:30 in UTC, in Berlin at 23:00.
    let halves = [("2026-02-28T18:30:00Z".to_owned(), 1.0.into(), 1), (at("18:30"), 2.0.into(), 1)];
    assert_eq!(world.spans(&["1d", "filed"], "temperature"), halves);
    assert_eq!(world.spans(&["1d", "placed"], "temperature"), halves, "a row says it");
    let own = world.spans(&["1d", "d"], "temperature");
    assert_eq!(own, [("2026-02-28T23:00:00Z".to_owned(), 30.0.into(), 4)]);
}

#[tokio::test]
async fn a_table_has_the_newest_spans_first() {
    let Some(world) = World::build().await else { return };
    let table = world.every(&["15m", "d", "--metric", "temperature", "--limit", "2"]).stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1][..4], ["2026-03-01T12:45:00Z", "yard", "temperature", "50"]);
    assert_eq!((lines[2][0], lines.len()), ("2026-03-01T12:30:00Z", 3));
    // Of all devices, so many lines.
    let all = world.every(&["1d", "--all", "-o", "csv", "--limit", "4"]).stdout;
    assert_eq!(all.lines().count(), 5);
}

/// Readings of four days, every 10 minutes but for some hours, of a counter that is reset now and then.
const DAYS: &str = r#"
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select 1, timestamptz '2026-03-02Z' + n * interval '10 minutes', now(), gen_random_uuid(), array[n % 37, (n * 3) % 101, n % 2]
    from generate_series(0, 4 * 144) n where n % 29 > 8;
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select 2, timestamptz '2026-03-02 00:05Z' + n * interval '50 minutes', now(), gen_random_uuid(), array[n]
    from generate_series(0, 4 * 28) n;
    insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-03-01Z');
    insert into job_slot (job, slot) values ('cleanup', '2026-03-04 03:10Z');"#;

#[tokio::test]
async fn what_is_rolled_up_says_the_same_also_where_its_readings_are_gone() {
    let Some(world) = World::build().await else { return };
    let client = world.database.connect().await;
    client.batch_execute(DAYS).await.unwrap();
    let commands: [&[&str]; 5] = [
        &["1h", "--all"],
        &["1d", "--all"],
        &["1h", "d", "--from", "2026-03-03T07:20:00Z", "--until", "2026-03-04T07:20:00Z"],
        &["1d", "d", "--from", "2026-03-02T22:00:00Z", "--until", "2026-03-04T22:00:00Z"],
        &["1d", "filed", "--until", "2026-03-03T18:30:00Z"],
    ];
    // Within a stream, series come in any order.
    let sorted = |text: String| {
        let mut lines: Vec<Vec<String>> =
            text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
        lines.sort_by_key(|line| (line[1].clone(), line[3].clone(), line[5].clone()));
        lines
    };
    let said = || commands.map(|arguments| sorted(world.every(&[arguments, &["-o", "csv"]].concat()).stdout));
    let of_readings = said();
    assert!(of_readings.iter().all(|lines| lines.len() > 1), "{of_readings:?}");
    let job = Cleanup::new(Pipeline::parse(PIPELINE, "freshet.yaml").unwrap());
    let database = Database::new(&DatabaseSettings::from_url(world.database.url()).unwrap());
    let clock = Clock::manual("2026-03-04T03:10:00Z".parse().unwrap());
    let runner = Runner { name: "cleanup", job, database, clock };
    assert_eq!(runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done, 1);
    // But for the last digits, and for the step into the first span that is chosen, which rollups know.
    let near = |one: &str, other: &str| match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    };
    let assert_same = |said: &[Vec<Vec<String>>]| {
        for ((said, of_readings), arguments) in said.iter().zip(&of_readings).zip(commands) {
            assert_eq!(said.len(), of_readings.len(), "{arguments:?}");
            let first = said.iter().map(|line| &line[5]).min();
            for (one, other) in said.iter().zip(of_readings) {
                let is_first = arguments.contains(&"--from") && Some(&one[5]) == first;
                let same = one.iter().zip(other).all(|(one, other)| near(one, other));
                assert!(same || is_first, "{arguments:?}: {one:?} is not {other:?}");
            }
        }
    };
    let rolled = said();
    assert_same(&rolled);
    // A span is the same wherever the selection begins, before or behind what is rolled up.
    for from in ["2026-03-03T14:00:00Z", "2026-03-04T14:00:00Z"] {
        let rises = |arguments: &[&str]| {
            let all = world.spans(&[&["1h", "d"], arguments].concat(), "rain");
            all.into_iter().find(|(at, ..)| at == from).unwrap()
        };
        assert_eq!(rises(&["--from", from]), rises(&[]), "{from}");
    }
    client.batch_execute("delete from moment where observed_at < '2026-03-03 18:30Z'").await.unwrap();
    assert_eq!(said(), rolled);
}
