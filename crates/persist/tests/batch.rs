//! The records of a topic, over a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use cloudevents::{AttributesReader, Event};
use event_model::cloudevent;
use event_model::event_types::{EVALUATION_REQUESTED, PAYLOAD_RECEIVED, READINGS_RECORDED};
use event_model::events::{APPLICATION_HTTP, EvaluationRequested, ReadingsRecorded};
use jiff::Timestamp;
use payload::Carried;
use persist::{Persist, PersistError, PersistParts, Publication, RecordContent, TopicRecord, Unreadable};
use pipeline_config::Pipeline;
use runtime::Prewarm;
use store::dead_letters::DeadEvent;
use store::topic_offsets::{self, PartitionSpan};
use store::{Database, DatabaseSettings, RecordPlace};

const PIPELINE: &str = "
sources:
  greenhouse: {format: json}
  barn: {format: json}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*'}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

struct World {
    persist: Persist,
    database: Database,
    client: tokio_postgres::Client,
}

impl World {
    /// `None` where there is no server. `more` is added to the pipeline.
    async fn build(more: &str) -> Option<Self> {
        let database = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let pipeline = Pipeline::parse(&format!("{PIPELINE}{more}"), "freshet.yaml").unwrap();
        let (database, client) = (Database::new(&settings), database.connect().await);
        let parts = PersistParts {
            codecs: persist::Codecs::default(),
            pipeline,
            database: database.clone(),
            prewarm: Prewarm::default(),
            stage: "worker",
        };
        Some(Self { persist: Persist::new(parts), database, client })
    }

    async fn batch(&self, records: &[TopicRecord]) -> Vec<Event> {
        let publications = self.try_batch(records).await.unwrap();
        publications.into_iter().map(|publication| publication.event).collect()
    }

    /// Writes records of one partition, which is taken from before the first of them.
    async fn try_batch(&self, records: &[TopicRecord]) -> Result<Vec<Publication>, PersistError> {
        let span = self.taken(records[0].place.offset, records.last().unwrap().place.offset + 1).await;
        let mut prepared = self.persist.prepare((&"payloads".into(), records), &[span], now()).await?;
        self.persist.commit(&mut prepared, records).await
    }

    async fn taken(&self, from: i64, end: i64) -> PartitionSpan {
        let client = self.database.client().await.unwrap();
        let taken = topic_offsets::take(&client, &"payloads".into(), &[0]).await.unwrap();
        let span = PartitionSpan { partition: 0, epoch: taken[0].epoch, incarnation: 1, from, end };
        assert!(topic_offsets::begin_at(&client, &"payloads".into(), &span, None).await.unwrap());
        span
    }

    async fn count(&self, of: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }
}

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn place(offset: i64) -> RecordPlace {
    RecordPlace { topic: "payloads".into(), incarnation: 1, partition: 0, offset }
}

fn record(offset: i64, event: Event) -> TopicRecord {
    let content = RecordContent::Event(Box::new(Carried::new(event)));
    TopicRecord { place: place(offset), published_at: Some(now()), trace: None, content, hash: Some(offset) }
}

fn payload(source: &str, id: &str, body: &str) -> Event {
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), id);
    cloudevent::set_time(&mut event, now());
    let request = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    event
}

