//! Topic mode: a partition that is read late.

use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use kafka::{KafkaSettings, TopicSpec, create_missing_topics, producer_config};
use knative_local::Config;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pipeline_tests::stand::{KEY, PATIENCE, binaries, clock_file};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use testkit::{Process, eventually};

use crate::day::{DEVICES, Day, TICK};

const PARTITIONS: usize = 2;

/// A day in topic mode: each device reports to a partition that stays its own.
struct Topic {
    day: Day,
    kafka: KafkaSettings,
    bootstrap: String,
    name: String,
    producer: FutureProducer,
    published: i64,
}

impl Topic {
    /// `None` where PostgreSQL or Kafka cannot be had.
    async fn begin() -> Option<Self> {
        let server = testkit::kafka().await?;
        let (bootstrap, name) = (server.bootstrap().to_owned(), server.unique("silence"));
        let environment = [("KAFKA_BOOTSTRAP_SERVERS", &bootstrap), ("KAFKA_TOPIC", &name)]
            .map(|(n, v)| (n.to_owned(), v.clone()));
        let day = Day::begin_in(environment.into(), queues_in_kafka).await?;
        let kafka = KafkaSettings::plaintext(&bootstrap);
        let spec =
            TopicSpec { name: name.clone(), partitions: PARTITIONS as i32, replication: 1, retention: None };
        create_missing_topics(&kafka, &[spec]).await.unwrap();
        let producer = producer_config(&kafka, PATIENCE).create().unwrap();
        Some(Self { day, kafka, bootstrap, name, producer, published: 0 })
    }

    async fn worker(&self) -> Process {
        let stand = &self.day.stand;
        let (folder, database, broker) =
            (stand.folder.path(), stand.postgres.database(), stand.running.broker_url());
        let environment = [
            ("DATABASE_URL", database.url()),
            ("FRESHET_PIPELINE", &folder.join("freshet.yaml").display().to_string()),
            ("FRESHET_SIMULATED_CLOCK", &clock_file(folder).display().to_string()),
            ("STAND_KEY", KEY),
            ("K_SINK", &broker),
            ("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap),
            ("KAFKA_TOPIC", &self.name),
            ("KAFKA_GROUP", &self.group()),
            // One that stands still keeps its partition for as long.
            ("KAFKA_SESSION_TIMEOUT_MS", "30000"),
        ];
        let process = Process::spawn(&binaries().join("worker"), &environment);
        process.listening().await;
        process
    }

    fn group(&self) -> String {
        format!("{}-group", self.name)
    }

    /// How many workers share the partitions.
    fn sharing(&self) -> usize {
        let consumer: BaseConsumer = self.kafka.client_config().create().unwrap();
        let Ok(groups) = consumer.fetch_group_list(Some(&self.group()), Duration::from_secs(5)) else {
            return 0;
        };
        let stable = groups.groups().iter().find(|group| group.state() == "Stable");
        stable.map_or(0, |group| group.members().len())
    }

    /// A reading of now of each device.
    async fn report(&mut self, devices: &[&str]) {
        for device in devices {
            let place = DEVICES.iter().position(|known| known == device).unwrap();
            self.published += 1;
            let body = format!(r#"{{"device": "{device}", "time": "{}", "temperature": 20}}"#, self.day.now);
            let mut event = cloudevent::new(PAYLOAD_RECEIVED, "/sources/field", &self.published.to_string());
            cloudevent::set_time(&mut event, self.day.now);
            let request =
                format!("POST /hooks/field HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
            event.set_data(APPLICATION_HTTP, request.into_bytes());
            let record = cloudevent::to_kafka(&event);
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
                headers.insert(Header { key: name, value: Some(value) })
            });
            let sent = FutureRecord::<str, [u8]>::to(&self.name).headers(headers);
            let sent = sent.partition((place % PARTITIONS) as i32).payload(record.value.as_deref().unwrap());
            self.producer.send(sent, PATIENCE).await.unwrap();
        }
    }

    async fn are_stored(&self, readings: i64) {
        eventually(PATIENCE, || async {
            let stored = self.day.count("moment").await;
            (stored == readings).then_some(()).ok_or(format!("{stored} of {readings} stored"))
        })
        .await;
    }

    /// Ticks until the tick of now is a heartbeat: a worker notes every few seconds how far it is.
    async fn heartbeat(&self) {
        eventually(PATIENCE, || async {
            self.day.stand.tick().await;
            let waiting = self.day.count("pending_heartbeat").await;
            (waiting == 0).then_some(()).ok_or(waiting)
        })
        .await;
    }
}

/// Only `scheduler` looks at the topic; `ingest` goes on as in broker mode, and is not used.
fn queues_in_kafka(config: &mut Config) {
    for service in &mut config.services {
        service.env.remove(if service.name == "scheduler" { "BROKER_POSITIONS_URL" } else { "KAFKA_TOPIC" });
    }
}

fn signal(process: &Process, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(process.pid()).unwrap()), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_in_a_slower_partition_make_nobody_silent() {
    let Some(mut topic) = Topic::begin().await else { return };
    let (_reads_on, stands_still) = tokio::join!(topic.worker(), topic.worker());
    eventually(PATIENCE, || async { (topic.sharing() == 2).then_some(()).ok_or(topic.sharing()) }).await;
    topic.report(&DEVICES).await;
    topic.are_stored(4).await;
    topic.heartbeat().await;

    signal(&stands_still, Signal::SIGSTOP);
    for ticks in 1..=8 {
        topic.day.pass(TICK);
        topic.report(&DEVICES).await;
        topic.are_stored(4 + 2 * ticks).await;
        topic.day.stand.tick().await;
        assert_eq!(topic.day.count("pending_heartbeat").await, ticks, "no tick is a heartbeat");
    }
    topic.day.nobody_is_silent().await;

    signal(&stands_still, Signal::SIGCONT);
    topic.are_stored(topic.published).await;
    topic.heartbeat().await;
    topic.day.nobody_is_silent().await;

    // Who really is silent afterwards is found.
    for _ in 0..7 {
        topic.day.pass(TICK);
        topic.day.stand.tick().await;
        topic.report(&DEVICES[1..]).await;
        topic.are_stored(topic.published).await;
    }
    topic.heartbeat().await;
    let silent = "alert_transition t join stream s on s.id = t.stream_id join device d on d.id = s.device_id
                  where t.kind = 'firing'";
    assert_eq!(topic.day.count(silent).await, 1);
    assert_eq!(topic.day.count(&format!("{silent} and d.name = '{}'", DEVICES[0])).await, 1);
    topic.day.stand.down().await;
}
