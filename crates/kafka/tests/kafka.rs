//! A topic as a sink, on a real Kafka.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cloudevents::Event;
use event_model::cloudevent;
use kafka::KafkaSink;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics, producer_config};
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use rdkafka::{Offset, TopicPartitionList};
use sink::{Sink as _, SinkError};

const TIMEOUT: Duration = Duration::from_millis(2500);
/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

fn event(id: &str) -> Event {
    let mut event = cloudevent::new("dev.freshet.payload.received.v1", "/sources/greenhouse", id);
    event.set_extension("partitionkey", "gh-7");
    event.set_data("application/http", b"POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}".to_vec());
    event
}

async fn topic(bootstrap: &str, name: &str, partitions: i32) -> KafkaSettings {
    let settings = KafkaSettings::plaintext(bootstrap);
    let wanted = [TopicSpec { name: name.to_owned(), partitions, replication: 1, retention: None }];
    create_missing_topics(&settings, &wanted).await.unwrap();
    settings
}

/// What a record holds, with the partition that it lies in.
#[derive(Debug)]
struct Read {
    partition: i32,
    key: String,
    headers: BTreeMap<String, String>,
    value: Vec<u8>,
}

/// Reads `count` records, and whatever else comes within a moment.
fn read(settings: &KafkaSettings, topic: &str, partitions: i32, count: usize) -> Vec<Read> {
    let mut config = settings.client_config();
    let consumer: BaseConsumer =
        config.set("group.id", "test").set("enable.auto.commit", "false").create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut records, begun) = (Vec::new(), Instant::now());
    loop {
        let wait = if records.len() < count { 5000 } else { 300 };
        match consumer.poll(Duration::from_millis(wait)) {
            Some(Ok(message)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = message.headers().unwrap().iter();
                records.push(Read {
                    partition: message.partition(),
                    key: message.key().map(text).unwrap_or_default(),
                    headers: headers.map(|one| (one.key.to_owned(), text(one.value.unwrap()))).collect(),
                    value: message.payload().unwrap_or_default().to_vec(),
                });
            }
            Some(Err(_)) => {}
            None => break,
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {count} records", records.len());
    }
    records
}

#[tokio::test]
async fn an_event_is_a_record_in_binary_mode_keyed_by_its_partition_key() {
    let Some(kafka) = testkit::kafka().await else { return };
    let name = kafka.unique("sink");
    let settings = topic(kafka.bootstrap(), &name, 3).await;
    let sink = KafkaSink::new(&settings, &name, TIMEOUT);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    sink.send(&event("1"), Some(&trace.to_owned().into())).await.unwrap();
    sink.send(&event("2"), None).await.unwrap();
    let records = read(&settings, &name, 3, 2);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].partition, records[1].partition, "one key is one partition");
    let first = &records[0];
    assert_eq!((first.key.as_str(), first.headers["ce_partitionkey"].as_str()), ("gh-7", "gh-7"));
    assert_eq!((first.headers["ce_id"].as_str(), first.headers["ce_specversion"].as_str()), ("1", "1.0"));
    assert_eq!(first.headers["content-type"], "application/http");
    assert_eq!(first.headers["traceparent"], trace);
    assert_eq!(first.value, b"POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}");
}

#[tokio::test]
async fn topics_that_are_missing_are_made_and_others_left_alone() {
    let Some(kafka) = testkit::kafka().await else { return };
    let settings = KafkaSettings::plaintext(kafka.bootstrap());
    let spec = |name: &str, partitions| TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: 1,
        retention: None,
    };
    let (one, other) = (kafka.unique("one"), kafka.unique("other"));
    let made = create_missing_topics(&settings, &[spec(&one, 2)]).await.unwrap();
    assert_eq!(made, std::slice::from_ref(&one));
    let made = create_missing_topics(&settings, &[spec(&one, 5), spec(&other, 1)]).await.unwrap();
    assert_eq!(made, [other]);
    let refused = create_missing_topics(&settings, &[TopicSpec { replication: 7, ..spec("never", 1) }]).await;
    assert!(refused.unwrap_err().to_string().contains("never"));
}

/// How long a topic keeps its records, in milliseconds.
async fn retention(settings: &KafkaSettings, topic: &str) -> String {
    let admin: AdminClient<DefaultClientContext> = settings.client_config().create().unwrap();
    let asked = [ResourceSpecifier::Topic(topic)];
    let config = testkit::eventually(Duration::from_secs(10), || async {
        admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap().remove(0)
    });
    config.await.get("retention.ms").unwrap().value.clone().unwrap()
}

