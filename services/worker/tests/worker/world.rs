//! A topic, a database, a Broker, and workers between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cloudevents::{AttributesWriter as _, Event};
use event_model::cloudevent::{self, KafkaRecord};
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics, producer_config};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use store::DatabaseSettings;
use tempfile::TempDir;
use testkit::{Process, TestDatabase, TestReceiver, eventually};
use tokio_postgres::Client;

pub(crate) const PARTITIONS: i32 = 3;
/// For what takes moments on a quiet machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PIPELINE: &str = "
sources:
  greenhouse:
    format: json
    credentials: [{bearer: {env: TOKEN}}]
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*'}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

pub(crate) struct World {
    pub(crate) broker: TestReceiver,
    pub(crate) client: Client,
    kafka: String,
    topic: String,
    database: TestDatabase,
    producer: FutureProducer,
    folder: TempDir,
}

impl World {
    /// `None` where Kafka or PostgreSQL cannot be had.
    pub(crate) async fn build() -> Option<Self> {
        let (kafka, database) = (testkit::kafka().await?, testkit::postgres().await?);
        Some(Self::on(kafka.bootstrap(), &kafka.unique("payloads"), database).await)
    }

    pub(crate) async fn on(kafka: &str, topic: &str, database: TestDatabase) -> Self {
        let settings = KafkaSettings::plaintext(kafka);
        let spec =
            TopicSpec { name: topic.to_owned(), partitions: PARTITIONS, replication: 1, retention: None };
        create_missing_topics(&settings, &[spec]).await.unwrap();
        store::migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();
        std::fs::create_dir(folder.path().join("crash")).unwrap();
        Self {
            broker: TestReceiver::start().await,
            client: database.connect().await,
            kafka: kafka.to_owned(),
            topic: topic.to_owned(),
            database,
            producer: producer_config(&settings, PATIENCE).create().unwrap(),
            folder,
        }
    }

    /// A worker of the group, listening.
    pub(crate) async fn worker(&self) -> Process {
        self.worker_of(&self.group()).await
    }

    /// A worker of another group, to which Kafka gives every partition too.
    pub(crate) async fn worker_of(&self, group: &str) -> Process {
        let own = [("KAFKA_BOOTSTRAP_SERVERS", self.kafka.as_str()), ("KAFKA_TOPIC", &self.topic)];
        self.run(group, &own).await
    }

