//! Topic mode: the answer to a sender, and what lies in the topic.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use cloudevents::AttributesReader as _;
use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics};
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use rdkafka::{Offset, TopicPartitionList};
use testkit::{Process, eventually};

const YAML: &str = "sources: {lab: {format: json, credentials: [{header: X-Key, secret: {env: SECRET}}]}}";

struct Door {
    ingest: Process,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open(bootstrap: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("freshet.yaml");
        std::fs::write(&file, YAML).unwrap();
        let environment = [
            ("FRESHET_PIPELINE", file.to_str().unwrap()),
            ("SECRET", "open sesame"),
            ("KAFKA_BOOTSTRAP_SERVERS", bootstrap),
            ("KAFKA_TOPIC", "payloads"),
            ("RUST_LOG", "error"),
        ];
        let ingest = Process::spawn(Path::new(env!("CARGO_BIN_EXE_ingest")), &environment);
        ingest.listening().await;
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        Self { ingest, client, _folder: folder }
    }

    async fn post(&self, body: &'static str) -> u16 {
        let request = self.client.post(self.ingest.url("/hooks/lab"));
        let request =
            request.header("x-key", "open sesame").header("content-type", "application/json").body(body);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_payload_is_in_the_topic_before_its_sender_is_answered() {
    let Some(mut kafka) = testkit::own_kafka().await else { return };
    let settings = KafkaSettings::plaintext(&kafka.bootstrap());
    let wanted = [TopicSpec { name: "payloads".into(), partitions: 1, replication: 1, retention: None }];
    create_missing_topics(&settings, &wanted).await.unwrap();
    let door = Door::open(&kafka.bootstrap()).await;
    assert_eq!(door.post(r#"{"device":"gh-1","temperature":21.5}"#).await, 202);

    let mut config = settings.client_config();
    let consumer: BaseConsumer =
        config.set("group.id", "test").set("enable.auto.commit", "false").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("payloads", 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let message = consumer.poll(Duration::from_secs(20)).unwrap().unwrap();
    let headers = message.headers().unwrap();
    let headers = headers.iter().map(|header| (header.key, header.value.unwrap()));
    let event = cloudevent::from_kafka(headers.collect::<Vec<_>>().into_iter(), message.payload()).unwrap();
    assert_eq!((event.ty(), event.source().as_str()), (PAYLOAD_RECEIVED, "/sources/lab"));
    assert_eq!(message.key(), Some(&b"gh-1"[..]));

    drop(message);
    drop(consumer);
    kafka.kill();
    let begun = Instant::now();
    assert_eq!(door.post(r#"{"device":"gh-1","temperature":22.5}"#).await, 503);
    // librdkafka looks once a second for records whose 2.5 s are over; senders wait 5 s.
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}", begun.elapsed());
    let kafka = tokio::task::spawn_blocking(move || {
        kafka.start();
        kafka
    });
    let _kafka = kafka.await.unwrap();
    eventually(Duration::from_secs(30), || async {
        door.post(r#"{"device":"gh-1","temperature":23.5}"#).await == 202
    })
    .await;
}

#[tokio::test]
async fn a_start_does_not_wait_for_kafka() {
    let door = Door::open("127.0.0.1:1").await;
    let ready = door.client.get(door.ingest.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    assert_eq!(door.post("{}").await, 503);
}