#[tokio::test]
async fn a_topic_that_is_made_keeps_records_as_long_as_was_asked_and_one_that_is_there_as_before() {
    let Some(kafka) = testkit::kafka().await else { return };
    let settings = KafkaSettings::plaintext(kafka.bootstrap());
    let spec =
        |name: &str, retention| TopicSpec { name: name.to_owned(), partitions: 1, replication: 1, retention };
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let (long, plain) = (kafka.unique("long"), kafka.unique("plain"));
    create_missing_topics(&settings, &[spec(&long, days(30)), spec(&plain, None)]).await.unwrap();
    let before = (retention(&settings, &long).await, retention(&settings, &plain).await);
    assert_eq!(before.0, "2592000000");
    assert_ne!(before.0, before.1, "Kafka's own");
    let made =
        create_missing_topics(&settings, &[spec(&long, days(1)), spec(&plain, days(1))]).await.unwrap();
    assert!(made.is_empty(), "{made:?}");
    assert_eq!((retention(&settings, &long).await, retention(&settings, &plain).await), before);
}

#[tokio::test]
async fn a_broker_that_comes_back_has_each_record_once() {
    let Some(mut broker) = testkit::own_kafka().await else { return };
    let settings = topic(&broker.bootstrap(), "payloads", 1).await;
    // What a sender outside is told while Kafka is away.
    let hasty = KafkaSink::new(&settings, "payloads", TIMEOUT);
    hasty.send(&event("before"), None).await.unwrap();
    let patient = KafkaSink::new(&settings, "payloads", Duration::from_secs(60));
    patient.send(&event("before too"), None).await.unwrap();
    let sending: Vec<_> = (0..200)
        .map(|number| {
            let patient = patient.clone();
            tokio::spawn(async move { patient.send(&event(&number.to_string()), None).await })
        })
        .collect();
    broker.kill();
    let begun = Instant::now();
    let refused = hasty.send(&event("away"), None).await.unwrap_err();
    assert!(matches!(refused, SinkError::Unavailable(..)), "{refused}");
    assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(1), "{:?}", begun.elapsed());
    let broker = tokio::task::spawn_blocking(move || {
        broker.start();
        broker
    });
    let broker = broker.await.unwrap();
    for sent in sending {
        sent.await.unwrap().unwrap();
    }
    testkit::eventually(Duration::from_secs(20), || async { hasty.send(&event("after"), None).await }).await;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for record in read(&settings, "payloads", 1, 203) {
        *counts.entry(record.headers["ce_id"].clone()).or_default() += 1;
    }
    for number in 0..200 {
        assert_eq!(counts.get(&number.to_string()), Some(&1), "{number}");
    }
    assert!(counts.contains_key("after") && counts["before"] == 1);
    drop(broker);
}

#[tokio::test]
async fn what_waits_too_long_or_is_too_much_is_refused_at_once() {
    let settings = KafkaSettings::plaintext(NOWHERE);
    let mut config = producer_config(&settings, Duration::from_secs(30));
    config.set("queue.buffering.max.messages", "1");
    let narrow = KafkaSink::of_config(config, "payloads");
    let waiting = tokio::spawn({
        let narrow = narrow.clone();
        async move { narrow.send(&event("waits"), None).await }
    });
    let refused = testkit::eventually(Duration::from_secs(5), || async {
        let sent = tokio::time::timeout(Duration::from_millis(500), narrow.send(&event("more"), None)).await;
        sent.ok()?.err()
    })
    .await;
    assert_eq!(refused.to_string(), "the sink is unavailable: too much waits for Kafka already");
    waiting.abort();

    let impatient = KafkaSink::new(&settings, "payloads", Duration::from_millis(300));
    let refused = impatient.send(&event("1"), None).await.unwrap_err();
    assert_eq!(refused.to_string(), "the sink is unavailable: Kafka did not acknowledge in time");
}

#[tokio::test]
async fn a_record_that_kafka_never_takes_is_refused() {
    let sink = KafkaSink::new(&KafkaSettings::plaintext(NOWHERE), "payloads", TIMEOUT);
    let mut large = event("1");
    large.set_data("application/http", vec![b'x'; 1024 * 1024]);
    let refused = sink.send(&large, None).await.unwrap_err();
    assert!(matches!(refused, SinkError::Refused(_)), "{refused}");
}
