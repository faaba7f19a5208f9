//! What commands ask a real Kafka: topics, and how far groups have read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use testkit::{TestDatabase, TestKafka};

use crate::process::freshet_with;

/// A Kafka, and a migrated database; `None` where one of them cannot be had.
struct World {
    kafka: TestKafka,
    database: TestDatabase,
}

impl World {
    async fn build() -> Option<Self> {
        Some(Self { kafka: testkit::kafka().await?, database: testkit::postgres().await? })
    }

    /// Runs `freshet` and gives its status and its JSON, which is the last line of what a pod prints.
    fn freshet(&self, arguments: &[&str]) -> (i32, Value) {
        let variables =
            [("DATABASE_URL", self.database.url()), ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap())];
        let run = freshet_with(arguments, &variables);
        let json =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr));
        (run.status, json)
    }

    fn client(&self) -> ClientConfig {
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
