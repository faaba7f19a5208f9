//! The dead letter sink as a topic, on a real Kafka and a real PostgreSQL.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cloudevents::Event;
use dead_letter::{DeadLetterTopic, DeadLetters, Sender};
use event_model::cloudevent::{self, KafkaRecord};
use event_model::event_types::{DEAD_LETTERS_DUE, PAYLOAD_RECEIVED, TICK};
use kafka::{KafkaSettings, TopicSpec, create_missing_topics, producer_config};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use runtime::{ClientOptions, Clock, Env};
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::{Database, DatabaseSettings};
use testkit::{OwnPostgres, TestReceiver, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    broker: TestReceiver,
    postgres: OwnPostgres,
    stage: DeadLetters,
    producer: FutureProducer,
    topic: String,
    clock: Clock,
}

impl World {
    /// `None` where Kafka or PostgreSQL cannot be had.
    async fn build() -> Option<Self> {
        let (kafka, postgres) = (testkit::kafka().await?, testkit::own_postgres().await?);
        let settings = DatabaseSettings::from_url(postgres.database().url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let topic = kafka.unique("dead-letters");
        let kafka_settings = KafkaSettings::plaintext(kafka.bootstrap());
        let wanted = [TopicSpec { name: topic.clone(), partitions: 3, replication: 1, retention: None }];
        create_missing_topics(&kafka_settings, &wanted).await.unwrap();
        let broker = TestReceiver::start().await;
        let url = broker.url("/freshet/default").parse().unwrap();
        let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
        let clock = Clock::system();
        let database = Database::new(&settings.acquire_timeout(Duration::from_secs(1)));
        let sender = Arc::new(Sender { database, sink, persist: None, clock: clock.clone() });
        let drained = DeadLetterTopic::from_env(&mut Env::from_pairs(&[
            ("KAFKA_DEAD_LETTER_TOPIC", &topic),
            ("KAFKA_DEAD_LETTER_GROUP", &topic),
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap()),
        ]));
        let stage = DeadLetters::new(sender, Some(drained.unwrap()));
        let producer = producer_config(&kafka_settings, PATIENCE).create().unwrap();
        Some(Self { broker, postgres, stage, producer, topic, clock })
    }

    async fn publish(&self, record: KafkaRecord) {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        let mut sent = FutureRecord::<str, [u8]>::to(&self.topic).headers(headers);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        self.producer.send(sent, PATIENCE).await.unwrap();
    }

    async fn take_due(&self) -> Outcome {
        let tick = cloudevent::new(DEAD_LETTERS_DUE, "/stages/scheduler", "t");
        self.stage.handle(tick, Delivery::at(self.clock.now())).await
    }

    async fn count(&self, of: &str) -> i64 {
        let client = self.postgres.database().connect().await;
        client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }
}

/// What a KafkaSink writes of an event that `transform` did not take.
fn dead(id: &str, code: &str) -> KafkaRecord {
    let mut event: Event = cloudevent::new(PAYLOAD_RECEIVED, "/sources/greenhouse", id);
    for (name, value) in [
        ("partitionkey", id),
        ("knativeerrordest", "http://transform.freshet.svc.cluster.local/"),
        ("knativeerrorcode", code),
        ("knativekafkaoffset", "7"),
    ] {
        event.set_extension(name, value);
    }
    event.set_data("application/http", b"POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}".to_vec());
    cloudevent::to_kafka(&event)
}

#[tokio::test]
async fn a_tick_keeps_what_is_in_the_topic_and_sends_back_what_failed_for_now() {
    let Some(world) = World::build().await else { return };
    assert_eq!(world.take_due().await, Outcome::Done, "an empty topic");
    for number in 0..20 {
        world.publish(dead(&format!("bad-{number}"), "422")).await;
    }
    world.publish(dead("later", "503")).await;
    world.publish(KafkaRecord { key: None, headers: Vec::new(), value: Some(b"\0junk".to_vec()) }).await;
    let mut tick = cloudevent::new(TICK, "/apis/v1/namespaces/freshet/pingsources/tick", "t");
    tick.set_extension("knativeerrordest", "http://transform.freshet.svc.cluster.local/");
    world.publish(cloudevent::to_kafka(&tick)).await;

    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.count("dead_letter").await, 22);
    assert_eq!(world.count("dead_letter where cause = 'rejected' and stage = 'transform'").await, 20);
    assert_eq!(world.count("dead_letter where cause = 'malformed' and event_type = 'unknown'").await, 1);
    assert_eq!(world.count("dead_letter where event_id = 'later' and replays = 1").await, 1);
    assert_eq!(world.broker.received().len(), 1, "what failed for now is sent back on the same tick");

    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.count("dead_letter where deliveries = 1").await, 22, "each is read once");
}

#[tokio::test]
async fn while_the_database_is_away_letters_stay_in_the_topic() {
    let Some(mut world) = World::build().await else { return };
    world.publish(dead("kept", "422")).await;
    world.postgres.instance.kill().unwrap();
    assert_eq!(world.take_due().await.status(), 503);
    world.publish(dead("kept too", "422")).await;
    world.postgres.instance.restart().unwrap();
    eventually(PATIENCE, || async { world.take_due().await == Outcome::Done }).await;
    assert_eq!(world.count("dead_letter where cause = 'rejected'").await, 2);
}
