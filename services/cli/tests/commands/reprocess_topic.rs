//! `freshet reprocess` where a topic keeps the requests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use jiff::{SignedDuration, Timestamp};
use kafka::{Content, KafkaSettings, PlainRecord, Record, RecordForm, RecordRange};
use payload::{Carried, PlainPayload};
use persist::{Persist, RecordContent, TopicRecord};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use store::topic_offsets::{self, PartitionSpan};
use store::{Database, DatabaseSettings, RecordPlace, Topic};

use crate::kafka::{self as kafka_world, queue};
use crate::process::{Run, freshet_with};
use crate::{rules, stage};

/// A level in volts that is one in millimeters.
const WRONG: &str = "
sources:
  yard: {format: json, units: {temperature: Cel, level: V}}
  other: {format: json, units: {temperature: Cel}}
";
const RIGHT: &str = "
sources:
  yard: {format: json, units: {temperature: '[degF]', level: mm}}
  other: {format: json, units: {temperature: Cel}}
";
const WRONG_LEVEL: &str = "readings where source = 'yard' and metric = 'level' and unit = 'V'";
const RIGHT_LEVEL: &str =
    "readings where source = 'yard' and metric = 'level' and unit = 'm' and round(value::numeric, 2) = 0.25";
const RIGHT_TEMPERATURE: &str = "readings where source = 'yard' and metric = 'temperature' and unit = 'Cel' and round(value::numeric, 1) = 20.0";

/// A topic, what has been stored of it, and the pipeline file.
struct World {
    kafka: kafka_world::World,
    topic: String,
    folder: tempfile::TempDir,
    start: Timestamp,
}

impl World {
    /// `None` where Kafka or PostgreSQL cannot be had.
    async fn build(file: &str) -> Option<Self> {
        let kafka = kafka_world::World::build().await?;
        let topic = kafka.kafka.unique("kept");
        kafka.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
        let start = Timestamp::from_second(runtime::Clock::system().now().as_second() - 3600).unwrap();
        let world = Self { kafka, topic, folder: tempfile::tempdir().unwrap(), start };
        world.activate(file);
        Some(world)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("freshet.yaml")
    }

    fn activate(&self, file: &str) {
        std::fs::write(self.path(), file).unwrap();
        let run = self.freshet(&["activate"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
    }

    fn freshet(&self, arguments: &[&str]) -> Run {
        self.freshet_with(arguments, &[("KAFKA_BOOTSTRAP_SERVERS", self.kafka.kafka.bootstrap())])
    }

    fn freshet_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let path = self.path();
        let own = [("DATABASE_URL", self.kafka.database.url()), ("FRESHET_PIPELINE", path.to_str().unwrap())];
        freshet_with(arguments, &[&own, more].concat())
    }

    fn at(&self, second: i64) -> Timestamp {
        self.start + SignedDuration::from_secs(second)
    }

    /// A payload as `ingest` queues it, received at `second` of what was measured then, or before. Its id is no key, but that of a message
    /// is.
    async fn queue(&self, (source, message): (&str, Option<&str>), (second, of): (i64, i64), body: &str) {
        let fresh = format!("0198aaaa-bbbb-7ccc-8ddd-{second:012}");
        let mut event =
            cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), message.unwrap_or(&fresh));
        cloudevent::set_time(&mut event, self.at(second));
        let body = format!(r#"{{"device":"d","time":"{}",{body}}}"#, self.at(of));
        let head = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n");
        event.set_data(APPLICATION_HTTP, [head, body].concat().into_bytes());
        queue(&self.kafka, &self.topic, cloudevent::to_kafka(&event)).await;
    }

    /// The same of a topic of others.
    async fn put(&self, value: Option<&str>) {
        let producer: FutureProducer = self.kafka.client().create().unwrap();
        let mut record = FutureRecord::<str, str>::to(&self.topic).partition(0).key("d");
        record.payload = value;
        producer.send(record, Duration::from_secs(10)).await.unwrap();
    }