#[tokio::test]
async fn each_record_stands_for_itself_and_one_event_asks_for_all_streams() {
    let Some(world) = World::build("").await else { return };
    let kept = DeadEvent::of_record(&place(4), &[("origin", b"plc")], Some(b"21.5"));
    let unreadable = Unreadable { reason: "the record is no CloudEvent".to_owned(), kept };
    let records = [
        record(0, payload("greenhouse", "a", r#"{"device":"gh-1","temperature":21.5}"#)),
        record(1, payload("greenhouse", "a", r#"{"device":"gh-1","temperature":21.5}"#)),
        record(2, payload("greenhouse", "b", r#"{"device":"gh-2","temperature":22.5}"#)),
        record(3, payload("removed", "c", "{}")),
        TopicRecord {
            content: RecordContent::Unreadable(Box::new(unreadable)),
            ..record(4, payload("barn", "x", ""))
        },
        record(5, payload("barn", "d", "42")),
        record(6, payload("barn", "e", r#"{"device":"cow","temperature":38.5}"#)),
    ];
    let events = world.batch(&records).await;
    assert_eq!(
        (world.count("moment").await, world.count("receipt where record_topic = 'payloads'").await),
        (3, 4)
    );
    let causes =
        world.client.query("select event_id, cause from dead_letter where stage = 'worker'", &[]).await;
    let causes: BTreeMap<String, String> =
        causes.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let wanted = [("0-4", "malformed"), ("c", "rejected"), ("d", "rejected")];
    assert_eq!(causes, wanted.map(|(id, cause)| (id.to_owned(), cause.to_owned())).into());

    let [event] = events.as_slice() else { panic!("one event, not {events:?}") };
    assert_eq!((event.ty(), event.source().as_str()), (EVALUATION_REQUESTED, "/stages/worker"));
    assert_eq!(cloudevent::json::<EvaluationRequested>(event).unwrap().streams.len(), 2);
    assert_eq!(world.count("evaluation_request").await, 2);

    // Read once more, nothing is written and the same is published.
    assert_eq!(world.batch(&records).await, events);
    assert_eq!((world.count("moment").await, world.count("receipt").await), (3, 4));
}

#[tokio::test]
async fn a_payload_that_the_database_refuses_harms_none_of_its_neighbours() {
    let Some(world) = World::build("").await else { return };
    // No index entry holds an id of this length that cannot be compressed.
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let dead_letters =
        std::iter::successors(Some(1_u32), next).map(|state| char::from(b'a' + (state >> 24) as u8 % 26));
    let id: String = dead_letters.take(9000).collect();
    let records: Vec<TopicRecord> = (0..10)
        .map(|n| {
            let body = format!(r#"{{"device":"gh-1","time":"2026-03-01T09:00:0{n}Z","temperature":1}}"#);
            let own = n.to_string();
            record(n, payload("greenhouse", if n == 4 { &id } else { &own }, &body))
        })
        .collect();
    world.batch(&records).await;
    assert_eq!((world.count("moment").await, world.count("receipt").await), (9, 9));
    assert_eq!(
        world.count("dead_letter where cause = 'rejected' and reason like '%refuses the data'").await,
        1
    );
}

#[tokio::test]
async fn what_no_text_of_the_database_holds_is_a_dead_letter_and_not_passed_over() {
    let Some(world) = World::build("").await else { return };
    let kept = DeadEvent {
        source: "/topics/pay\0loads".into(),
        id: "0-\u{0}1".into(),
        event_type: "unknown".into(),
        attributes: [("na\0me".to_owned(), "val\0ue".into())].into_iter().collect(),
        data: Some(b"da\0ta".to_vec()),
    };
    let unreadable = Unreadable { reason: "no Cloud\0Event".to_owned(), kept };
    let bad = TopicRecord {
        content: RecordContent::Unreadable(Box::new(unreadable)),
        ..record(1, payload("barn", "x", ""))
    };
    world.batch(&[bad]).await;
    let row = world
        .client
        .query_one("select source, reason, attributes::text, data from dead_letter", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "/topics/pay\u{fffd}loads");
    assert_eq!(row.get::<_, &str>(1), "no Cloud\u{fffd}Event");
    assert_eq!(row.get::<_, &str>(2), "{\"na\u{fffd}me\": \"val\u{fffd}ue\"}");
    assert_eq!(row.get::<_, &[u8]>(3), b"da\0ta");
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_kept_holds_its_batch_back() {
    let Some(world) = World::build("").await else { return };
    world.client.batch_execute("alter table dead_letter add check (stage <> 'worker')").await.unwrap();
    let records = [record(0, payload("barn", "d", "42"))];
    let error = world.try_batch(&records).await.unwrap_err();
    assert!(!error.is_final(), "{error}");
    world
        .client
        .batch_execute("alter table dead_letter drop constraint dead_letter_stage_check")
        .await
        .unwrap();
    world.batch(&records).await;
    assert_eq!(world.count("dead_letter").await, 1);
}

#[tokio::test]
async fn what_there_is_no_room_for_is_a_dead_letter_and_the_rest_is_stored() {
    let Some(world) = World::build("").await else { return };
    let body = |request: i32| {
        let keys = (0..600).map(|n| format!(r#""k{request}x{n:03}":{n},"#)).collect::<String>();
        format!(r#"{{"device":"gw",{keys}"temperature":{request}}}"#)
    };
    let records = [
        record(0, payload("barn", "a", &body(1))),
        record(1, payload("barn", "b", r#"{"device":"other","temperature":1}"#)),
    ];
    world.batch(&records).await;
    world
        .batch(&[record(2, payload("barn", "c", &body(2))), record(3, payload("barn", "d", &body(3)))])
        .await;
    let outcomes =
        world.client.query("select outcome, readings, problems from receipt order by event_id", &[]).await;
    let outcomes: Vec<(String, i32, i32)> =
        outcomes.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let receipt = |outcome: &str, readings, problems| (outcome.to_owned(), readings, problems);
    assert_eq!(outcomes[..2], [receipt("stored", 601, 0), receipt("stored", 1, 0)]);
    assert_eq!(
        outcomes[2..].iter().map(|(outcome, ..)| outcome.as_str()).collect::<Vec<_>>(),
        ["partial", "partial"]
    );
    assert_eq!(
        outcomes[2].1 + outcomes[3].1,
        399 + 2,
        "what the stream has room for, and a temperature each"
    );
    assert_eq!(
        world
            .count("dead_letter where problems->0->>'place' = 'gw' and reason like '%at most 1000 metrics%'")
            .await,
        2
    );
    assert_eq!(
        world.count("readings where metric = 'temperature' and device = 'gw'").await,
        1,
        "of one receive time"
    );
}

#[tokio::test]
async fn where_the_pipeline_says_so_an_event_for_third_parties_names_each_source() {
    let Some(world) = World::build("emit: always\n").await else { return };
    let records = [
        record(0, payload("greenhouse", "a", r#"{"device":"gh-1","temperature":21.5}"#)),
        record(1, payload("barn", "b", r#"{"device":"cow","temperature":38.5}"#)),
        record(2, payload("barn", "c", r#"{"device":"hen","temperature":40.5}"#)),
    ];
    let events = world.batch(&records).await;
    let types: Vec<&str> = events.iter().map(AttributesReader::ty).collect();
    assert_eq!(types, [EVALUATION_REQUESTED, READINGS_RECORDED, READINGS_RECORDED]);
    let recorded: ReadingsRecorded = cloudevent::json(&events[1]).unwrap();
    let devices: Vec<&str> = recorded.streams.iter().map(|stream| stream.device.as_str()).collect();
    assert_eq!((recorded.source.as_str(), devices), ("barn", vec!["cow", "hen"]));
}
