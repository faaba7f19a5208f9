//! A Broker of class Kafka: what a Trigger's consumer group has not passed holds up the heartbeat, over a real Kafka.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::TICK;
use jiff::{Timestamp, ToSpan as _};
use kafka::{KafkaSettings, TopicGroup, TopicSpec, create_missing_topics, producer_config};
use pipeline_config::Pipeline;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use runtime::{ClientOptions, Clock};
use scheduler::{Config, KafkaQueues, Queues, Scheduler};
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::{Database, DatabaseSettings};
use testkit::TestReceiver;

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    broker: TestReceiver,
    client: tokio_postgres::Client,
    stage: Scheduler,
    clock: Clock,
    kafka: KafkaSettings,
    producer: FutureProducer,
    payloads: TopicGroup,
    dead_letters: TopicGroup,
}

impl World {
    /// `None` where PostgreSQL or Kafka cannot be had.
    async fn start() -> Option<Self> {
        let (place, server) = (testkit::postgres().await?, testkit::kafka().await?);
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let kafka = KafkaSettings::plaintext(server.bootstrap());
        let group = |name: &str| {
            let topic = server.unique(name);
            TopicGroup { group: format!("{topic}-group"), topic }
        };
        let (payloads, dead_letters) = (group("broker"), group("dead-letters"));
        let topics = [&payloads, &dead_letters].map(|group| TopicSpec {
            name: group.topic.clone(),
            partitions: 2,
            replication: 1,
            retention: None,
        });
        create_missing_topics(&kafka, &topics).await.unwrap();
        let broker = TestReceiver::start().await;
        let url = broker.url("/freshet/default").parse().unwrap();
        let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
        let queues = KafkaQueues {
            settings: kafka.clone(),
            triggers: vec![payloads.clone()],
            topic: None,
            dead_letters: Some(dead_letters.clone()),
        };
        let pipeline = Pipeline::parse("sources: {}", "freshet.yaml").unwrap();
        let config = Config::new(&pipeline, Queues::Kafka(queues), sink);
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let stage = Scheduler::new(config, Database::new(&settings), clock.clone());
        let producer = producer_config(&kafka, PATIENCE).create().unwrap();
        let client = place.connect().await;
        Some(Self { broker, client, stage, clock, kafka, producer, payloads, dead_letters })
    }

    async fn publish(&self, group: &TopicGroup, partition: i32) {
        let record = FutureRecord::<str, str>::to(&group.topic).partition(partition).payload("{}");
        self.producer.send(record, PATIENCE).await.unwrap();
    }

    /// As a dispatcher does once everything below is delivered, or is with the dead letter sink.
    fn commit(&self, group: &TopicGroup, partition: i32, next: i64) {
        let consumer: BaseConsumer =
            self.kafka.client_config().set("group.id", &group.group).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&group.topic, partition, Offset::Offset(next)).unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
    }

    /// A tick five minutes after the last; the types of the events that it led to.
    async fn tick(&self) -> Vec<String> {
        self.clock.advance(Duration::from_secs(300));
        let before = self.broker.received().len();
        let tick = cloudevent::new(TICK, "/apis/v1/namespaces/freshet/pingsources/tick", "t");
        assert_eq!(self.stage.handle(tick, Delivery::at(self.clock.now())).await, Outcome::Done);
        let received = self.broker.received();
        received[before..].iter().map(|event| event.header("ce-type").unwrap().to_owned()).collect()
    }

    async fn heartbeats(&self) -> Vec<Timestamp> {
        let rows = self.client.query("select at from heartbeat order by at", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn what_a_triggers_group_has_not_passed_holds_up_the_heartbeat() {
    let Some(world) = World::start().await else { return };
    for partition in [0, 1] {
        world.commit(&world.payloads, partition, 0);
        world.commit(&world.dead_letters, partition, 0);
    }
    world.tick().await;
    assert_eq!(world.heartbeats().await, [world.clock.now()], "nothing waits");

    world.publish(&world.payloads, 0).await;
    world.publish(&world.payloads, 1).await;
    world.tick().await;
    world.commit(&world.payloads, 0, 1);
    world.tick().await;
    assert_eq!(world.heartbeats().await.len(), 1, "the slower partition waits");

    // Given up, it is in the topic of dead letters before its offset is committed.
    world.publish(&world.dead_letters, 0).await;
    world.commit(&world.payloads, 1, 1);
    assert_eq!(world.tick().await, ["dev.freshet.dead-letters.due.v1"]);
    assert_eq!(world.heartbeats().await.len(), 1, "the dead letter waits");
    world.commit(&world.dead_letters, 0, 1);
    assert_eq!(world.tick().await, Vec::<String>::new());
    let now = world.clock.now();
    let ticks: Vec<_> = (0..5).rev().map(|back| now - (5 * back).minutes()).collect();
    assert_eq!(world.heartbeats().await, ticks);
}