    /// Writes the records from offset `from` on, up to `end`, as a worker does that has this pipeline: those of a source are one range.
    async fn store(&self, file: &str, source: Option<&str>, (from, end): (i64, i64)) {
        let persist: Persist = stage::transform(self.kafka.database.url(), file);
        let topic = Topic { source: source.map(Into::into), ..self.topic.as_str().into() };
        let form = if source.is_some() { RecordForm::Plain { with_key: false } } else { RecordForm::Events };
        let range = RecordRange { topic: self.topic.clone(), partition: 0, first: from, last: end - 1 };
        let settings = KafkaSettings::plaintext(self.kafka.kafka.bootstrap());
        let kept = kafka::records(settings, (range, form), usize::MAX).await.unwrap();
        assert_eq!((kept.read_to, kept.records.len() as i64), (end, end - from));
        let read = |Record { offset, published_at, content, bytes, .. }| {
            let content = match content {
                Content::Event(event) => RecordContent::Event(Box::new(Carried::new(*event))),
                Content::Plain(PlainRecord { headers, value, .. }) => RecordContent::Plain(
                    PlainPayload::of_record((source.unwrap().into(), None), (None, headers), (value, bytes)),
                ),
                Content::NoEvent(none) => panic!("{none:?}"),
            };
            let place = RecordPlace { topic: topic.clone(), incarnation: 1, partition: 0, offset };
            TopicRecord { place, published_at, trace: None, content, hash: Some(offset) }
        };
        let records: Vec<TopicRecord> = kept.records.into_iter().map(read).collect();
        let settings = DatabaseSettings::from_url(self.kafka.database.url()).unwrap();
        let client = Database::new(&settings).client().await.unwrap();
        let epoch = topic_offsets::take(&client, &topic, &[0]).await.unwrap()[0].epoch;
        let span = PartitionSpan { partition: 0, epoch, incarnation: 1, from, end };
        if from == 0 {
            assert!(topic_offsets::begin_at(&client, &topic, &span, None).await.unwrap());
        }
        let now = runtime::Clock::system().now();
        let mut prepared = persist.prepare((&topic, &records), &[span], now).await.unwrap();
        persist.commit(&mut prepared, &records).await.unwrap();
    }

    /// Kafka keeps no record before this offset any more.
    async fn forget_before(&self, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.kafka.client().create().unwrap();
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).unwrap();
        admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    }

    fn reprocess(&self, more: &[&str]) -> Run {
        self.freshet(&[&["reprocess", "--source", "yard", "--from", "2h", "-o", "json"], more].concat())
    }

    /// Requests, receipts that changed something, and moments that were revised.
    fn counts(run: &Run) -> [u64; 3] {
        assert_eq!(run.status, 0, "{}", run.stderr);
        let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        ["requests", "changing", "revised"].map(|count| printed[0][count].as_u64().unwrap())
    }

    async fn count(&self, of: &str) -> i64 {
        let client = self.kafka.database.connect().await;
        client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    async fn execute(&self, sql: &str) {
        self.kafka.database.connect().await.batch_execute(sql).await.unwrap();
    }
}

const SENT: &str = r#""temperature":68,"level":250"#;

