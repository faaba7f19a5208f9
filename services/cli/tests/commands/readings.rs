//! `freshet readings -o csv` and `-o ndjson`: what is exported, and that it can be sent back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _};

use store::DatabaseSettings;
use testkit::{TestDatabase, TestReceiver};

use crate::process::{Run, command, freshet, freshet_with};
use crate::stage;

const COPY: &str = "sources: {copy: {format: freshet_readings}}";

/// Every kind and quality, units and none, channels and none, several metrics of a moment, one in two units and of two kinds, numbers
/// whose digits are all needed, texts that a table must quote, and moments of which a part came later.
const ROWS: &str = r#"
    insert into device (source, name, first_seen_at, last_seen_at, tags) values
        ('yard', 'Prüfstand, "9"', now(), now(), '{"site": "north", "floor": "2"}'), ('yard', 'b', now(), now(), '{"site": "north"}'),
        ('roof', 'b', now(), now(), '{}'), ('roof', 'empty', now(), now(), '{}');
    insert into stream (device_id, channel) values (1, ''), (1, 'probe 2'), (2, 'å.0'), (3, ''), (4, '');
    insert into metric (stream_id, position, name, unit, kind) values
        (1, 0, 'temperature', 'Cel', 'number'), (1, 1, 'door_open', '', 'flag'), (1, 2, 'label', '', 'text'), (1, 3, 'frame', '', 'bytes'),
        (1, 4, 'temperature', 'K', 'number'), (1, 5, 'temperature', '', 'text'), (1, 6, 'Temp (F)', '', 'number'), (1, 7, 'temp', 'weird unit', 'number'),
        (2, 0, 'weather.temperature', '', 'number'), (3, 0, 'label', 'lx', 'text'), (4, 0, 'battery', '%EL', 'number'), (4, 1, 'on', '', 'flag');
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values", texts, quality, received_ats) values
        (1, '2026-03-01T12:00:00.000001Z', '2026-03-01T12:01Z', gen_random_uuid(),
            array[21.5, 1, null, null, 294.65, null, 70.7, 0.1::float8 + 0.2::float8], array[null, null, '', '00ff', null, '21.5'], array[null, 1, 2, 0], null),
        (1, '2026-03-01T12:00:00.000002Z', '2026-03-01T12:01Z', gen_random_uuid(),
            array[-999, 0, null, null], array[null, null, E'a,"b"\r\nc\t; --', ''], array[2, 2, 1, 1],
            array['2026-03-01T12:02Z', null, '2026-03-01T12:03Z']::timestamptz[]),
        (1, '2026-03-01T13:00Z', '2026-03-01T13:00Z', gen_random_uuid(), '{}', array[null, null, 'NULL'], null, null),
        (2, '2026-02-01T00:00Z', '2026-03-01T13:00Z', gen_random_uuid(), '{5e-324}', null, null, null),
        (2, '2026-02-01T00:01Z', '2026-03-01T13:00Z', gen_random_uuid(), '{1.7976931348623157e308}', null, null, null),
        (2, '2026-02-01T00:02Z', '2026-03-01T13:00Z', gen_random_uuid(), '{-0}', null, null, null),
        (2, '2026-02-01T00:03Z', '2026-03-01T13:00Z', gen_random_uuid(), '{9007199254740993}', null, null, null),
        (2, '2026-02-01T00:04Z', '2026-03-01T13:00Z', gen_random_uuid(), '{1e22}', null, null, null),
        (3, '2026-03-01T12:00Z', '2026-03-01T12:00Z', gen_random_uuid(), '{}', '{--}', '{2}', null),
        (4, '2026-03-01T12:00Z', '2026-03-01T12:00Z', gen_random_uuid(), '{101.5}', null, '{1}', null),
        (4, '2026-03-01T12:05Z', '2026-03-01T12:05Z', gen_random_uuid(), '{null, 1}', null, null, null);"#;

/// The lines that the view has.
const LINES: usize = 21;

async fn migrated() -> Option<TestDatabase> {
    let database = testkit::postgres().await?;
    store::migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    Some(database)
}

/// A database with [`ROWS`]; `None` where PostgreSQL is not installed.
async fn filled() -> Option<TestDatabase> {
    let database = migrated().await?;
    database.connect().await.batch_execute(ROWS).await.unwrap();
    Some(database)
}

