//! A burst of the same size, whatever the database holds already.

use std::time::Duration;

use cloudevents::Event;
use evaluate::Scope;
use event_model::cloudevent;
use event_model::event_types::{
    DEAD_LETTERS_DUE, EVALUATION_REQUESTED, NOTIFICATIONS_DUE, PAYLOAD_RECEIVED, TICK,
};
use event_model::events::{APPLICATION_HTTP, DeadLettersDue, EvaluationRequested, NotificationsDue};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use payload::Carried;
use persist::{RecordContent, TopicRecord};
use runtime::Deadline;
use store::dead_letters::{self, Cause, DeadEvent, DeadLetter, Filter};
use store::queries::{self, ValueFilter};
use store::topic_offsets::{self, PartitionSpan};
use store::{RecordPlace, Transaction, alerts, heartbeats, overview};
use tokio_postgres::Client;

use crate::stages::Stages;

/// Devices that send, spread over the fleet.
const SENDERS: u32 = 200;
/// Devices that were never seen.
const NEW: u32 = 50;

/// What is measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Payloads of known and new devices, again, late, revised and faulty, one by one and as a batch.
    Payloads,
    /// Alerts that begin and end, and their notifications.
    Alerts,
    /// Ticks, and dead letters that are sent back.
    Ticks,
    /// What a person asks.
    Questions,
    /// A batch of a fleet that waits as a whole: requests, silences, a changed rule.
    Backlog,
}

impl Phase {
    /// All of them, in the order in which they are to run.
    pub const ALL: [Self; 5] = [Self::Payloads, Self::Alerts, Self::Ticks, Self::Questions, Self::Backlog];

    /// Runs it over a fleet of `size`.
    pub async fn run(self, stages: &Stages, client: &Client, size: u32) {
        match self {
            Self::Payloads => payloads(stages, size).await,
            Self::Alerts => alerts_and_messages(stages, size).await,
            Self::Ticks => ticks(stages).await,
            Self::Backlog => backlog(stages, client).await,
            Self::Questions => questions(stages, size).await,
        }
    }
}

fn senders(size: u32) -> impl Iterator<Item = String> {
    let step = (size / SENDERS).max(1);
    (0..SENDERS).map(move |n| format!("old-{}", 1 + n * step % size))
}

fn payload(id: &str, body: &str, received_at: Timestamp) -> Event {
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, "/sources/fleet", id);
    cloudevent::set_time(&mut event, received_at);
    let request = format!("POST /hooks/fleet HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    event
}