    /// A worker of the group that keeps its partitions while it stands still.
    pub(crate) async fn patient_worker(&self) -> Process {
        let own = [
            ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.as_str()),
            ("KAFKA_TOPIC", &self.topic),
            ("KAFKA_SESSION_TIMEOUT_MS", "60000"),
        ];
        self.run(&self.group(), &own).await
    }

    /// A worker that has no topic but those of sources.
    pub(crate) async fn worker_of_sources(&self) -> Process {
        self.run(&self.group(), &[]).await
    }

    async fn run(&self, group: &str, own: &[(&str, &str)]) -> Process {
        let pipeline = self.folder.path().join("freshet.yaml");
        let crash = self.folder.path().join("crash");
        let environment = [
            ("DATABASE_URL", self.database.url()),
            ("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"),
            ("FRESHET_PIPELINE", pipeline.to_str().unwrap()),
            ("FRESHET_CRASH_DIR", crash.to_str().unwrap()),
            ("K_SINK", &self.broker.url("/broker")),
            ("KAFKA_GROUP", group),
            // A dead worker's partitions are soon somebody else's; a Kafka of others may not allow less.
            ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
            ("WORKER_BATCH_RECORDS", "50"),
            ("RUST_LOG", "warn"),
        ];
        let environment = [&environment, own].concat();
        let process = Process::spawn_with(Path::new(env!("CARGO_BIN_EXE_worker")), &[], &environment);
        process.listening().await;
        process
    }

    /// Workers that start from now on know the source `newcomer` too; gives the hash of their file.
    pub(crate) fn add_newcomer(&self) -> String {
        let newcomer = "  newcomer: {format: json, credentials: [{bearer: {env: TOKEN}}]}\nrules:";
        let text = PIPELINE.replace("rules:", newcomer);
        std::fs::write(self.folder.path().join("freshet.yaml"), &text).unwrap();
        pipeline_config::Pipeline::parse(&text, "freshet.yaml").unwrap().hash
    }

    /// Workers that start from now on read the topic as that of the source `floor`, which begins at `from`.
    pub(crate) fn read_by_source(&self, from: &str) {
        self.read_topics(&self.topic, from);
    }

    /// The same of these topics, as the file has them.
    pub(crate) fn read_topics(&self, topics: &str, from: &str) {
        self.read(&format!("topic: {topics}, from: '{from}'"));
    }

    /// The same with these keys of `kafka`.
    pub(crate) fn read(&self, keys: &str) {
        let text =
            format!("sources: {{floor: {{format: json, kafka: {{servers: '{}', {keys}}}}}}}", self.kafka);
        std::fs::write(self.folder.path().join("freshet.yaml"), text).unwrap();
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn settings(&self) -> DatabaseSettings {
        DatabaseSettings::from_url(self.database.url()).unwrap()
    }

    /// Another connection to the database.
    pub(crate) async fn connect(&self) -> Client {
        self.database.connect().await
    }

    /// Kills the next worker that comes to this point.
    pub(crate) fn crash_at(&self, point: &str) {
        std::fs::write(self.folder.path().join("crash").join(point), "").unwrap();
    }

    /// Kills each worker that decodes the event of this id.
    pub(crate) fn crash_on(&self, id: &str) {
        std::fs::write(self.folder.path().join("crash/decode"), id).unwrap();
    }

    /// Publishes payloads numbered so, all at once; returns when all are acknowledged.
    pub(crate) async fn publish(&self, numbers: impl IntoIterator<Item = u32>) {
        let sent = numbers.into_iter().map(|number| self.send(cloudevent::to_kafka(&payload(number))));
        futures_util::future::join_all(sent).await;
    }

    /// The same of payloads whose ids are no keys; each tenth is a record that makes no sense.
    pub(crate) async fn publish_unkeyed(&self, numbers: impl IntoIterator<Item = u32>) {
        let sent = numbers.into_iter().map(|number| self.send(unkeyed(number)));
        futures_util::future::join_all(sent).await;
    }

    /// The same in a transaction, which is committed or aborted.
    pub(crate) async fn publish_in_transaction(&self, numbers: std::ops::Range<u32>, commits: bool) {
        let mut config = producer_config(&KafkaSettings::plaintext(&self.kafka), PATIENCE);
        config.set("transactional.id", format!("{}-{}", self.topic, numbers.start));
        let producer: FutureProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        let sent = numbers.map(|number| self.send_by(&producer, &self.topic, unkeyed(number)));
        futures_util::future::join_all(sent).await;
        if commits {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }

    /// The offset that the next record of each partition gets.
    pub(crate) fn ends(&self) -> BTreeMap<i32, i64> {
        let consumer: BaseConsumer = KafkaSettings::plaintext(&self.kafka).client_config().create().unwrap();
        let end = |partition| consumer.fetch_watermarks(&self.topic, partition, PATIENCE).unwrap().1;
        (0..PARTITIONS).map(|partition| (partition, end(partition))).collect()
    }

    /// Each record of `numbers` that was published unkeyed was handled, and once.
    pub(crate) async fn handled_once(&self, numbers: std::ops::Range<u32>) {
        let refused = i64::from(numbers.clone().filter(|number| number % 10 == 0).count() as u32);
        let stored = i64::from(numbers.end - numbers.start) - refused;
        let sql = "select count(*), coalesce(sum(deliveries), 0)::bigint from dead_letter";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        let dead_letters: (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(dead_letters, (refused, refused), "a record that is read again fails again");
        let sql = "select coalesce(sum(records), 0), count(*) from receipt where records is not null";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        let (records, ranges): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!((self.count("moment").await, records), (stored, stored));
        assert_eq!(self.count("receipt").await, ranges);
        assert_eq!(self.count("receipt_key").await, 0);
    }

    pub(crate) async fn send(&self, record: KafkaRecord) {
        self.send_to(&self.topic, record).await;
    }

    pub(crate) async fn send_to(&self, topic: &str, record: KafkaRecord) {
        self.send_by(&self.producer, topic, record).await;
    }

    async fn send_by(&self, producer: &FutureProducer, topic: &str, record: KafkaRecord) {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        let mut sent = FutureRecord::<str, [u8]>::to(topic).headers(headers);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        producer.send(sent, PATIENCE).await.unwrap();
    }

    /// The time, as a statement of the database puts it in.
    pub(crate) async fn now(&self) -> jiff::Timestamp {
        self.client.query_one("select clock_timestamp()", &[]).await.unwrap().get(0)
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    /// Waits until the group has committed `records` records, and nothing else.
    pub(crate) async fn committed(&self, records: i64) {
        eventually(PATIENCE, || async {
            let committed: i64 = self.offsets().values().sum();
            (committed == records).then_some(()).ok_or(format!("{committed} of {records} committed"))
        })
        .await;
    }

    /// Each payload of `numbers` is stored, once, and nothing else.
    pub(crate) async fn stored_once(&self, numbers: std::ops::Range<u32>) {
        let wanted = i64::from(numbers.end - numbers.start);
        let counts = [
            self.count("receipt").await,
            self.count("(select distinct event_id from receipt) one").await,
            self.count("moment").await,
        ];
        assert_eq!(counts, [wanted; 3]);
    }

    /// What the group has committed, by partition.
    pub(crate) fn offsets(&self) -> BTreeMap<i32, i64> {
        let mut config = KafkaSettings::plaintext(&self.kafka).client_config();
        let consumer: BaseConsumer = config.set("group.id", self.group()).create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition(&self.topic, partition);
        }
        let Ok(committed) = consumer.committed_offsets(list, Duration::from_secs(5)) else {
            return BTreeMap::new();
        };
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        committed.elements().iter().map(|one| (one.partition(), offset(one.offset()))).collect()
    }

    /// Makes another topic.
    pub(crate) async fn make_topic(&self, name: &str) {
        let spec =
            TopicSpec { name: name.to_owned(), partitions: PARTITIONS, replication: 1, retention: None };
        create_missing_topics(&KafkaSettings::plaintext(&self.kafka), &[spec]).await.unwrap();
    }

    /// Deletes one.
    pub(crate) async fn delete_topic(&self, name: &str) {
        self.admin().delete_topics(&[name], &AdminOptions::new()).await.unwrap();
    }

    /// Deletes the topic, and makes one of its name.
    pub(crate) async fn make_topic_anew(&self) {
        self.delete_topic(&self.topic).await;
        let settings = KafkaSettings::plaintext(&self.kafka);
        let spec =
            TopicSpec { name: self.topic.clone(), partitions: PARTITIONS, replication: 1, retention: None };
        eventually(PATIENCE, || async {
            let made = create_missing_topics(&settings, std::slice::from_ref(&spec)).await;
            made.is_ok_and(|made| !made.is_empty())
        })
        .await;
    }

    /// Deletes what the topic holds; how many records it has had.
    pub(crate) async fn delete_all_records(&self) -> i64 {
        let mut list = TopicPartitionList::new();
        let mut records = 0;
        for (partition, end) in self.ends() {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(end)).unwrap();
            records += end;
        }
        self.admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
        records
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        KafkaSettings::plaintext(&self.kafka).client_config().create().unwrap()
    }

    /// The group begins anew, as tools make it do.
    pub(crate) fn reset_group(&self) {
        let mut config = KafkaSettings::plaintext(&self.kafka).client_config();
        let consumer: BaseConsumer = config.set("group.id", self.group()).create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(0)).unwrap();
        }
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }

    /// How many members the group has, and how many of them have work.
    pub(crate) fn members(&self) -> (usize, usize) {
        let consumer: BaseConsumer = KafkaSettings::plaintext(&self.kafka).client_config().create().unwrap();
        let Ok(list) = consumer.fetch_group_list(Some(&self.group()), Duration::from_secs(5)) else {
            return (0, 0);
        };
        let Some(group) = list.groups().first().filter(|group| group.state() == "Stable") else {
            return (0, 0);
        };
        // The protocol's version, then how many topics: none is an assignment of six bytes.
        let busy = |member: &&rdkafka::groups::GroupMemberInfo| {
            member.assignment().is_some_and(|bytes| bytes.get(2..6).is_some_and(|topics| topics != [0; 4]))
        };
        (group.members().len(), group.members().iter().filter(busy).count())
    }

    fn group(&self) -> String {
        format!("{}-group", self.topic)
    }
}

/// The reading `number` with an id as `ingest` makes them, or no event.
fn unkeyed(number: u32) -> KafkaRecord {
    if number.is_multiple_of(10) {
        let value = Some(number.to_string().into_bytes());
        return KafkaRecord { key: Some(number.to_string()), headers: Vec::new(), value };
    }
    let mut event = payload(number);
    event.set_id(format!("0198aaaa-bbbb-7ccc-8ddd-{number:012}"));
    cloudevent::to_kafka(&event)
}

/// What `ingest` makes of the reading `number` of one of ten devices.
pub(crate) fn payload(number: u32) -> Event {
    let body = format!(
        r#"{{"device":"gh-{}","time":{},"temperature":21.5}}"#,
        number % 10,
        1_767_225_600 + u64::from(number)
    );
    payload_of("greenhouse", &number.to_string(), &body)
}

pub(crate) fn payload_of(source: &str, id: &str, body: &str) -> Event {
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), id);
    cloudevent::set_time(&mut event, "2026-03-01T10:00:00Z".parse().unwrap());
    event.set_extension("partitionkey", id);
    let request = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    event
}
