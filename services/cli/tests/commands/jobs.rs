//! `freshet jobs` over a real database.

use serde_json::Value;

use crate::process::{Run, freshet_with};

/// A database that knows the job `cleanup`, with 20 keys that have been over for 1 to 20 days; `None` where PostgreSQL is not installed.
async fn database() -> Option<testkit::TestDatabase> {
    let database = testkit::postgres().await?;
    let migrated = freshet_with(&["migrate"], &[("DATABASE_URL", database.url())]);
    assert_eq!(migrated.status, 0, "{}", migrated.stderr);
    let rows = "
        insert into job (name, schedule, zone, known_since) values ('cleanup', '10 3 * * *', 'Europe/Berlin', '2026-01-01Z');
        insert into job_slot (job, slot, state, attempts, error, finished_at)
        values ('cleanup', '2026-01-02 02:10Z', 'failed', 5, 'the database failed: canceling statement due to lock timeout', '2026-01-02 02:30Z');
        insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
        select 's', n::text, now(), now() - n * interval '1 day', gen_random_uuid(), 'stored' from generate_series(1, 20) n";
    database.connect().await.batch_execute(rows).await.expect("the rows fit the schema");
    Some(database)
}

fn run(database: &testkit::TestDatabase, arguments: &[&str]) -> Run {
    freshet_with(arguments, &[("DATABASE_URL", database.url())])
}

fn listed(database: &testkit::TestDatabase) -> (i32, Value) {
    let listed = run(database, &["jobs", "list", "-o", "json"]);
    let lines: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|_| panic!("{}", listed.stderr));
    (listed.status, lines[0].clone())
}

#[tokio::test]
async fn a_job_that_failed_is_listed_with_its_reason_and_can_be_asked_for_again() {
    let Some(database) = database().await else { return };
    let (status, job) = listed(&database);
    assert_eq!((status, &job["last"]["state"]), (1, &"failed".into()));
    assert!(job["last"]["error"].as_str().is_some_and(|error| error.contains("lock timeout")), "{job}");
    let table = run(&database, &["jobs", "list"]).stdout;
    assert!(table.contains("10 3 * * *  Europe/Berlin"), "{table}");
    let asked = run(&database, &["jobs", "run", "cleanup"]);
    assert_eq!((asked.status, asked.stderr.as_str()), (0, "cleanup begins with the next tick\n"));
    let (status, job) = listed(&database);
    assert_eq!((status, &job["last"]["state"], &job["last"]["requested"]), (0, &"open".into(), &true.into()));
}

#[tokio::test]
async fn a_job_is_paused_and_resumed_and_one_that_is_not_known_is_named() {
    let Some(database) = database().await else { return };
    assert_eq!(run(&database, &["jobs", "pause", "cleanup"]).status, 0);
    let (_, job) = listed(&database);
    assert!(job["paused_at"].is_string() && job["next"].is_null(), "{job}");
    assert_eq!(run(&database, &["jobs", "resume", "cleanup"]).status, 0);
    let (_, job) = listed(&database);
    assert!(job["paused_at"].is_null() && job["next"].is_string(), "{job}");
    let unknown = run(&database, &["jobs", "run", "clean-up"]);
    assert_eq!(unknown.status, 1);
    assert!(unknown.stderr.contains("no job is called clean-up"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_dry_run_prints_what_would_go_and_takes_nothing() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("freshet.yaml");
    let pipeline = "sources: {s: {format: json}}\nretention: {receipts: 1y}\n";
    std::fs::write(&file, pipeline).expect("it is written");
    let file = file.to_str().expect("its path is text");
    let planned = run(&database, &["jobs", "run", "cleanup", "--dry-run", "-p", file, "-o", "json"]);
    assert_eq!(planned.status, 0, "{}", planned.stderr);
    let planned: Value = serde_json::from_str(&planned.stdout).expect("it is JSON");
    assert_eq!((&planned[0]["step"], &planned[0]["rows"]), (&"keys".into(), &7.into()), "{planned}");
    let left: i64 = database
        .connect()
        .await
        .query_one("select count(*) from receipt_key", &[])
        .await
        .expect("it is counted")
        .get(0);
    assert_eq!(left, 20);
}
