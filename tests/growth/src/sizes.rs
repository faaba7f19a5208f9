//! What payloads leave behind, in bytes of each table with its indexes.

use std::fmt;
use std::time::Duration;

use cloudevents::Event;
use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use futures_util::{StreamExt as _, stream};
use payload::Carried;
use persist::{Arrival, Persist, PersistParts, RecordContent, TopicRecord};
use pipeline_config::Pipeline;
use runtime::Prewarm;
use store::topic_offsets::{self, PartitionSpan};
use store::{Database, DatabaseSettings, RecordPlace};
use testkit::TestDatabase;
use tokio_postgres::Client;

use crate::stages::now;

const PIPELINE: &str = "
sources:
  all: {format: json, max_new_devices_per_hour: 100000, keep_requests: all}
  problems: {format: json, max_new_devices_per_hour: 100000, keep_requests: problems}
  none: {format: json, max_new_devices_per_hour: 100000, keep_requests: none}
";
const DEVICES: u32 = 500;
/// At once: what fills a transaction.
const AT_ONCE: usize = 256;
const TOPIC: &str = "payloads";
/// Records of one batch of the worker.
const BATCH: u32 = 1000;

/// How payloads come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One by one, with an id of `ingest`, to the source of this name.
    Fresh(&'static str),
    /// The same, each named by its platform.
    Named(&'static str),
    /// As records of a topic.
    Topic,
}

/// What there is after so many payloads.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Payloads.
    pub payloads: u32,
    /// Bytes of their receipts.
    pub receipts: i64,
    /// Bytes of their requests.
    pub requests: i64,
    /// Bytes of their keys.
    pub keys: i64,
    /// Bytes of their moments.
    pub moments: i64,
}

impl Sizes {
    /// All bytes of one payload.
    pub fn each(&self) -> f64 {
        (self.receipts + self.requests + self.keys + self.moments) as f64 / f64::from(self.payloads)
    }
}

/// As megabytes of a million payloads.
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |bytes: i64| bytes as f64 / f64::from(self.payloads);
        write!(
            f,
            "{:>10.0} {:>8.0} {:>8.0} {:>8.0} {:>8.0}",
            of(self.receipts),
            of(self.requests),
            of(self.keys),
            of(self.moments),
            self.each()
        )
    }
}

/// Stores so many payloads in an empty database, and measures it.
pub async fn after(database: &TestDatabase, way: Way, payloads: u32) -> Sizes {
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    store::migrate(&settings).await.unwrap();
    let persist = Persist::new(PersistParts {
        codecs: persist::Codecs::default(),
        pipeline: Pipeline::parse(PIPELINE, "freshet.yaml").unwrap(),
        database: Database::new(&settings),
        prewarm: Prewarm::default(),
        stage: "transform",
    });
    match way {
        Way::Topic => by_topic(&persist, &Database::new(&settings), payloads).await,
        Way::Fresh(_) | Way::Named(_) => {
            let arrival = Arrival { delivered_at: now(), now: now(), trace: None };
            stream::iter(0..payloads)
                .for_each_concurrent(AT_ONCE, async |number| {
                    persist.one(&Carried::new(payload(way, number)), arrival.clone()).await.unwrap();
                })
                .await;
        }
    }
    let client = database.connect().await;
    client.batch_execute("vacuum").await.unwrap();
    let sizes = Sizes {
        payloads,
        receipts: bytes(&client, "receipt").await,
        requests: bytes(&client, "request").await,
        keys: bytes(&client, "receipt_key").await,
        moments: bytes(&client, "moment").await,
    };
    assert_eq!(number(&client, "select count(*) from moment").await, i64::from(payloads));
    sizes
}

/// A payload of three metrics, of some 100 bytes beside the head of its request.
fn payload(way: Way, number: u32) -> Event {
    let source = match way {
        Way::Fresh(source) | Way::Named(source) => source,
        Way::Topic => "all",
    };
    let at = now().checked_sub(Duration::from_secs(86_400)).unwrap();
    let at = at.as_millisecond() + i64::from(number / DEVICES) * 10;
    let body = format!(
        r#"{{"device":"bench-{}","time":{at},"temperature":{:.1},"humidity":{},"battery_voltage":3.6}}"#,
        number % DEVICES,
        20.0 + f64::from(number % 100) / 10.0,
        40 + number % 20,
    );
    let id = match way {
        Way::Named(_) => format!("message-{number}-0123456789abcdef"),
        Way::Fresh(_) | Way::Topic => fresh_id(number),
    };
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), &id);
    cloudevent::set_time(&mut event, now());
    let request = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    event
}

/// As `ingest` makes them: by time, here one after the other.
fn fresh_id(number: u32) -> String {
    let millis = u64::try_from(now().as_millisecond()).unwrap() + u64::from(number);
    let mut chance = [0x5a; 10];
    chance[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid().to_string()
}

async fn by_topic(persist: &Persist, database: &Database, payloads: u32) {
    let client = database.client().await.unwrap();
    let epoch = topic_offsets::take(&client, &TOPIC.into(), &[0]).await.unwrap()[0].epoch;
    let span = |from: u32, end: u32| PartitionSpan {
        partition: 0,
        epoch,
        incarnation: 1,
        from: i64::from(from),
        end: i64::from(end),
    };
    assert!(topic_offsets::begin_at(&client, &TOPIC.into(), &span(0, 0), None).await.unwrap());
    for from in (0..payloads).step_by(BATCH as usize) {
        let end = (from + BATCH).min(payloads);
        let record = |offset: u32| TopicRecord {
            place: RecordPlace {
                topic: TOPIC.into(),
                incarnation: 1,
                partition: 0,
                offset: i64::from(offset),
            },
            published_at: Some(now()),
            trace: None,
            content: RecordContent::Event(Box::new(Carried::new(payload(Way::Topic, offset)))),
            hash: None,
        };
        let records: Vec<_> = (from..end).map(record).collect();
        let spans = [span(from, end)];
        let mut prepared = persist.prepare((&TOPIC.into(), &records), &spans, now()).await.unwrap();
        persist.commit(&mut prepared, &records).await.unwrap();
    }
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Of a table with its partitions, indexes and what is stored out of line.
async fn bytes(client: &Client, table: &str) -> i64 {
    let sql = "
        select coalesce((select sum(pg_total_relation_size(relid)) from pg_partition_tree($1::text::regclass)),
                        pg_total_relation_size($1::text::regclass))::bigint";
    client.query_one(sql, &[&table]).await.unwrap().get(0)
}
