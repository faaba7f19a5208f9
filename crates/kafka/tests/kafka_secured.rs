//! A Kafka that asks who is there: passwords over TLS, certificates, and what is said where they are wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use event_model::cloudevent;
use kafka::KafkaSink;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use runtime::Env;
use sink::{Sink as _, SinkError};

/// For what is refused: long enough for a broker to say so, were it asked rightly.
const TIMEOUT: Duration = Duration::from_millis(2500);
/// For what is taken, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

type Variables = Vec<(&'static str, String)>;

fn settings(variables: &Variables) -> KafkaSettings {
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    KafkaSettings::from_env(&mut Env::from_pairs(&pairs)).unwrap()
}

/// The same with another value.
fn with(mut variables: Variables, name: &str, value: &str) -> Variables {
    variables.iter_mut().filter(|(own, _)| *own == name).for_each(|(_, own)| value.clone_into(own));
    variables
}

fn without(mut variables: Variables, names: &[&str]) -> Variables {
    variables.retain(|(name, _)| !names.contains(name));
    variables
}

async fn send(settings: &KafkaSettings, topic: &str, timeout: Duration) -> Result<(), SinkError> {
    let mut event = cloudevent::new("dev.freshet.payload.received.v1", "/sources/greenhouse", "1");
    event.set_data("application/http", b"POST / HTTP/1.1\r\n\r\n{}".to_vec());
    KafkaSink::new(settings, topic, timeout).send(&event, None).await
}

/// The number of records, read with the same credentials.
fn count(settings: &KafkaSettings, topic: &str) -> i64 {
    let consumer: BaseConsumer = settings.client_config().set("group.id", "test").create().unwrap();
    consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_client_with_a_password_or_a_certificate_is_served() {
    let Some(kafka) = testkit::secured_kafka().await else { return };
    let ways = [
        ("plain", kafka.by_password("PLAIN")),
        ("scram", kafka.by_password("SCRAM-SHA-512")),
        ("certificate", kafka.by_certificate()),
    ];
    for (topic, variables) in ways {
        let settings = settings(&variables);
        let wanted = [TopicSpec { name: topic.to_owned(), partitions: 1, replication: 1, retention: None }];
        assert_eq!(create_missing_topics(&settings, &wanted).await.unwrap(), [topic]);
        send(&settings, topic, PATIENCE).await.unwrap();
        assert_eq!(tokio::task::block_in_place(|| count(&settings, topic)), 1, "{topic}");
    }

    let wrong = with(kafka.by_password("SCRAM-SHA-512"), "KAFKA_SASL_PASSWORD", "hunter2-hunter2");
    let refused = send(&settings(&wrong), "scram", TIMEOUT).await.unwrap_err();
    assert!(matches!(refused, SinkError::Unavailable(..)), "{refused}");
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");

    // Nobody known has signed the broker's certificate.
    let strangers = without(kafka.by_password("PLAIN"), &["KAFKA_CA_FILE"]);
    let refused = send(&settings(&strangers), "plain", TIMEOUT).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(..))), "{refused:?}");

    let nameless = without(kafka.by_certificate(), &["KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE"]);
    let refused = send(&settings(&nameless), "certificate", TIMEOUT).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(..))), "{refused:?}");
}
