//! What commands ask a real Kafka: topics, and how far groups have read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use testkit::{TestDatabase, TestKafka};

use crate::process::freshet_with;

/// A Kafka, and a migrated database; `None` where one of them cannot be had.
pub(crate) struct World {
    pub(crate) kafka: TestKafka,
    pub(crate) database: TestDatabase,
}

impl World {
    pub(crate) async fn build() -> Option<Self> {
        Some(Self { kafka: testkit::kafka().await?, database: testkit::postgres().await? })
    }

    /// Runs `freshet` and gives its status and its JSON, which is the last line of what a pod prints.
    pub(crate) fn freshet(&self, arguments: &[&str]) -> (i32, Value) {
        let variables =
            [("DATABASE_URL", self.database.url()), ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap())];
        let run = freshet_with(arguments, &variables);
        let json =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr));
        (run.status, json)
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.bootstrap());
        config
    }

    async fn produce(&self, topic: &str, count: usize) {
        let producer: FutureProducer = self.client().create().unwrap();
        for number in 0..count {
            let key = number.to_string();
            let record = FutureRecord::to(topic).key(&key).payload("{}");
            producer.send(record, Duration::from_secs(10)).await.unwrap();
        }
    }

    /// What `group` has committed of both partitions.
    fn committed(&self, topic: &str, group: &str) -> [Option<i64>; 2] {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, 1);
        let committed = consumer.committed_offsets(asked, Duration::from_secs(10)).unwrap();
        [0, 1]
            .map(|partition| committed.find_partition(topic, partition)?.offset().to_raw())
            .map(|offset| offset.filter(|offset| *offset >= 0))
    }

    /// A member of `group` that has been given its partitions.
    fn member(&self, topic: &str, group: &str) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let reads = || consumer.poll(Duration::from_secs(1)).is_some_and(|record| record.is_ok());
        assert!((0..60).any(|_| reads()), "the member reads nothing");
        consumer
    }

    /// How long a topic keeps its records, in milliseconds.
    async fn retention(&self, topic: &str) -> String {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let asked = [ResourceSpecifier::Topic(topic)];
        let config = testkit::eventually(Duration::from_secs(10), || async {
            admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap().remove(0)
        });
        config.await.get("retention.ms").unwrap().value.clone().unwrap()
    }

    /// Commits that `group` has read partition 0 up to `next`.
    fn commit(&self, topic: &str, group: &str, next: i64) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut read = TopicPartitionList::new();
        read.add_partition_offset(topic, 0, Offset::Offset(next)).unwrap();
        consumer.commit(&read, CommitMode::Sync).unwrap();
    }
}

#[tokio::test]
async fn topics_that_are_missing_are_made_once() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("made");
    let wanted = format!("{topic}:3:1");
    assert_eq!(
        world.freshet(&["doctor", "--inside", "--topic", &topic]).1["kafka"]["missing"],
        json!([topic])
    );
    let migrate = ["migrate", "--topic", &wanted, "-o", "json"];
    assert_eq!(world.freshet(&migrate).1["topics"], json!([topic]));
    assert_eq!(world.freshet(&migrate).1["topics"], json!([]));
    assert_eq!(world.freshet(&["doctor", "--inside", "--topic", &topic]).1["kafka"]["missing"], json!([]));
}

#[tokio::test]
async fn a_topic_keeps_its_records_for_the_time_that_it_was_made_with() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("kept");
    for wanted in [format!("{topic}:1:1:30d"), format!("{topic}:1:1:1h"), format!("{topic}:1:1")] {
        world.freshet(&["migrate", "--topic", &wanted, "-o", "json"]);
        assert_eq!(world.retention(&topic).await, "2592000000", "{wanted}");
    }
}

#[tokio::test]
async fn a_group_that_has_committed_nothing_begins_at_its_topics_start_and_others_stay() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("events");
    let [new, halfway, read] = ["new", "halfway", "read"].map(|name| world.kafka.unique(name));
    let wanted = format!("{topic}:2:1");
    let reader = |group: &str| format!("{topic}:{group}");
    let migrate = |group: &str| {
        let group = reader(group);
        world.freshet(&["migrate", "--topic", &wanted, "--group", &group, "-o", "json"]).1
    };
    assert_eq!(migrate(&new)["groups"], json!([reader(&new)]), "the topic was made just now");
    assert_eq!(world.committed(&topic, &new), [Some(0), Some(0)]);
    world.produce(&topic, 20).await;
    world.commit(&topic, &halfway, 3);
    assert_eq!(migrate(&halfway)["groups"], json!([reader(&halfway)]));
    assert_eq!(world.committed(&topic, &halfway), [Some(3), Some(0)]);
    assert_eq!(migrate(&halfway)["groups"], json!([]));
    let member = world.member(&topic, &read);
    assert_eq!(migrate(&read)["groups"], json!([]), "a group with a member is the member's");
    assert_eq!(world.committed(&topic, &read), [None, None]);
    drop(member);
}

