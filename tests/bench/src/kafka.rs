//! Topic mode: topics of small messages read into PostgreSQL, each beside the bare upsert of what the worker leaves of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudevents::Event;
use event_model::{cloudevent, events, ids};
use jiff::Timestamp;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::binaries::{Running, stage};
use crate::database::Database;
use crate::table::{Table, median};
use crate::write_path::{BARE_CONNECTIONS, BATCHES, DEVICES, TIME, body, instant, recorded};

const RUNS: usize = 3;
const PARTITIONS: i32 = 4;
const LIMIT: Duration = Duration::from_secs(180);
/// The pipeline whose source is a plain topic.
const PLAIN: &str = include_str!("../plain.yaml");

/// What the records of a topic are, and whose topic it is.
#[derive(Debug, Clone, Copy)]
enum Records {
    /// Events as `ingest` publishes them, whose ids are keys, in the pipeline's own topic.
    Events,
    /// JSON without an id, in the topic of a source (`kafka`): a receipt is of many.
    Plain,
}

/// How the figures are called.
struct Names {
    floor: &'static str,
    rate: &'static str,
    ratio: &'static str,
}

/// A topic that holds messages, and what its worker is started with.
struct Filled {
    records: Records,
    bootstrap: String,
    topic: String,
    pipeline: PathBuf,
}

/// Measures worker and bare upsert in turn, for either kind of records.
///
/// # Panics
/// If a run stores fewer payloads than were published, or more.
pub async fn beside_the_bare_upsert(table: &mut Table, database: &Database, pipeline: &Path) {
    let Some(kafka) = testkit::kafka().await else { return };
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    for records in [Records::Events, Records::Plain] {
        let (bootstrap, topic) = (kafka.bootstrap().to_owned(), kafka.unique("bench"));
        let pipeline = match records {
            Records::Events => pipeline.to_owned(),
            Records::Plain => {
                let file = folder.path().join("freshet.yaml");
                let text = PLAIN.replace("SERVERS", &bootstrap).replace("TOPIC", &topic);
                std::fs::write(&file, text).expect("a temporary file can be written");
                file
            }
        };
        let filled = Filled { records, bootstrap, topic, pipeline };
        filled.fill().await;
        filled.measure(table, database).await;
    }
}

impl Records {
    const fn messages(self) -> u64 {
        match self {
            Self::Events => 300_000,
            Self::Plain => 1_000_000,
        }
    }

    const fn names(self) -> Names {
        match self {
            Self::Events => Names {
                floor: "bare upsert of the worker's rows, best batch",
                rate: "worker, from Kafka to committed rows",
                ratio: "worker beside the bare upsert",
            },
            Self::Plain => Names {
                floor: "bare upsert of the moments alone, best batch",
                rate: "worker, from a plain topic to committed rows",
                ratio: "worker, plain topic, beside the bare upsert of the moments",
            },
        }
    }

    /// What the worker must reach of the bare upsert.
    const fn least(self) -> f64 {
        match self {
            Self::Events => 0.6,
            Self::Plain => 0.75,
        }
    }

    const fn bare(self) -> &'static str {
        match self {
            Self::Events => BARE_EVENTS,
            Self::Plain => BARE_MOMENTS,
        }
    }
}

impl Filled {
    /// Makes the topic and publishes the messages, events as `ingest` does.
    async fn fill(&self) {
        let settings = KafkaSettings::plaintext(&self.bootstrap);
        let wanted =
            TopicSpec { name: self.topic.clone(), partitions: PARTITIONS, replication: 1, retention: None };
        create_missing_topics(&settings, &[wanted]).await.expect("Kafka makes a topic");
        let mut config = settings.client_config();
        let producer: BaseProducer =
            config.set("linger.ms", "20").set("acks", "all").create().expect("the settings are sound");
        for number in 0..self.records.messages() {
            match self.records {
                Records::Events => {
                    let record = cloudevent::to_kafka(&payload(number));
                    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
                    for (name, value) in &record.headers {
                        headers = headers.insert(Header { key: name, value: Some(value) });
                    }
                    let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
                    publish(
                        &producer,
                        BaseRecord::to(&self.topic).key(&key).payload(&value).headers(headers),
                    );
                }
                Records::Plain => {
                    publish(&producer, BaseRecord::<str, str>::to(&self.topic).payload(&body(number)));
                }
            }
        }
        producer.flush(LIMIT).expect("Kafka takes the messages");
    }

