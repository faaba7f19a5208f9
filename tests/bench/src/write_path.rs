//! `transform`, one event a request, durable, beside the bare upsert of the same rows into the same tables and indexes.

use std::path::Path;
use std::time::{Duration, Instant};

use event_model::{RecordedRequest, events, ids};
use jiff::Timestamp;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::binaries::{Running, stage};
use crate::cpu::{Shares, Spent};
use crate::database::Database;
use crate::echo;
use crate::load::{self, post};
use crate::table::{Table, median};

const RUNS: usize = 3;
const CONNECTIONS: usize = 128;
pub(crate) const TIME: Duration = Duration::from_secs(4);
pub(crate) const DEVICES: u64 = 500;
/// Batch sizes of the bare upsert; the best one counts.
pub(crate) const BATCHES: [usize; 3] = [256, 1024, 4096];
pub(crate) const BARE_CONNECTIONS: usize = 4;

/// The instant of the n-th event.
pub(crate) fn instant(number: u64) -> Timestamp {
    // Half a year of a fleet that reports every few seconds.
    Timestamp::from_microsecond(
        1_767_225_600_000_000 + i64::try_from(number / DEVICES).unwrap_or(0) * 1_000_000,
    )
    .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The n-th payload: one moment of three metrics.
pub(crate) fn body(number: u64) -> String {
    format!(
        r#"{{"device":"bench-{}","time":{},"temperature":{:.1},"humidity":{},"battery_voltage":3.6}}"#,
        number % DEVICES,
        instant(number).as_millisecond(),
        20.0 + (number % 100) as f64 / 10.0,
        40 + number % 20,
    )
}

pub(crate) fn recorded(number: u64) -> Vec<u8> {
    RecordedRequest {
        method: "POST".to_owned(),
        path: "/hooks/bench".to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body(number).into(),
    }
    .to_bytes()
}

/// The n-th `payload.received`, as the Broker delivers it.
pub fn delivery(number: u64, run: &str) -> Vec<u8> {
    let id = format!("{run}-{number}");
    let device = format!("bench-{}", number % DEVICES);
    post(
        "/",
        &[
            ("ce-specversion", "1.0"),
            ("ce-type", event_model::event_types::PAYLOAD_RECEIVED),
            ("ce-source", "/sources/bench"),
            ("ce-id", &id),
            ("ce-time", "2026-07-01T00:00:00.000000Z"),
            ("ce-payloadformat", "json"),
            ("ce-partitionkey", &device),
            ("ce-knativekafkapartition", "0"),
            ("ce-knativekafkaoffset", "1"),
            ("content-type", events::APPLICATION_HTTP),
        ],
        &recorded(number),
    )
}

/// Measures both in turn.
///
/// # Panics
/// If a run stores fewer rows than were accepted.
pub async fn beside_the_bare_upsert(table: &mut Table, database: &Database, pipeline: &Path) {
    let transform = Running::start(stage("transform", &database.url(), pipeline, "http://127.0.0.1:1/"));
    let bare = Running::start(echo::command("acknowledge"));
    transform.wait_until_listening();
    bare.wait_until_listening();
    let (mut rates, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut shares = Shares::default();
    for run in 0..RUNS {
        let (mut floor, mut upsert) = (0.0_f64, Vec::new());
        for batch in BATCHES {
            database.empty().await;
            let spent = Spent::since_now(&[database.pid(), std::process::id()]);
            let rate = bare_upsert(&database.url(), batch).await;
            if rate > floor {
                floor = rate;
                upsert = spent.per_request((rate * TIME.as_secs_f64()) as u64);
            }
        }
        shares.add(&["PostgreSQL of the bare upsert", "the bare upsert itself"], &upsert);
        let taken = format!("taken{run}");
        let spent = Spent::since_now(&[bare.pid()]);
        let answers =
            load::run(bare.address, CONNECTIONS, TIME, move |number| delivery(number, &taken)).await;
        shares.add(&["a bare server that only takes the delivery"], &spent.per_request(answers.accepted));
        database.empty().await;
        let label = format!("run{run}");
        let spent = Spent::since_now(&[transform.pid(), database.pid(), std::process::id()]);
        let answers =
            load::run(transform.address, CONNECTIONS, TIME, move |number| delivery(number, &label)).await;
        shares.add(
            &["transform", "its PostgreSQL", "the load on transform"],
            &spent.per_request(answers.accepted),
        );
        let stored: i64 = database
            .connect()
            .await
            .query_one("select count(*) from receipt", &[])
            .await
            .expect("receipts")
            .get(0);
        assert!(
            u64::try_from(stored).is_ok_and(|stored| stored >= answers.accepted),
            "{stored} of {}",
            answers.accepted
        );
        floors.push(floor);
        rates.push(answers.rate());
        ratios.push(answers.rate() / floor);
    }
    table.tell("bare upsert of the same rows, best batch", median(floors), "events/s");
    table.tell("transform, one event a request, durable", median(rates), "events/s");
    table.at_least("transform beside the bare upsert", median(ratios), "x", 0.4);
    shares.tell(table);
}

/// Events a second of one process that does nothing but upsert: receipt, key and reading, `batch` events a transaction.
///
/// # Panics
/// If the database does not answer, or is not migrated.
pub async fn bare_upsert(database_url: &str, batch: usize) -> f64 {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..BARE_CONNECTIONS as u64 {
        let (client, connection) =
            tokio_postgres::connect(database_url, tokio_postgres::NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        tasks.spawn(async move {
            let statement = client.prepare(BARE).await.expect("the schema is migrated");
            let mut written = 0_u64;
            while begin.elapsed() < TIME {
                let numbers: Vec<u64> = (0..batch as u64)
                    .map(|index| (written + index) * BARE_CONNECTIONS as u64 + lane)
                    .collect();
                write(&client, &statement, &numbers).await;
                written += batch as u64;
            }
            written
        });
    }
    let written: u64 = tasks.join_all().await.into_iter().sum();
    written as f64 / begin.elapsed().as_secs_f64()
}

const BARE: &str = "
with key as (
    insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
    select 'bench', 'id:' || event_id, '2026-07-01', '2026-08-01', id, 'stored' from unnest($1::uuid[], $2::text[]) as e (id, event_id)
    on conflict (source, key) do nothing
), receipt as (
    insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, request)
    select '2026-07-01', id, 'bench', event_id, 'json', 'stored', 3, 0, request
    from unnest($1::uuid[], $2::text[], $3::bytea[]) as e (id, event_id, request)
)
insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
select stream_id, observed_at, '2026-07-01', id, array[a, b, 3.6]
from unnest($1::uuid[], $4::int[], $5::timestamptz[], $6::float8[], $7::float8[]) as e (id, stream_id, observed_at, a, b)
on conflict (stream_id, observed_at) do nothing";

async fn write(client: &Client, statement: &tokio_postgres::Statement, numbers: &[u64]) {
    let event_ids: Vec<String> = numbers.iter().map(|number| format!("bare-{number}")).collect();
    let receipts: Vec<Uuid> = event_ids.iter().map(|id| ids::of_receipt("/sources/bench", id)).collect();
    let requests: Vec<Vec<u8>> = numbers.iter().map(|number| recorded(*number)).collect();
    let streams: Vec<i32> =
        numbers.iter().map(|number| i32::try_from(number % DEVICES).unwrap_or(0)).collect();
    let instants: Vec<Timestamp> = numbers.iter().map(|number| instant(*number)).collect();
    let temperatures: Vec<f64> = numbers.iter().map(|number| 20.0 + (number % 100) as f64 / 10.0).collect();
    let humidities: Vec<f64> = numbers.iter().map(|number| 40.0 + (number % 20) as f64).collect();
    client
        .execute(
            statement,
            &[&receipts, &event_ids, &requests, &streams, &instants, &temperatures, &humidities],
        )
        .await
        .expect("the bare upsert is accepted");
}