#[tokio::test]
async fn what_a_group_has_not_read_keeps_a_pipeline_from_being_drained() {
    let Some(world) = World::build().await else { return };
    let (topic, group) = (world.kafka.unique("payloads"), world.kafka.unique("transform"));
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    world.produce(&topic, 5).await;
    let reader = format!("{topic}:{group}");
    let status = ["status", "--inside", "--reader", &reader];
    let drain = ["drain", "--inside", "--reader", &reader, "--timeout", "1s"];
    assert_eq!(world.freshet(&status).1["lags"], json!({"Ok": [5]}));
    world.commit(&topic, &group, 3);
    assert_eq!(world.freshet(&status).1["lags"], json!({"Ok": [2]}));
    let (status, answer) = world.freshet(&drain);
    assert_eq!((status, &answer["drained"]), (1, &json!(false)));
    assert_eq!(answer["under_way"], json!([format!("2 records of {topic} are not read by {group}")]));
    world.commit(&topic, &group, 5);
    let (status, answer) = world.freshet(&drain);
    assert_eq!((status, &answer["drained"]), (0, &json!(true)));
}

#[tokio::test]
async fn the_lag_of_a_partition_is_from_what_is_stored_to_its_end_whatever_the_group_has_read() {
    let Some(world) = World::build().await else { return };
    let (topic, group) = (world.kafka.unique("payloads"), world.kafka.unique("worker"));
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    world.produce(&topic, 5).await;
    world.commit(&topic, &group, 1);
    let client = world.database.connect().await;
    let sql = "
        insert into topic_offset (source, topic, \"partition\", next) values ('', $1, 0, 2), ('floor', $1, 0, 2)";
    client.execute(sql, &[&topic]).await.unwrap();
    let counted = world.freshet(&["status", "--inside", "--reader", &format!("{topic}:{group}")]).1;
    let partitions = counted["overview"]["Ok"]["partitions"].as_array().unwrap();
    let lags: Vec<_> = partitions.iter().map(|standing| (&standing["topic"], &standing["lag"])).collect();
    let of_source = json!(format!("floor/{topic}"));
    assert_eq!(
        lags,
        [(&json!(topic), &json!(3)), (&of_source, &Value::Null)],
        "of that cluster nothing is known"
    );
}

/// Instead of the stage: what it is sent, and that it reads all of its topic then.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_dead_letters_is_woken_for_those_that_wait_in_their_topic() {
    let Some(world) = World::build().await else { return };
    let (topic, group) = (world.kafka.unique("dead-letters"), world.kafka.unique("dead-letter"));
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    world.produce(&topic, 5).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, url) = (format!("{topic}:{group}"), format!("http://{}/", listener.local_addr().unwrap()));
    let drain = |timeout: &str| {
        let arguments = ["drain", "--inside", "--reader", &reader, "--timeout", timeout];
        world.freshet(&[&arguments[..], &["--dead-letters", &reader, "--wake", &url]].concat())
    };
    let (answer, request) = std::thread::scope(|scope| {
        let stage = scope.spawn(|| {
            let (mut caller, _) = listener.accept().unwrap();
            let request = head(&mut caller);
            world.commit(&topic, &group, 5);
            caller.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            request
        });
        (drain("60s"), stage.join().unwrap())
    });
    assert_eq!((answer.0, &answer.1["drained"]), (0, &json!(true)), "{}", answer.1);
    assert!(request.contains("ce-type: dev.freshet.dead-letters.due.v1"), "{request}");
    // Nothing waits any more, and nobody is woken: the listener would keep the second one waiting.
    assert_eq!(drain("5s").1["drained"], json!(true));
}

/// The head of a request, in lower case.
fn head(caller: &mut TcpStream) -> String {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = caller.read(&mut buffer).unwrap();
        assert!(count > 0, "the request ends early");
        read.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&read).to_lowercase()
}

const PIPELINE: &str = "
sources:
  greenhouse: {format: json}
  barn: {format: json}
