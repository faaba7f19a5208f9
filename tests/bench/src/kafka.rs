//! The Kafka way: a topic of small messages read into PostgreSQL, beside the bare upsert of the worker's own rows.

use std::path::Path;
use std::time::{Duration, Instant};

use cloudevents::Event;
use event_model::{cloudevent, events, ids};
use jiff::Timestamp;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use testkit::TestKafka;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::binaries::{Running, stage};
use crate::database::Database;
use crate::table::{Table, median};
use crate::write_path::{BARE_CONNECTIONS, BATCHES, DEVICES, TIME, instant, recorded};

const RUNS: usize = 3;
const MESSAGES: u64 = 300_000;
const PARTITIONS: i32 = 4;
const LIMIT: Duration = Duration::from_secs(180);

/// Measures both in turn.
///
/// # Panics
/// If a run stores fewer payloads than were published, or more.
pub async fn beside_the_bare_upsert(table: &mut Table, database: &Database, pipeline: &Path) {
    let Some(kafka) = testkit::kafka().await else { return };
    let topic = kafka.unique("bench");
    fill(&kafka, &topic).await;
    let (mut rates, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        let mut floor = 0.0_f64;
        for batch in BATCHES {
            database.empty().await;
            floor = floor.max(bare_upsert(database, batch).await);
        }
        database.empty().await;
        let rate = worker(&kafka, &topic, &format!("{topic}-{run}"), database, pipeline).await;
        let stored: i64 = database
            .connect()
            .await
            .query_one("select count(*) from receipt", &[])
            .await
            .expect("receipts")
            .get(0);
        assert_eq!(u64::try_from(stored), Ok(MESSAGES), "each payload is stored once");
        floors.push(floor);
        rates.push(rate);
        ratios.push(rate / floor);
    }
    table.tell("bare upsert of the worker's rows, best batch", median(floors), "messages/s");
    table.tell("worker, from Kafka to committed rows", median(rates), "messages/s");
    table.at_least("worker beside the bare upsert", median(ratios), "x", 0.6);
}

/// Publishes the messages, each as `ingest` does.
async fn fill(kafka: &TestKafka, topic: &str) {
    let settings = KafkaSettings::plaintext(kafka.bootstrap());
    let wanted =
        [TopicSpec { name: topic.to_owned(), partitions: PARTITIONS, replication: 1, retention: None }];
    create_missing_topics(&settings, &wanted).await.expect("Kafka makes a topic");
    let mut config = settings.client_config();
    let producer: BaseProducer =
        config.set("linger.ms", "20").set("acks", "all").create().expect("the settings are sound");
    for number in 0..MESSAGES {
        let record = cloudevent::to_kafka(&payload(number));
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (name, value) in &record.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let mut sent = BaseRecord::to(topic).key(&key).payload(&value).headers(headers);
        while let Err((error, again)) = producer.send(sent) {
            assert!(is_full(&error), "Kafka takes the messages: {error}");
            producer.poll(Duration::from_millis(10));
            sent = again;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(LIMIT).expect("Kafka takes the messages");
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

fn payload(number: u64) -> Event {
    let mut event = cloudevent::new(
        event_model::event_types::PAYLOAD_RECEIVED,
        "/sources/bench",
        &format!("message-{number}"),
    );
    cloudevent::set_time(&mut event, received_at());
    event.set_extension(events::EXT_PARTITION_KEY, format!("bench-{}", number % DEVICES));
    event.set_extension(events::EXT_PAYLOAD_FORMAT, "json");
    event.set_data(events::APPLICATION_HTTP, recorded(number));
    event
}

fn received_at() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().expect("a time")
}

/// Messages a second, from the first committed offsets to the last.
async fn worker(kafka: &TestKafka, topic: &str, group: &str, database: &Database, pipeline: &Path) -> f64 {
    let mut command = stage("worker", &database.url(), pipeline, "http://127.0.0.1:1/");
    command
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap())
        .env("KAFKA_TOPIC", topic)
        .env("KAFKA_GROUP", group);
    let mut config: ClientConfig = KafkaSettings::plaintext(kafka.bootstrap()).client_config();
    let watcher: BaseConsumer = config.set("group.id", group).create().expect("the settings are sound");
    let _worker = Running::start(command);
    let mut first = None;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < LIMIT, "the worker never came to the end of the topic");
        let (committed, now) = (committed(&watcher, topic), Instant::now());
        match first {
            None if committed > 0 => first = Some((committed, now)),
            Some((before, since)) if committed >= MESSAGES => {
                return (committed - before) as f64 / (now - since).as_secs_f64();
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn committed(watcher: &BaseConsumer, topic: &str) -> u64 {
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition(topic, partition);
    }
    let Ok(committed) = watcher.committed_offsets(list, Duration::from_secs(5)) else { return 0 };
    let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    committed.elements().iter().map(|one| u64::try_from(offset(one.offset())).unwrap_or(0)).sum()
}

/// Messages a second of one process that does nothing but upsert what the worker leaves: receipt, key and reading.
async fn bare_upsert(database: &Database, batch: usize) -> f64 {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..BARE_CONNECTIONS as u64 {
        let client = database.connect().await;
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
    insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems,
                         record_topic, record_partition, record_offset)
    select '2026-07-01', id, 'bench', event_id, 'json', 'stored', 3, 0, 'freshet-payloads', 0, place
    from unnest($1::uuid[], $2::text[], $3::bigint[]) as e (id, event_id, place)
)
insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
select stream_id, observed_at, '2026-07-01', id, array[a, b, 3.6]
from unnest($1::uuid[], $4::int[], $5::timestamptz[], $6::float8[], $7::float8[]) as e (id, stream_id, observed_at, a, b)
on conflict (stream_id, observed_at) do nothing";

async fn write(client: &Client, statement: &tokio_postgres::Statement, numbers: &[u64]) {
    let event_ids: Vec<String> = numbers.iter().map(|number| format!("message-{number}")).collect();
    let receipts: Vec<Uuid> = event_ids.iter().map(|id| ids::of_receipt("/sources/bench", id)).collect();
    let places: Vec<i64> = numbers.iter().map(|number| i64::try_from(*number).unwrap_or(0)).collect();
    let streams: Vec<i32> =
        numbers.iter().map(|number| i32::try_from(number % DEVICES).unwrap_or(0)).collect();
    let instants: Vec<Timestamp> = numbers.iter().map(|number| instant(*number)).collect();
    let temperatures: Vec<f64> = numbers.iter().map(|number| 20.0 + (number % 100) as f64 / 10.0).collect();
    let humidities: Vec<f64> = numbers.iter().map(|number| 40.0 + (number % 20) as f64).collect();
    client
        .execute(
            statement,
            &[&receipts, &event_ids, &places, &streams, &instants, &temperatures, &humidities],
        )
        .await
        .expect("the bare upsert is accepted");
}
