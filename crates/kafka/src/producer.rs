//! A topic as a sink.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloudevents::Event;
use event_model::cloudevent::{self, KafkaRecord};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use runtime::Env;
use runtime::trace::TraceContext;
use sink::{DEFAULT_TIMEOUT, Sink, SinkError};

use crate::{KafkaSettings, Logged};

/// What a record may weigh: Kafka's own default bound.
const MAX_RECORD_BYTES: u32 = 1024 * 1024;
/// Records, and KiB of them, that may wait for Kafka; what comes above is refused at once.
const QUEUE_RECORDS: u32 = 10_000;
const QUEUE_KIB: u32 = 64 * 1024;

/// Publishes events to one topic: idempotent, acknowledged by all replicas, keyed by `partitionkey`.
///
/// The client is made beside whatever else starts, and connects at once: who sends first finds it ready.
#[derive(Clone)]
pub struct KafkaSink(Arc<Inner>);

struct Inner {
    topic: String,
    config: ClientConfig,
    /// Made once, and again after a fatal error, which ends a producer for good.
    producer: Mutex<Option<Producer>>,
}

type Producer = FutureProducer<Logged>;

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration holds a password.
        f.debug_struct("KafkaSink").field("topic", &self.0.topic).finish_non_exhaustive()
    }
}

impl KafkaSink {
    /// A sink to `topic`; an event is taken or refused within `timeout`.
    pub fn new(settings: &KafkaSettings, topic: &str, timeout: Duration) -> Self {
        Self::of_config(producer_config(settings, timeout), topic)
    }

    /// A sink of a configuration that a test has changed.
    pub fn of_config(config: ClientConfig, topic: &str) -> Self {
        let inner = Arc::new(Inner { topic: topic.to_owned(), config, producer: Mutex::default() });
        let warmed = Arc::clone(&inner);
        // Loading certificates takes longer than all the rest of a start.
        let begun =
            std::thread::Builder::new().name("kafka".to_owned()).spawn(move || warmed.producer().err());
        if let Err(error) = begun {
            tracing::warn!(%error, "no thread for Kafka's client; the first record makes it");
        }
        Self(inner)
    }

    /// The sink that `KAFKA_TOPIC` names; mistakes are noted in `env`, which then gives `None`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let timeout = env.millis_or("SINK_TIMEOUT_MS", DEFAULT_TIMEOUT);
        let topic = env.required("KAFKA_TOPIC");
        let settings = KafkaSettings::from_env(env)?;
        Some(Self::new(&settings, &topic, timeout))
    }

    /// Waits until nothing is under way any more, at most for `limit`.
    pub async fn flush(&self, limit: Duration) {
        let producer = self.0.slot().clone();
        let Some(producer) = producer else { return };
        let flushed = tokio::task::spawn_blocking(move || producer.flush(limit)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "records were under way to Kafka at the end");
        }
    }

    async fn producer(&self) -> Result<Producer, SinkError> {
        if let Ok(slot) = self.0.producer.try_lock()
            && let Some(producer) = slot.as_ref()
        {
            return Ok(producer.clone());
        }
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || inner.producer()).await {
            Ok(Ok(producer)) => Ok(producer),
            Ok(Err(error)) => {
                let what = "no Kafka client can be made of the settings".to_owned();
                Err(SinkError::Unavailable(what, Some(Box::new(error))))
            }
            Err(error) => {
                Err(SinkError::Unavailable("the process is ending".to_owned(), Some(Box::new(error))))
            }
        }
    }
}

impl Inner {
    fn slot(&self) -> MutexGuard<'_, Option<Producer>> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The producer, made where there is none.
    fn producer(&self) -> Result<Producer, KafkaError> {
        let mut slot = self.slot();
        match slot.as_ref() {
            Some(producer) => Ok(producer.clone()),
            None => {
                let producer: Producer = self.config.create_with_context(Logged)?;
                Ok(slot.insert(producer).clone())
            }
        }
    }

    /// After a fatal error every later record would fail.
    fn forget(&self, failed: &Producer) {
        let mut slot = self.slot();
        let is_current = |current: &Producer| current.client().native_ptr() == failed.client().native_ptr();
        if slot.as_ref().is_some_and(is_current) {
            *slot = None;
        }
    }
}

/// The settings of a producer whose records are taken or refused within `timeout`.
pub fn producer_config(settings: &KafkaSettings, timeout: Duration) -> ClientConfig {
    let millis = timeout.as_millis().to_string();
    let mut config = settings.client_config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // A lone event is sent at once; under load, batches form while the ones before are on their way.
        .set("linger.ms", "0")
        .set("message.timeout.ms", &millis)
        .set("request.timeout.ms", &millis)
        .set("socket.connection.setup.timeout.ms", timeout.as_millis().max(1000).to_string())
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "500")
        .set("message.max.bytes", MAX_RECORD_BYTES.to_string())
        .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
        .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string())
        // As every Java client does it: one key is one partition, whoever publishes.
        .set("partitioner", "murmur2_random");
    config
}

impl Sink for KafkaSink {
    async fn send(&self, event: &Event, trace: Option<&TraceContext>) -> Result<(), SinkError> {
        let KafkaRecord { key, headers, value } = cloudevent::to_kafka(event);
        let mut kafka_headers = OwnedHeaders::new_with_capacity(headers.len() + 2);
        for (name, value) in &headers {
            kafka_headers = kafka_headers.insert(Header { key: name, value: Some(value) });
        }
        for (name, value) in trace.into_iter().flat_map(TraceContext::fields) {
            kafka_headers = kafka_headers.insert(Header { key: name, value: Some(value) });
        }
        let mut record = FutureRecord::to(&self.0.topic).headers(kafka_headers);
        if let Some(key) = &key {
            record = record.key(key);
        }
        if let Some(value) = &value {
            record = record.payload(value);
        }
        let producer = self.producer().await?;
        let sent = match producer.send_result(record) {
            Ok(delivery) => delivery.await,
            Err((error, _)) => return Err(refusal(error)),
        };
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => {
                if producer.client().fatal_error().is_some() {
                    self.0.forget(&producer);
                }
                Err(refusal(error))
            }
            // The producer went away with the record.
            Err(_) => Err(SinkError::Unavailable("Kafka's client ended".to_owned(), None)),
        }
    }
}

/// What Kafka or its client said, as what it means for the event.
fn refusal(error: KafkaError) -> SinkError {
    use RDKafkaErrorCode as Code;
    let what = match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
            return SinkError::Refused("the record is larger than Kafka takes".to_owned());
        }
        Some(Code::InvalidRecord) => {
            return SinkError::Refused("Kafka says that the record is invalid".to_owned());
        }
        Some(Code::QueueFull) => "too much waits for Kafka already",
        Some(Code::MessageTimedOut) => "Kafka did not acknowledge in time",
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => "Kafka has no such topic",
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            "Kafka does not let us publish"
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => "Kafka does not take our credentials",
        Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => "too few replicas are in sync",
        _ => "Kafka did not take the record",
    };
    SinkError::Unavailable(what.to_owned(), Some(Box::new(error)))
}