/// Ten records in two ranges, with one of another source between, one that is keyed by its message, and one that is no reading; a correction.
async fn topic_mode() -> Option<World> {
    let world = World::build(WRONG).await?;
    for second in 0..4 {
        world.queue(("yard", None), (second, second), SENT).await;
    }
    world.queue(("other", None), (4, 4), r#""temperature":20"#).await;
    world.queue(("yard", Some("7")), (5, 5), SENT).await;
    world.queue(("yard", None), (6, 6), r#""temperature":"wet","level":250"#).await;
    world.queue(("yard", None), (7, 7), SENT).await;
    // Of the moment of the first, a minute later: in another range, it is 86 degrees.
    world.queue(("yard", None), (60, 0), r#""temperature":86"#).await;
    world.queue(("yard", None), (61, 61), SENT).await;
    world.store(WRONG, None, (0, 8)).await;
    world.store(WRONG, None, (8, 10)).await;
    assert_eq!(world.count("receipt where source = 'yard' and record_last_offset is not null").await, 2);
    assert_eq!(world.count("receipt where source = 'yard'").await, 3);
    assert_eq!(world.count(WRONG_LEVEL).await, 8);
    Some(world)
}

#[tokio::test]
async fn what_a_wrong_unit_has_made_of_the_records_of_a_topic_is_mended() {
    let Some(world) = topic_mode().await else { return };
    let old: i64 = world.count("receipt").await;
    world.activate(RIGHT);
    let dry = world.reprocess(&["--dry-run"]);
    assert_eq!(dry.status, 0, "{}", dry.stderr);
    assert!(
        dry.stderr.contains(&format!("those of 3 receipts are kept by the topic {}", world.topic)),
        "{}",
        dry.stderr
    );
    assert!(dry.stderr.contains("other unit 8, changed 7, emptied 8, superseded 1"), "{}", dry.stderr);
    assert_eq!((world.count("receipt").await, world.count(WRONG_LEVEL).await), (old, 8));

    let run = world.reprocess(&[]);
    assert_eq!(World::counts(&run), [9, 3, 8]);
    let mended = [
        (WRONG_LEVEL, 0),
        (RIGHT_LEVEL, 8),
        (RIGHT_TEMPERATURE, 6),
        // The correction still wins.
        ("readings where source = 'yard' and metric = 'temperature' and round(value::numeric, 1) = 30.0", 1),
        ("readings where source = 'other' and value = 20", 1),
        ("receipt where rereads is not null", 3),
        ("reprocess_row", 0),
    ];
    for (of, number) in mended {
        assert_eq!(world.count(of).await, number, "{of}");
    }
    // Each value counts as received when its record was.
    let received = "readings where source = 'yard' and metric = 'level' and received_at = observed_at";
    assert_eq!(world.count(received).await, 8);
    assert_eq!(World::counts(&world.reprocess(&[])), [9, 0, 0]);
    // Back again, once more by the file of before.
    world.activate(WRONG);
    assert_eq!(World::counts(&world.reprocess(&[])), [9, 3, 8]);
    assert_eq!((world.count(WRONG_LEVEL).await, world.count(RIGHT_LEVEL).await), (8, 0));
}

#[tokio::test]
async fn a_dry_run_over_ranges_names_the_alerts_that_an_evaluation_then_changes() {
    let Some(world) = topic_mode().await else { return };
    let with_rules = |file: &str| {
        format!(
            "{file}rules: {{Hot: {{metric: temperature, above: 29}}, Full: {{metric: level, above: 100}}}}"
        )
    };
    let (wrong, right) = (with_rules(WRONG), with_rules(RIGHT));
    world.activate(&wrong);
    world
        .execute("insert into evaluation_request (stream_id, from_at, token) select id, '2026-01-01Z', nextval('evaluation_token') from stream")
        .await;
    let database = &world.kafka.database;
    rules::evaluate(database.url(), &wrong).await;
    let first = |rule: &str, metric: &str| format!("{rule} d {metric} {}", world.at(0));
    assert_eq!(
        rules::transitions(database, 0).await,
        [format!("begins {}", first("Full", "level")), format!("begins {}", first("Hot", "temperature"))]
    );
    world.activate(&right);
    let foreseen = rules::foreseen(&world.reprocess(&["--dry-run"]));
    // The moment that was corrected to 86 degrees is as hot as before, the next one is not.
    assert_eq!(
        foreseen,
        [
            format!("beginning_retracted {}", first("Full", "level")),
            format!("ends Hot d temperature {}", world.at(1)),
        ]
    );
    let before = rules::newest(database).await;
    assert_eq!(World::counts(&world.reprocess(&["--evaluate"])), [9, 3, 8]);
    rules::evaluate(database.url(), &right).await;
    assert_eq!(rules::transitions(database, before).await, foreseen);
}

#[tokio::test]
async fn of_a_range_of_which_kafka_keeps_a_part_nothing_is_taken_away() {
    let Some(world) = topic_mode().await else { return };
    world.activate(RIGHT);
    world.forget_before(2).await;
    let run = world.reprocess(&[]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("1 are not, of those received from"), "{}", run.stderr);
    let run = world.reprocess(&["--partial"]);
    assert_eq!(World::counts(&run), [7, 3, 7]);
    // What the first range has made stays, where it is kept too; the keyed record and the second range are whole.
    assert_eq!((world.count(WRONG_LEVEL).await, world.count(RIGHT_LEVEL).await), (6, 6));
    assert_eq!(world.count(RIGHT_TEMPERATURE).await, 5);

    // A receipt that says of more records than there are, as in a topic that is compacted, is such a one too.
    let Some(world) = topic_mode().await else { return };
    world.activate(RIGHT);
    world.execute("update receipt set records = records + 1 where record_offset = 8").await;
    assert_eq!(World::counts(&world.reprocess(&[])), [9, 3, 8]);
    assert_eq!((world.count(WRONG_LEVEL).await, world.count(RIGHT_LEVEL).await), (1, 8));
}

#[tokio::test]
async fn a_topic_that_was_made_anew_or_whose_kafka_is_not_known_is_not_read() {
    let Some(world) = topic_mode().await else { return };
    world.activate(RIGHT);
    let arguments = ["reprocess", "--source", "yard", "--from", "2h", "-o", "json"];
    let run = world.freshet_with(&arguments, &[]);
    assert_eq!(run.status, 1);
    assert!(
        run.stderr.contains("those of 3 receipts are in a topic, and are not read: Kafka is not known"),
        "{}",
        run.stderr
    );
    assert_eq!(
        World::counts(&world.freshet_with(&[&arguments[..], &["--partial"]].concat(), &[])),
        [0, 0, 0]
    );
    world.execute("update topic_offset set incarnation = 2").await;
    let run = world.reprocess(&["--partial"]);
    // A keyed record is known by its event.
    assert_eq!(World::counts(&run), [1, 1, 1]);
    assert!(run.stderr.contains("2 are not, of those received from"), "{}", run.stderr);
    assert_eq!(world.count(WRONG_LEVEL).await, 7);
}

#[tokio::test]
async fn a_range_is_read_whole_that_ends_behind_the_span() {
    let Some(world) = topic_mode().await else { return };
    world.activate(RIGHT);
    // Of the first range, and the keyed record, the second moment on is received behind it.
    let to = world.at(1).to_string();
    assert_eq!(World::counts(&world.reprocess(&["--to", &to])), [6, 1, 6]);
    assert_eq!((world.count(WRONG_LEVEL).await, world.count(RIGHT_LEVEL).await), (2, 6));
}

#[tokio::test]
async fn the_records_of_a_topic_of_others_are_read_again_by_their_source() {
    let of_topic = |units: &str, topic: &str, servers: &str| {
        format!(
            "sources: {{yard: {{format: json, units: {units}, kafka: {{servers: '{servers}', topic: {topic}, from: earliest}}}}}}"
        )
    };
    let Some(world) = World::build(WRONG).await else { return };
    let servers = world.kafka.kafka.bootstrap().to_owned();
    let wrong = of_topic("{temperature: Cel, level: V}", &world.topic, &servers);
    let right = of_topic("{temperature: '[degF]', level: mm}", &world.topic, &servers);
    world.activate(&wrong);
    for number in 0..20 {
        // Each fifth without a time of its own; one deletion.
        let time = if number % 5 == 0 { String::new() } else { format!(r#""time":"{}","#, world.at(number)) };
        let value = format!(r#"{{"device":"d",{time}{SENT}}}"#);
        world.put((number != 7).then_some(value.as_str())).await;
    }
    world.store(&wrong, Some("yard"), (0, 20)).await;
    assert_eq!(world.count(WRONG_LEVEL).await, 19);
    world.activate(&right);
    // Those of the source say where its Kafka is.
    let arguments = ["reprocess", "--source", "yard", "--from", "2h", "-o", "json"];
    assert_eq!(World::counts(&world.freshet_with(&arguments, &[])), [20, 1, 19]);
    let counts = (
        world.count(WRONG_LEVEL).await,
        world.count(RIGHT_LEVEL).await,
        world.count(RIGHT_TEMPERATURE).await,
    );
    assert_eq!(counts, (0, 19, 19));
    assert_eq!(World::counts(&world.freshet_with(&arguments, &[])), [20, 0, 0]);
}