fn readings(database: &TestDatabase, arguments: &[&str]) -> Run {
    freshet_with(&[&["readings"], arguments].concat(), &[("DATABASE_URL", database.url())])
}

fn exported(database: &TestDatabase, arguments: &[&str]) -> String {
    let run = readings(database, arguments);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    run.stdout
}

/// All that the view says of some devices, without when and with what it came.
async fn viewed(database: &TestDatabase, condition: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws('|', device, channel, metric, observed_at, coalesce(value::text, '-'), coalesce(text, '-'), coalesce(unit, '-'),
                          kind, quality)
         from readings where {condition} order by 1"
    );
    database.connect().await.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Sends a file as a person would, and stores what was sent as the pipeline would.
async fn sent_back(file: (&str, &str), batch: &str, target: &TestDatabase) {
    let receiver = TestReceiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, pipeline) = (folder.path().join(file.0), folder.path().join("freshet.yaml"));
    std::fs::write(&path, file.1).unwrap();
    std::fs::write(&pipeline, COPY).unwrap();
    let url = receiver.url("/");
    let arguments = ["send", path.to_str().unwrap(), "--to", &url, "--source", "copy", "--batch", batch];
    let run = freshet_with(&arguments, &[("FRESHET_PIPELINE", pipeline.to_str().unwrap())]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let process = stage::transform(target.url(), COPY);
    let now = "2026-03-02T00:00:00Z".parse().unwrap();
    for (number, request) in receiver.received().into_iter().enumerate() {
        assert_eq!(request.target, "/hooks/copy");
        let (id, media_type) = (format!("{batch}-{number}"), request.header("content-type").unwrap());
        let event = stage::event(("copy", &id, now), (media_type, &request.body));
        stage::store(&process, event, now).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_exported_can_be_sent_back_to_the_same_rows() {
    let Some(database) = filled().await else { return };
    // The two devices named b are one in the copy, with their channels.
    let rows = viewed(&database, "true").await;
    assert_eq!(rows.len(), LINES);
    for (format, file) in [("csv", "export.csv"), ("ndjson", "export.ndjson")] {
        let export = exported(&database, &["--all", "-o", format]);
        for batch in ["1", "3", "1000"] {
            let target = migrated().await.unwrap();
            sent_back((file, &export), batch, &target).await;
            assert_eq!(viewed(&target, "source = 'copy'").await, rows, "{format}, {batch}");
            // Once more, it is absorbed.
            sent_back((file, &export), batch, &target).await;
            assert_eq!(viewed(&target, "revised_at is null").await, rows, "{format}, {batch}");
            let client = target.connect().await;
            let problems = "select count(*) from receipt where outcome <> 'stored'";
            assert_eq!(client.query_one(problems, &[]).await.unwrap().get::<_, i64>(0), 0);
            // And what is exported of the copy is the export, but for where and when it came.
            let columns = |text: &str| {
                let mut lines: Vec<Vec<String>> = Vec::new();
                for row in csv::Reader::from_reader(text.as_bytes()).records() {
                    lines.push(row.unwrap().iter().skip(1).take(9).map(str::to_owned).collect());
                }
                lines.sort();
                lines
            };
            if format == "csv" {
                assert_eq!(columns(&exported(&target, &["--all", "-o", "csv"])), columns(&export));
            }
        }
    }
}

#[tokio::test]
async fn lines_are_by_source_device_channel_and_time() {
    let Some(database) = filled().await else { return };
    let csv = exported(&database, &["--all", "-o", "csv"]);
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let header: Vec<_> = table.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        [
            "source",
            "device",
            "channel",
            "metric",
            "observed_at",
            "value",
            "text",
            "unit",
            "kind",
            "quality",
            "received_at"
        ]
    );
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), LINES);
    let key = |row: &csv::StringRecord| -> (Vec<String>, jiff::Timestamp) {
        (row.iter().take(3).map(str::to_owned).collect(), row[4].parse().unwrap())
    };
    assert!(rows.is_sorted_by_key(key), "{csv}");
    let first: Vec<_> = rows[2].iter().collect();
    assert_eq!(
        first,
        [
            "yard",
            "Prüfstand, \"9\"",
            "",
            "temperature",
            "2026-03-01T12:00:00.000001Z",
            "21.5",
            "",
            "Cel",
            "number",
            "good",
            "2026-03-01T12:01:00Z"
        ]
    );
    let ndjson = exported(&database, &["--all", "-o", "ndjson"]);
    assert_eq!(ndjson.lines().count(), LINES);
    let last: serde_json::Value = serde_json::from_str(ndjson.lines().last().unwrap()).unwrap();
    let expected = serde_json::json!({
        "source": "yard", "device": "b", "channel": "å.0", "metric": "label", "observed_at": "2026-03-01T12:00:00Z", "value": null,
        "text": "--", "unit": "lx", "kind": "text", "quality": "bad", "received_at": "2026-03-01T12:00:00Z",
    });
    assert_eq!(last, expected);
}