    async fn measure(&self, table: &mut Table, database: &Database) {
        let (mut rates, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..RUNS {
            let mut floor = 0.0_f64;
            for batch in BATCHES {
                database.empty().await;
                floor = floor.max(bare_upsert(database, self.records, batch).await);
            }
            database.empty().await;
            let rate = self.worker(&format!("{}-{run}", self.topic), database).await;
            let sql = "select (select count(*) from moment), (select sum(coalesce(records, 1)) from receipt)";
            let row = database.connect().await.query_one(sql, &[]).await.expect("the tables are there");
            let (moments, payloads): (i64, Option<i64>) = (row.get(0), row.get(1));
            let messages = i64::try_from(self.records.messages()).ok();
            assert_eq!((Some(moments), payloads), (messages, messages), "each payload is stored once");
            floors.push(floor);
            rates.push(rate);
            ratios.push(rate / floor);
        }
        let Names { floor, rate, ratio } = self.records.names();
        table.tell(floor, median(floors), "messages/s");
        table.tell(rate, median(rates), "messages/s");
        table.at_least(ratio, median(ratios), "x", self.records.least());
    }

    /// Messages a second, from the first committed offsets to the last.
    async fn worker(&self, group: &str, database: &Database) -> f64 {
        let mut command = stage("worker", &database.url(), &self.pipeline, "http://127.0.0.1:1/");
        command.env("KAFKA_GROUP", group);
        match self.records {
            Records::Events => {
                command.env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap).env("KAFKA_TOPIC", &self.topic)
            }
            Records::Plain => command.env_remove("KAFKA_BOOTSTRAP_SERVERS").env_remove("KAFKA_TOPIC"),
        };
        let client = database.connect().await;
        let sql = "select coalesce(sum(greatest(next, 0)), 0)::bigint from topic_offset where topic = $1";
        let statement = client.prepare(sql).await.expect("the schema is migrated");
        let messages = self.records.messages();
        let _worker = Running::start(command);
        let mut first = None;
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LIMIT, "the worker never came to the end of the topic");
            let row = client.query_one(&statement, &[&self.topic]).await.expect("the server answers");
            let (committed, now) = (u64::try_from(row.get::<_, i64>(0)).unwrap_or(0), Instant::now());
            match first {
                None if committed > 0 => first = Some((committed, now)),
                Some((before, since)) if committed >= messages => {
                    return (committed - before) as f64 / (now - since).as_secs_f64();
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits where the producer has no room.
fn publish<K, P>(producer: &BaseProducer, mut record: BaseRecord<'_, K, P>)
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    while let Err((error, again)) = producer.send(record) {
        assert!(is_full(&error), "Kafka takes the messages: {error}");
        producer.poll(Duration::from_millis(10));
        record = again;
    }
    producer.poll(Duration::ZERO);
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

/// Messages a second of one process that does nothing but upsert what the worker leaves.
async fn bare_upsert(database: &Database, records: Records, batch: usize) -> f64 {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..BARE_CONNECTIONS as u64 {
        let client = database.connect().await;
        tasks.spawn(async move {
            let statement = client.prepare(records.bare()).await.expect("the schema is migrated");
            let mut written = 0_u64;
            while begin.elapsed() < TIME {
                let numbers: Vec<u64> = (0..batch as u64)
                    .map(|index| (written + index) * BARE_CONNECTIONS as u64 + lane)
                    .collect();
                write((&client, &statement), records, &numbers).await;
                written += batch as u64;
            }
            written
        });
    }
    let written: u64 = tasks.join_all().await.into_iter().sum();
    written as f64 / begin.elapsed().as_secs_f64()
}

/// Receipt, key and moment of each.
const BARE_EVENTS: &str = "
with key as (
    insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
    select 'bench', 'id:' || event_id, '2026-07-01', '2026-08-01', id, 'stored' from unnest($5::uuid[], $6::text[]) as e (id, event_id)
    on conflict (source, key) do nothing
), receipt as (
    insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems,
                         record_topic, record_partition, record_offset)
    select '2026-07-01', id, 'bench', event_id, 'json', 'stored', 3, 0, 'freshet-payloads', 0, place
    from unnest($5::uuid[], $6::text[], $7::bigint[]) as e (id, event_id, place)
)
insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
select stream_id, observed_at, '2026-07-01', id, array[a, b, 3.6]
from unnest($1::int[], $2::timestamptz[], $3::float8[], $4::float8[], $5::uuid[]) as e (stream_id, observed_at, a, b, id)
on conflict (stream_id, observed_at) do nothing";

/// The moment of each alone.
const BARE_MOMENTS: &str = "
insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
select stream_id, observed_at, '2026-07-01', $5::uuid, array[a, b, 3.6]
from unnest($1::int[], $2::timestamptz[], $3::float8[], $4::float8[]) as e (stream_id, observed_at, a, b)
on conflict (stream_id, observed_at) do nothing";

async fn write((client, statement): (&Client, &Statement), records: Records, numbers: &[u64]) {
    let streams: Vec<i32> =
        numbers.iter().map(|number| i32::try_from(number % DEVICES).unwrap_or(0)).collect();
    let instants: Vec<Timestamp> = numbers.iter().map(|number| instant(*number)).collect();
    let temperatures: Vec<f64> = numbers.iter().map(|number| 20.0 + (number % 100) as f64 / 10.0).collect();
    let humidities: Vec<f64> = numbers.iter().map(|number| 40.0 + (number % 20) as f64).collect();
    let written = match records {
        Records::Events => {
            let event_ids: Vec<String> = numbers.iter().map(|number| format!("message-{number}")).collect();
            let receipts: Vec<Uuid> =
                event_ids.iter().map(|id| ids::of_receipt("/sources/bench", id)).collect();
            let places: Vec<i64> = numbers.iter().map(|number| i64::try_from(*number).unwrap_or(0)).collect();
            client
                .execute(
                    statement,
                    &[&streams, &instants, &temperatures, &humidities, &receipts, &event_ids, &places],
                )
                .await
        }
        Records::Plain => {
            let receipt = ids::of_receipt("/sources/bench", "records");
            client.execute(statement, &[&streams, &instants, &temperatures, &humidities, &receipt]).await
        }
    };
    written.expect("the bare upsert is accepted");
}