";

/// A payload as `ingest` queues it, with an id that is no key.
fn payload(source: &str, number: u8, body: &str) -> cloudevent::KafkaRecord {
    let id = format!("0198aaaa-bbbb-7ccc-8ddd-{number:012}");
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), &id);
    cloudevent::set_time(&mut event, runtime::Clock::system().now());
    let request = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    cloudevent::to_kafka(&event)
}

pub(crate) async fn queue(world: &World, topic: &str, record: cloudevent::KafkaRecord) {
    let producer: FutureProducer = world.client().create().unwrap();
    let mut headers = OwnedHeaders::new();
    for (name, value) in &record.headers {
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    let value = record.value.unwrap_or_default();
    let sent = FutureRecord::<str, _>::to(topic).headers(headers).payload(&value);
    producer.send(sent, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn a_receipt_of_many_records_shows_each_request_while_kafka_keeps_it_and_says_which_it_does_not() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("payloads");
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    let bodies = [("greenhouse", "1"), ("barn", "2"), ("greenhouse", r#""wet""#), ("greenhouse", "4")];
    for ((source, value), number) in bodies.iter().zip(0..) {
        let body = format!(r#"{{"device":"gh-1","temperature":{value}}}"#);
        queue(&world, &topic, payload(source, number, &body)).await;
    }
    let client = world.database.connect().await;
    let sql = "
        insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, record_topic,
                             record_partition, record_offset, record_last_offset, records)
        values (now(), gen_random_uuid(), 'greenhouse', '0-0..3', 'json', 'partial', 2, 1, $1, 0, 0, 3, 3) returning id::text";
    let id: String = client.query_one(sql, &[&topic]).await.unwrap().get(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, PIPELINE).unwrap();
    let show = ["receipts", "show", &id, "--pipeline", file.to_str().unwrap(), "-o", "json"];

    let (status, shown) = world.freshet(&show);
    assert_eq!((status, &shown["not_kept"], &shown["receipt"]["records"]), (0, &json!(0), &json!(3)));
    let requests = shown["requests"].as_array().unwrap();
    let of = |name: &str| requests.iter().map(|request| request[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("offset"), [0, 2, 3]);
    assert_eq!(of("problem_count"), [0, 1, 0]);
    assert_eq!(requests[2]["readings"][0]["value"], json!(4.0));

    let admin: AdminClient<DefaultClientContext> = world.client().create().unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(3)).unwrap();
    admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    let (status, shown) = world.freshet(&show);
    assert_eq!((status, &shown["not_kept"]), (1, &json!(3)));
    assert_eq!(shown["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_receipt_shows_no_record_of_a_topic_that_was_made_anew_since() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("payloads");
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    for number in 0..2 {
        queue(&world, &topic, payload("greenhouse", number, r#"{"device":"gh-1","temperature":20}"#)).await;
    }
    let client = world.database.connect().await;
    let sql =
        "insert into topic_offset (source, topic, \"partition\", next, incarnation) values ('', $1, 0, 2, 1)";
    client.execute(sql, &[&topic]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, PIPELINE).unwrap();
    let show = |id: &str| {
        let (status, shown) =
            world.freshet(&["receipts", "show", id, "--pipeline", file.to_str().unwrap(), "-o", "json"]);
        (status, shown["not_kept"].as_i64().unwrap(), shown["requests"].as_array().unwrap().len())
    };

    let sql = "
        insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, record_topic,
                             record_incarnation, record_partition, record_offset, record_last_offset, records)
        values (now(), gen_random_uuid(), 'greenhouse', '0-0..1', 'json', 'stored', 2, 0, $1, 1, 0, 0, 1, 2)
        returning id::text";
    let of_range: String = client.query_one(sql, &[&topic]).await.unwrap().get(0);
    assert_eq!(show(&of_range), (0, 0, 2));
    client.execute("update topic_offset set incarnation = 2", &[]).await.unwrap();
    assert_eq!(show(&of_range), (1, 2, 0), "what is there is the new topic's");

    // That of one payload is known by its event's id.
    for (event_id, wanted) in [("0198aaaa-bbbb-7ccc-8ddd-000000000000", (0, 0, 1)), ("7-af", (1, 1, 0))] {
        let sql = "
            insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, record_topic,
                                 record_partition, record_offset)
            values (now(), gen_random_uuid(), 'greenhouse', $2, 'json', 'stored', 1, 0, $1, 0, 0) returning id::text";
        let of_one: String = client.query_one(sql, &[&topic, &event_id]).await.unwrap().get(0);
        assert_eq!(show(&of_one), wanted, "{event_id}");
    }
}

/// A pipeline file whose source `floor` reads these topics, as `kafka` has them.
fn reads_topics(kafka: &TestKafka, topics: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    let text = format!(
        "sources: {{barn: {{format: json}}, floor: {{format: json, kafka: {{servers: '{}', topic: {topics}, device: key}}}}}}",
        kafka.bootstrap()
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

/// A topic of two partitions, and one of one whose name begins as the first one's.
fn two_topics(world: &World) -> (String, String) {
    let topic = world.kafka.unique("readings");
    let other = format!("{topic}.other");
    let (first, second) = (format!("{topic}:2:1"), format!("{other}:1:1"));
    world.freshet(&["migrate", "--topic", &first, "--topic", &second, "-o", "json"]);
    (topic, other)
}

/// Puts a record into partition 0, published so many minutes ago.
async fn put(world: &World, topic: &str, (key, value): (&str, Option<&str>), minutes_ago: i64) {
    let producer: FutureProducer = world.client().create().unwrap();
    let at = runtime::Clock::system().now() - jiff::SignedDuration::from_mins(minutes_ago);
    let mut record = FutureRecord::<str, str>::to(topic).partition(0).key(key).timestamp(at.as_millisecond());
    record.payload = value;
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn the_newest_records_of_a_sources_topic_are_shown_as_they_would_be_stored() {
    let Some(world) = World::build().await else { return };
    let (topic, other) = two_topics(&world);
    let records = [
        ("gh-1", Some(r#"{"temperature":20}"#)),
        ("gh-1", Some(r#"{"temperature":21.5}"#)),
        ("gh-2", None),
        ("gh-3", Some("wet")),
    ];
    for record in records {
        put(&world, &topic, record, 1).await;
    }
    put(&world, &other, ("gh-9", Some(r#"{"temperature":9}"#)), 1).await;
    let (_folder, file) = reads_topics(&world.kafka, &topic);
    let (status, shown) = world.freshet(&["source", "test", "floor", "--topic", "-p", &file, "-o", "json"]);
    assert_eq!(status, 1, "one makes no sense: {shown}");
    let inputs: Vec<_> = shown.as_array().unwrap().iter().map(|one| one["input"].clone()).collect();
    assert_eq!(inputs, ["0/0", "0/1", "0/3"], "a deletion is no payload");
    assert_eq!(
        (&shown[1]["readings"][0]["device"], &shown[1]["readings"][0]["value"]),
        (&json!("gh-1"), &json!(21.5))
    );
    assert!(shown[2]["problems"][0]["reason"].as_str().unwrap().contains("JSON"), "{shown}");
    let newest = ["source", "test", "floor", "--topic", "--records", "2", "-p", &file, "-o", "json"];
    let shown = world.freshet(&newest).1;
    assert_eq!(
        (shown.as_array().unwrap().len(), &shown[0]["input"]),
        (1, &json!("0/3")),
        "of the two newest"
    );

    let (_folder, file) = reads_topics(&world.kafka, &format!("'^{topic}.*'"));
    let test =
        |topic: &str| freshet_with(&["source", "test", "floor", topic, "-p", &file, "-o", "json"], &[]);
    let refused = test("--topic");
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains(&format!("several topics: {topic}, {other}")), "{}", refused.stderr);
    assert!(refused.stderr.contains("--topic=NAME"), "{}", refused.stderr);
    let chosen = test(&format!("--topic={other}"));
    assert!(chosen.status == 0 && chosen.stdout.contains("gh-9"), "{}{}", chosen.stdout, chosen.stderr);
    let strange = test("--topic=elsewhere");
    assert!(strange.stderr.contains("reads no topic elsewhere that is there"), "{}", strange.stderr);
}

#[tokio::test]
async fn the_topics_of_a_source_are_read_from_where_they_are_sought() {
    let Some(world) = World::build().await else { return };
    let (topic, other) = two_topics(&world);
    for (topic, minutes_ago) in [(&topic, 90), (&topic, 60), (&topic, 10), (&other, 50)] {
        put(&world, topic, ("gh-1", Some(r#"{"temperature":20}"#)), minutes_ago).await;
    }
    let (_folder, file) = reads_topics(&world.kafka, &format!("['{topic}', '^{topic}[.]o.*']"));
    let seek = |to: &str, more: &[&str]| {
        let seek = ["topic", "seek", "floor", "--to", to, "-p", &file, "-o", "json"];
        world.freshet(&[&seek[..], more].concat())
    };
    let place = |topic: &str, partition: i32, next: i64| json!({"topic": topic, "partition": partition, "next": next});
    let everywhere = [place(&topic, 0, 1), place(&topic, 1, 0), place(&other, 0, 0)];
    assert_eq!(seek("75m", &[]), (0, json!(everywhere)));
    assert_eq!(seek("30m", &["--topic", &topic]), (0, json!([place(&topic, 0, 2), place(&topic, 1, 0)])));
    let client = world.database.connect().await;
    let sql = "select topic, \"partition\", next, epoch, incarnation from topic_offset where source = 'floor' order by 1, 2";
    let rows = client.query(sql, &[]).await.unwrap();
    let stands: Vec<(String, i32, i64, i64, i32)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))).collect();
    let wanted = [(topic.clone(), 0, 2, 2, 1), (topic.clone(), 1, 0, 2, 1), (other, 0, 0, 1, 1)];
    assert_eq!(stands, wanted, "each seek raises the epochs of the partitions that it moves");
    for (arguments, reason) in [
        (["topic", "seek", "floor", "--to", "1h", "--topic", "elsewhere"], "reads no topic elsewhere"),
        (["topic", "seek", "barn", "--to", "1h", "--topic", &topic], "the source barn reads no topic"),
    ] {
        let run = freshet_with(
            &[&arguments[..], &["-p", &file]].concat(),
            &[("DATABASE_URL", world.database.url())],
        );
        assert!(run.status == 1 && run.stderr.contains(reason), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_receipt_of_records_of_others_shows_each_with_the_device_of_its_key() {
    let Some(world) = World::build().await else { return };
    let topic = world.kafka.unique("readings");
    world.freshet(&["migrate", "--topic", &format!("{topic}:1:1"), "-o", "json"]);
    for key in ["gh-1", "gh-2"] {
        put(&world, &topic, (key, Some(r#"{"temperature":20}"#)), 1).await;
    }
    let client = world.database.connect().await;
    let sql = "
        insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, record_topic,
                             record_partition, record_offset, record_last_offset, records, record_source)
        values (now(), gen_random_uuid(), 'floor', '0-0..1', 'json', 'stored', 2, 0, $1, 0, 0, 1, 2, 'floor')
        returning id::text";
    let id: String = client.query_one(sql, &[&topic]).await.unwrap().get(0);
    let (_folder, file) = reads_topics(&world.kafka, &topic);
    let (status, shown) = world.freshet(&["receipts", "show", &id, "--pipeline", &file, "-o", "json"]);
    let devices: Vec<_> =
        shown["requests"].as_array().unwrap().iter().map(|one| &one["readings"][0]["device"]).collect();
    assert_eq!((status, devices), (0, vec![&json!("gh-1"), &json!("gh-2")]));
}

#[tokio::test]
async fn a_topic_of_a_source_that_waits_for_long_or_was_never_read_is_found() {
    let Some(world) = World::build().await else { return };
    world.freshet(&["migrate", "-o", "json"]);
    let client = world.database.connect().await;
    let sql = "
        insert into topic_offset (source, topic, \"partition\", next, caught_up_at, left_at, made_at)
        values ('floor', 'readings', 0, 5, now() - interval '1 hour', null, now() - interval '1 day'),
               ('floor', 'never', 0, 5, null, null, now() - interval '20 minutes'),
               ('floor', 'new', 0, 5, null, null, now()),
               ('floor', 'gone', 0, 5, now() - interval '1 day', now(), now() - interval '1 day'),
               ('shed', 'readings', 0, 5, now() - interval '1 day', null, now() - interval '1 day')";
    client.execute(sql, &[]).await.unwrap();
    let named = ["--topic-of", "floor/readings", "--topic-of", "floor/missing"];
    let report = world.freshet(&[&["doctor", "--inside", "--source", "floor"][..], &named].concat()).1;
    assert_eq!(report["database"]["Ok"]["never_read"], json!(["floor/missing"]), "{report}");
    let behind = report["database"]["Ok"]["behind"].as_array().unwrap();
    let topics: Vec<_> = behind.iter().map(|partition| &partition["topic"]).collect();
    assert_eq!(topics, ["floor/readings", "floor/never"], "{report}");
}
