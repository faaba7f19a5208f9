//! What evaluations cost in processor time, this process's and PostgreSQL's: a measurement, for a release build on a quiet machine.
//!
//! `cargo test --release -p evaluate --test with_postgres cost -- --ignored --nocapture`

use std::fs;
use std::time::Instant;

use evaluate::Scope;
use runtime::Deadline;
use tokio_postgres::Client;

use crate::world::{BUDGET, World, at, pipeline};

const STREAMS: i32 = 20_000;
const RULES: &str = "{TooHot: {metric: temperature, above: 30}}";
const UNKNOWN: &str = "vacuum analyze evaluation_request";
const CHANGED: &str = "{TooHot: {metric: temperature, above: 31}}";

/// Processor time of a process, in clock ticks of 10 ms.
fn ticks(process: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The same of the processes that serve this database.
async fn database_ticks(sql: &Client) -> u64 {
    let of_database = "select pid::text from pg_stat_activity where datname = current_database()";
    let rows = sql.query(of_database, &[]).await.unwrap();
    rows.iter().map(|row| ticks(row.get(0))).sum()
}

/// A reading of every stream with its request.
async fn store(sql: &Client, second: i64, value: f64) {
    let moments = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     select id, $1, $1, gen_random_uuid(), array[$2::float8] from stream order by id"#;
    sql.execute(moments, &[&at(second), &value]).await.unwrap();
    let requests = "insert into evaluation_request (stream_id, from_at, token)
                    select id, $1, nextval('evaluation_token') from stream order by id";
    sql.execute(requests, &[&at(second)]).await.unwrap();
}

#[tokio::test]
#[ignore = "a measurement, which nothing else may run beside"]
async fn cost_of_an_evaluation() {
    let Some(mut world) = World::new().await else { return };
    let (process, changed) = (world.process_of(&pipeline(RULES)), world.process_of(&pipeline(CHANGED)));
    world.activate(&process.pipeline.hash).await;
    let one = world.store("gh-1", 0, 20.0).await;
    let many = "with d as (insert into device (source, name, first_seen_at, last_seen_at)
                           select 'greenhouse', 'more-' || n, $1, $1 from generate_series(2, $2) as n returning id),
                     s as (insert into stream (device_id, channel) select id, '' from d returning id)
                insert into metric (stream_id, position, name, unit, kind) select id, 0, 'temperature', 'Cel', 'number' from s";
    world.sql.execute(many, &[&at(0), &STREAMS]).await.unwrap();
    world.sql.execute("delete from evaluation_request where stream_id = $1", &[&one]).await.unwrap();
    world.sql.execute("delete from moment", &[]).await.unwrap();
    for (what, second, value) in [
        ("first readings", 0, 20.0),
        ("nothing changes", 60, 20.0),
        ("nothing changes", 120, 21.0),
        ("nothing changes, after a day", 86_400, 20.0),
        ("nothing changes", 86_460, 20.0),
        ("a threshold is crossed", 86_520, 40.0),
        ("nothing changes while it fires", 86_580, 40.0),
        ("the rule has changed", 86_640, 20.0),
    ] {
        world.at(second);
        let process = if what == "the rule has changed" {
            world.activate(&changed.pipeline.hash).await;
            &changed
        } else {
            store(&world.sql, second, value).await;
            &process
        };
        world.sql.batch_execute(UNKNOWN).await.unwrap();
        let (own, database, begin) = (ticks("self"), database_ticks(&world.sql).await, Instant::now());
        let mut streams = 0;
        loop {
            let summary = process.run(Scope { other_rules: true }, Deadline::within(BUDGET)).await.unwrap();
            streams += summary.streams;
            if !summary.more {
                break;
            }
        }
        let elapsed = begin.elapsed();
        // 10 ms each.
        let each = |ticks: u64| ticks * 10_000 / u64::from(streams.max(1));
        println!(
            "{what}: {streams} streams, {} a second; {} us of alert and {} us of PostgreSQL each",
            u128::from(streams) * 1000 / elapsed.as_millis().max(1),
            each(ticks("self") - own),
            each(database_ticks(&world.sql).await - database),
        );
    }
}