#[tokio::test]
async fn what_is_exported_is_chosen() {
    let Some(database) = filled().await else { return };
    let count =
        |arguments: &[&str]| exported(&database, &[arguments, &["-o", "ndjson"]].concat()).lines().count();
    assert_eq!(count(&["b"]), 3);
    assert_eq!(count(&["b", "--source", "roof"]), 2);
    assert_eq!(count(&["--source", "yard"]), LINES - 2);
    assert_eq!(count(&["--label", "site=north"]), LINES - 2);
    assert_eq!(count(&["--label", "site=north", "--label", "floor=2"]), LINES - 3);
    assert_eq!(count(&["--all", "--metric", "label"]), 4);
    assert_eq!(count(&["--all", "--until", "2026-03-01"]), 5);
    assert_eq!(count(&["--all", "--from", "2026-03-01T12:05:00Z"]), 2);
    assert_eq!(count(&["--all", "--limit", "7"]), 7);
}

#[tokio::test]
async fn an_export_without_a_line_says_so() {
    let Some(database) = filled().await else { return };
    let run = readings(&database, &["--label", "site=south", "-o", "csv"]);
    assert_eq!((run.status, run.stdout.lines().count(), run.stderr.as_str()), (0, 1, "no readings fit\n"));
    let run = readings(&database, &["nobody", "-o", "ndjson"]);
    assert_eq!((run.status, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("no device with readings is called nobody"), "{}", run.stderr);
    let run = readings(&database, &["b", "--from", "2026-04-01", "-o", "ndjson"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, "no readings of b fit\n"));
}

#[test]
fn a_command_line_that_chooses_nothing_or_asks_a_table_of_many_is_wrong() {
    for (arguments, reason) in [
        (&["readings"][..], "<DEVICE|--source <NAME>|--label <NAME=VALUE>|--all>"),
        (&["readings", "-o", "csv"], "<DEVICE|--source <NAME>|--label <NAME=VALUE>|--all>"),
        (&["readings", "--all"], "a table is of one DEVICE"),
        (&["readings", "--source", "yard", "-o", "json"], "a table is of one DEVICE"),
        (&["readings", "b", "--label", "a=b"], "--label chooses what -o csv and -o ndjson print"),
        (&["readings", "b", "--all", "-o", "csv"], "cannot be used with"),
        (&["readings", "--label", "=b", "-o", "csv"], "write it as NAME=VALUE"),
        (&["devices", "-o", "csv"], "csv and ndjson are what `freshet readings` prints"),
        (&["check", "-o", "ndjson"], "csv and ndjson are what `freshet readings` prints"),
    ] {
        let run = freshet(arguments);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains(reason), "{arguments:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn an_export_whose_reader_has_enough_ends_quietly() {
    let Some(database) = filled().await else { return };
    let many = r#"
        insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
        select 2, '2026-02-02Z'::timestamptz + n * interval '1 second', now(), gen_random_uuid(), '{1}' from generate_series(1, 20000) n"#;
    database.connect().await.batch_execute(many).await.unwrap();
    for format in ["csv", "ndjson"] {
        let mut export = command(&["readings", "--all", "-o", format]);
        export
            .env("DATABASE_URL", database.url())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut export = export.spawn().unwrap();
        let mut out = BufReader::new(export.stdout.take().unwrap());
        assert!(out.read_line(&mut String::new()).unwrap() > 0);
        drop(out);
        let mut said = String::new();
        export.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((export.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{format}");
    }
}
