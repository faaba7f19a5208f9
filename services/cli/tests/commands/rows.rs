//! `freshet devices`, `freshet readings` and `freshet alerts` over a real database.

use testkit::TestDatabase;

use crate::process::{Run, freshet_with};

/// A database with two devices, three values and one firing alert; `None` where PostgreSQL is not installed.
pub(crate) async fn database() -> Option<TestDatabase> {
    let database = testkit::postgres().await?;
    let migrated = freshet_with(&["migrate"], &[("DATABASE_URL", database.url())]);
    assert_eq!(migrated.status, 0, "{}", migrated.stderr);
    let rows = "
        insert into device (source, name, first_seen_at, last_seen_at, tags) values
            ('greenhouse', 'gh-1', '2026-03-01T10:00Z', '2026-03-01T12:00Z', '{\"site\": \"north\"}'),
            ('greenhouse', 'gh-2', '2026-03-01T10:00Z', now(), '{}');
        insert into stream (device_id, channel) select id, '' from device order by id;
        insert into metric (stream_id, position, name, unit, kind) values
            (1, 0, 'temperature', 'Cel', 'number'), (1, 1, 'door_open', '', 'flag'), (2, 0, 'temperature', 'Cel', 'number');
        insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\") values
            (1, '2026-03-01T11:59Z', '2026-03-01T11:59Z', gen_random_uuid(), '{30.5, 0}'),
            (1, '2026-03-01T12:00Z', '2026-03-01T12:00Z', gen_random_uuid(), '{31.5, 1}');
        insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, since_at, updated_at)
            values ('TooHot', 1, 0, 'h', '2026-03-01T11:45Z', '{}', 'firing', '2026-03-01T12:00Z', '2026-03-01T12:00Z'),
                   ('TooHot', 2, 0, 'h', '2026-03-01T11:45Z', '{}', 'ok', null, '2026-03-01T12:00Z');
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels, annotations, recorded_at)
            values ('TooHot', 'h', 1, 0, 'firing', '2026-03-01T12:00Z', 31.5, 'breach', 'critical', '{}', '{}', now());";
    database.connect().await.batch_execute(rows).await.expect("the rows fit the schema");
    Some(database)
}

fn run(database: &TestDatabase, arguments: &[&str]) -> Run {
    let run = freshet_with(arguments, &[("DATABASE_URL", database.url())]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    run
}

#[tokio::test]
async fn silent_devices_are_listed_first_or_alone() {
    let Some(database) = database().await else { return };
    let all = run(&database, &["devices"]).stdout;
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines.len(), 3, "{all}");
    let words: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!(words[..3], ["greenhouse", "gh-1", "2026-03-01T12:00:00Z"], "{all}");
    assert!(lines[1].ends_with("site=north"), "{all}");
    let silent = run(&database, &["devices", "--silent", "1h", "-o", "json"]).stdout;
    let silent: serde_json::Value = serde_json::from_str(&silent).unwrap();
    assert_eq!((silent.as_array().unwrap().len(), &silent[0]["device"]), (1, &"gh-1".into()));
}

#[tokio::test]
async fn readings_are_printed_newest_first_in_words_for_their_kind() {
    let Some(database) = database().await else { return };
    let printed = run(&database, &["readings", "gh-1", "--metric", "door_open"]).stdout;
    let lines: Vec<Vec<_>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["2026-03-01T12:00:00Z", "greenhouse", "door_open", "true", "good"]);
    assert_eq!(lines[2], ["2026-03-01T11:59:00Z", "greenhouse", "door_open", "false", "good"]);
    let cut = run(
        &database,
        &["readings", "gh-1", "--limit", "1", "--until", "2026-03-01T12:00:00Z", "-o", "json"],
    );
    assert!(cut.stderr.contains("--limit shows more"), "{}", cut.stderr);
    let values: serde_json::Value = serde_json::from_str(&cut.stdout).unwrap();
    assert_eq!(
        (values.as_array().unwrap().len(), &values[0]["observed_at"]),
        (1, &"2026-03-01T11:59:00Z".into())
    );
}

#[tokio::test]
async fn an_unknown_device_has_no_readings_and_a_hint() {
    let Some(database) = database().await else { return };
    let printed = freshet_with(&["readings", "gh-9"], &[("DATABASE_URL", database.url())]);
    assert_eq!((printed.status, printed.stdout.as_str()), (1, ""));
    assert!(printed.stderr.contains("no device with readings is called gh-9"), "{}", printed.stderr);
    assert!(printed.stderr.contains("`freshet devices` lists the devices"), "{}", printed.stderr);
}

#[tokio::test]
async fn an_unknown_metric_is_named_with_the_known_ones() {
    let Some(database) = database().await else { return };
    let printed =
        freshet_with(&["readings", "gh-1", "--metric", "temp"], &[("DATABASE_URL", database.url())]);
    assert_eq!(printed.status, 1);
    assert!(printed.stderr.contains("its metrics are: door_open, temperature"), "{}", printed.stderr);
    let none = run(&database, &["readings", "gh-1", "--metric", "temperature", "--from", "1h"]);
    assert!(none.stderr.contains("no readings of gh-1 fit"), "{}", none.stderr);
}

#[tokio::test]
async fn a_day_is_a_bound_in_time() {
    let Some(database) = database().await else { return };
    let count = |bound: &[&str]| {
        let arguments = [&["readings", "gh-1", "--metric", "temperature", "-o", "json"], bound].concat();
        let values: serde_json::Value = serde_json::from_str(&run(&database, &arguments).stdout).unwrap();
        values.as_array().unwrap().len()
    };
    assert_eq!(count(&["--from", "2026-03-01", "--until", "2026-03-02"]), 2);
    assert_eq!(count(&["--from", "2026-03-02"]), 0);
    let run = freshet_with(&["readings", "gh-1", "--from", "yesterday"], &[]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("a day like 2026-11-28"), "{}", run.stderr);
}

/// What `freshet up` leaves in its state directory is found wherever a command runs, and before what the environment names.
#[tokio::test]
async fn a_state_directory_names_the_database() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let elsewhere = [("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"), ("FRESHET_STATE_DIR", path)];
    let run = freshet_with(&["devices", "--state-dir", path], &[]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains(&format!("no `freshet up` runs in {path}")), "{}", run.stderr);
    std::fs::write(folder.path().join("database-url"), database.url()).unwrap();
    for run in [freshet_with(&["devices", "--state-dir", path], &[]), freshet_with(&["devices"], &elsewhere)]
    {
        assert_eq!((run.status, run.stdout.lines().count()), (0, 3), "{}", run.stderr);
    }
}

#[tokio::test]
async fn alerts_shows_what_is_not_well_and_with_all_the_rest() {
    let Some(database) = database().await else { return };
    let firing: serde_json::Value =
        serde_json::from_str(&run(&database, &["alerts", "-o", "json"]).stdout).unwrap();
    assert_eq!(firing.as_array().unwrap().len(), 1);
    assert_eq!((&firing[0]["rule"], &firing[0]["severity"]), (&"TooHot".into(), &"critical".into()));
    let all = run(&database, &["alerts", "--all"]).stdout;
    assert_eq!(all.lines().count(), 3, "{all}");
}