/// A payload of one device, `ago` seconds before the burst.
fn reading(device: &str, ago: i64, value: i32) -> Event {
    let at = crate::stages::now().checked_sub(SignedDuration::from_secs(ago)).unwrap();
    let body = format!(r#"{{"device":"{device}","time":"{at}","temperature":{value},"humidity":55}}"#);
    payload(&format!("{device}-{ago}-{value}"), &body, crate::stages::now())
}

async fn payloads(stages: &Stages, size: u32) {
    let new = (0..NEW).map(|n| format!("new-{n}"));
    let devices: Vec<String> = senders(size).chain(new).collect();
    // Fresh ones, the same once more, another value of the same moment, a late one, and one that makes no sense.
    for (ago, value) in [(600, 20), (600, 20), (600, 21), (86_400 * 40, 19)] {
        for some in devices.chunks(25) {
            join_all(some.iter().map(|device| stages.transform(reading(device, ago, value)))).await;
        }
    }
    let faulty = devices.iter().take(20).map(|device| {
        let body = format!(r#"{{"device":"{device}","temperature":{{}},"humidity":"wet"}}"#);
        stages.transform(payload(&format!("faulty-{device}"), &body, crate::stages::now()))
    });
    join_all(faulty).await;
    let records: Vec<TopicRecord> = devices
        .iter()
        .zip(0..)
        .map(|(device, offset)| TopicRecord {
            place: RecordPlace { topic: "payloads".into(), incarnation: 1, partition: 0, offset },
            published_at: Some(crate::stages::now()),
            trace: None,
            content: RecordContent::Event(Box::new(Carried::new(reading(device, 300, 22)))),
            hash: None,
        })
        .collect();
    let client = stages.database.client().await.unwrap();
    let taken = topic_offsets::take(&client, &"payloads".into(), &[0]).await.unwrap()[0];
    let (epoch, end) = (taken.epoch, i64::try_from(records.len()).unwrap());
    let span = PartitionSpan { partition: 0, epoch, incarnation: 1, from: 0, end };
    assert!(topic_offsets::begin_at(&client, &"payloads".into(), &span, None).await.unwrap());
    assert!(topic_offsets::mark(&client, &"payloads".into(), &[span], 0).await.unwrap().is_empty());
    drop(client);
    let mut prepared =
        stages.worker.prepare((&"payloads".into(), &records), &[span], stages.clock.now()).await.unwrap();
    stages.worker.commit(&mut prepared, &records).await.unwrap();
}

async fn alerts_and_messages(stages: &Stages, size: u32) {
    for (ago, value) in [(200, 35), (100, 20)] {
        for device in senders(size).take(100) {
            if let Some(request) = stages.transform(reading(&device, ago, value)).await
                && let Some(changed) = stages.alert(request).await
            {
                stages.notify(changed).await;
            }
        }
    }
    // What was left to the tick.
    stages.alert(event(EVALUATION_REQUESTED, &EvaluationRequested { streams: Vec::new() })).await;
    stages.notify(event(NOTIFICATIONS_DUE, &NotificationsDue { due: 1 })).await;
}

fn event(event_type: &str, data: &impl serde::Serialize) -> Event {
    let mut event = cloudevent::new(event_type, "/stages/scheduler", "tick");
    cloudevent::set_json(&mut event, data).unwrap();
    event
}

async fn ticks(stages: &Stages) {
    let client = stages.database.client().await.unwrap();
    for n in 0..10 {
        let dead_letter = DeadLetter {
            event: DeadEvent::of(&reading(&format!("away-{n}"), 50, 20)),
            stage: "transform".to_owned(),
            cause: Cause::Unavailable,
            reason: "the database was away".to_owned(),
            problems: Vec::new(),
            at: stages.clock.now(),
        };
        dead_letters::keep(&client, &dead_letter).await.unwrap();
    }
    drop(client);
    for _ in 0..10 {
        stages.clock.advance(Duration::from_secs(300));
        stages.schedule(cloudevent::new(TICK, "/tick", "tick")).await;
    }
    stages.dead_letter(event(DEAD_LETTERS_DUE, &DeadLettersDue::default())).await;
}

async fn backlog(stages: &Stages, client: &Client) {
    let waiting = "
        insert into evaluation_request (stream_id, from_at, token)
        select id, '2026-03-10T09:00:00Z', nextval('evaluation_token') from stream on conflict do nothing;
        update alert_state set deadline_at = '2026-03-10T09:00:00Z' where rule = 'Silent';
        update alert_state set rule_hash = 'another' where rule = 'TooHot'";
    client.batch_execute(waiting).await.unwrap();
    client.batch_execute("vacuum analyze alert_state, evaluation_request").await.unwrap();
    let one_batch = async |scope: Scope| {
        let summary = stages.evaluator.run(scope, Deadline::within(Duration::ZERO)).await.unwrap();
        assert!(summary.more, "{summary:?}");
    };
    // What making the backlog cost is not asked.
    client.execute("select pg_stat_statements_reset()", &[]).await.unwrap();
    for _ in 0..3 {
        one_batch(Scope { other_rules: true }).await;
        stages.clock.advance(Duration::from_secs(300));
        stages.schedule(cloudevent::new(TICK, "/tick", "tick")).await;
    }
}

async fn questions(stages: &Stages, size: u32) {
    let mut client = stages.database.client().await.unwrap();
    let now = stages.clock.now();
    for device in senders(size).take(10) {
        let filter = ValueFilter { device: &device, ..ValueFilter::default() };
        assert!(!queries::values(&client, &filter, 50).await.unwrap().is_empty());
        let sql = "select metric, value from last_readings where source = 'fleet' and device = $1";
        assert!(client.query(sql, &[&device]).await.unwrap().len() >= 2);
    }
    dead_letters::list(&client, &Filter::default(), 100).await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    heartbeats::settle(&transaction, &[now], &[]).await.unwrap();
    alerts::newest_heartbeat(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let since = now.checked_sub(SignedDuration::from_hours(1)).unwrap();
    overview::overview(&client, since, now).await.unwrap();
}
