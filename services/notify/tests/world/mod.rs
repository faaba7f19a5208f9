//! A database with one series, three receivers, and the stage between them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use event_model::alert::{AlertId, Severity};
use event_model::cloudevent;
use event_model::event_types::ALERTS_CHANGED;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use notify::{Deliverer, Notify, Waiters};
use pipeline_config::{FallbackAfter, Pipeline};
use receivers::{AddressPolicy, Outgoing};
use runtime::Clock;
use stage::{Delivery, Outcome, Stage as _};
use store::alerts::{NewNotification, Target, queue_notifications};
use store::migrate::ROLES;
use store::notifications::{self, Lease};
use store::{Database, DatabaseSettings, Transaction, active_pipeline};
use testkit::TestReceiver;
use uuid::Uuid;

/// A rule whose alerts are critical.
const CRITICAL: &str = "OnFire";
/// The most alerts that begin on `ops` within an hour.
pub(crate) const MAX_PER_HOUR: i64 = 50;
const LEASE: SignedDuration = SignedDuration::from_secs(60);

pub(crate) struct World {
    pub(crate) ops: TestReceiver,
    pub(crate) spare: TestReceiver,
    pub(crate) prometheus: TestReceiver,
    /// A receiver of the next pipeline file alone.
    pub(crate) siren: TestReceiver,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    /// As the stage's own role.
    stage_database: Database,
    notify: Notify,
}

fn severity(rule: &str) -> Severity {
    if rule == CRITICAL { Severity::Critical } else { Severity::Warning }
}

fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

impl World {
    /// The stage's pipeline file is in force. `None` where PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let place = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let database = Database::new(&settings);
        let client = database.client().await.unwrap();
        let series = "
            insert into device (source, name, first_seen_at, last_seen_at) values ('greenhouse', 'gh-1', now(), now());
            insert into stream (device_id, channel) values (1, '');
            insert into metric (stream_id, position, name, unit, kind) values (1, 0, 'temperature', 'Cel', 'number')";
        client.batch_execute(series).await.unwrap();
        let (ops, spare) = (TestReceiver::start().await, TestReceiver::start().await);
        let (prometheus, siren) = (TestReceiver::start().await, TestReceiver::start().await);
        let pipeline = pipeline(&ops, &spare, &prometheus, "");
        active_pipeline::activate(&client, &pipeline.hash, start()).await.unwrap();
        let clock = Clock::manual(start());
        let role = place.as_role(ROLES, "freshet_notify").await;
        let stage_database = Database::new(&DatabaseSettings::from_url(role.url()).unwrap());
        let notify = process(&stage_database, &clock, pipeline);
        Some(Self { ops, spare, prometheus, siren, clock, database, stage_database, notify })
    }

    /// Puts the next pipeline file in force, which adds the receiver `siren`. The process there is keeps its own.
    pub(crate) async fn activate_next(&self) {
        let client = self.database.client().await.unwrap();
        active_pipeline::activate(&client, &self.next_pipeline().hash, self.clock.now()).await.unwrap();
    }

    /// The process is replaced by one with the next pipeline file.
    pub(crate) fn roll_out(&mut self) {
        self.notify = process(&self.stage_database, &self.clock, self.next_pipeline());
    }

    /// The stage's database goes away.
    pub(crate) fn close_database(&self) {
        self.stage_database.close();
    }

    fn next_pipeline(&self) -> Pipeline {
        let siren = format!("\n  siren:\n    webhook: {{url: '{}'}}", self.siren.url("/"));
        pipeline(&self.ops, &self.spare, &self.prometheus, &siren)
    }

    /// One event, as `alert` replies it.
    pub(crate) async fn wake(&self) -> Outcome {
        self.wake_with(ALERTS_CHANGED).await
    }

    pub(crate) async fn wake_with(&self, event_type: &str) -> Outcome {
        let event = cloudevent::new(event_type, "/stages/alert", &Uuid::new_v4().to_string());
        self.notify.handle(event, Delivery::at(self.clock.now())).await
    }

    /// Records a transition of the series `minute` minutes after the start; a retraction names what it retracts.
    pub(crate) async fn transition(&self, kind: &str, minute: i64, retracts: Option<i64>) -> i64 {
        let id = self.insert("TooHot", kind, minute, retracts).await;
        let client = self.database.client().await.unwrap();
        let update = "update alert_transition set retracted_by = $1 where id = $2";
        client.execute(update, &[&id, &retracts]).await.unwrap();
        id
    }

    /// The same for a rule of its own, and so for an alert of its own.
    pub(crate) async fn transition_of(&self, rule: i64, kind: &str) -> i64 {
        self.insert(&format!("Rule{rule}"), kind, 0, None).await
    }

    /// The same for an alert that is critical.
    pub(crate) async fn critical(&self, kind: &str) -> i64 {
        self.insert(CRITICAL, kind, 0, None).await
    }

    /// Gives it the trace that it came from.
    pub(crate) async fn came_from(&self, transition: i64, traceparent: &str) {
        let client = self.database.client().await.unwrap();
        let update = "update alert_transition set traceparent = $1 where id = $2";
        client.execute(update, &[&traceparent, &transition]).await.unwrap();
    }

    /// Undelivered notifications of alerts that fire, as `freshet alerts` shows them.
    pub(crate) async fn undelivered(&self) -> i64 {
        let client = self.database.client().await.unwrap();
        let state = "
            insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, updated_at)
            values ('TooHot', 1, 0, 'hash', now(), '{}', 'firing', now()) on conflict do nothing";
        client.execute(state, &[]).await.unwrap();
        store::queries::alerts(&client, false, 1).await.unwrap()[0].undelivered
    }

    async fn insert(&self, rule: &str, kind: &str, minute: i64, retracts: Option<i64>) -> i64 {
        let client = self.database.client().await.unwrap();
        let insert = "
            insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels,
                                          annotations, recorded_at, retracts)
            values ($1, 'hash', 1, 0, $2, $3, 31.5, 'breach', $5,
                    jsonb_build_object('alertname', $1::text), '{}', $3, $4)
            returning id";
        let at = start().checked_add(minute.minutes()).unwrap();
        client
            .query_one(insert, &[&rule, &kind, &at, &retracts, &severity(rule).as_str()])
            .await
            .unwrap()
            .get(0)
    }

    /// Queues it as an evaluation does.
    pub(crate) async fn queue(&self, transition: i64, receiver: &str) {
        let mut client = self.database.client().await.unwrap();
        let select = "select rule from alert_transition where id = $1";
        let rule: String = client.query_one(select, &[&transition]).await.unwrap().get(0);
        let alert_key = AlertId { rule: &rule, stream: 1, position: 0 }.key();
        let target = Target { receiver: receiver.to_owned(), is_fallback: false };
        let due_at = self.clock.now();
        let fallback_at = due_at.checked_add(FallbackAfter::default().of(severity(&rule))).ok();
        let new = NewNotification { transition, alert_key, target, due_at, fallback_at };
        let transaction = Transaction::begin(&mut client).await.unwrap();
        queue_notifications(&transaction, &[new], self.clock.now()).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Takes what is due, and never comes back to it.
    pub(crate) async fn die_holding_everything(&self) {
        let mut client = self.database.client().await.unwrap();
        let now = self.clock.now();
        let lease = Lease { id: Uuid::new_v4(), until: now.checked_add(LEASE).unwrap() };
        assert_eq!(notifications::take(&mut client, "ops", now, lease, 10).await.unwrap().len(), 1);
    }

    /// What became of a receiver's notifications, in the order of their transitions.
    pub(crate) async fn statuses(&self, receiver: &str) -> Vec<String> {
        let client = self.database.client().await.unwrap();
        let select = "select status from notification where receiver = $1 order by transition_id";
        client.query(select, &[&receiver]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn process(database: &Database, clock: &Clock, pipeline: Pipeline) -> Notify {
    let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), None));
    let (database, clock) = (database.clone(), clock.clone());
    let waiters = Waiters::default();
    Notify::new(Deliverer { database, pipeline, outgoing, clock, lease: LEASE, waiters })
}

fn pipeline(ops: &TestReceiver, spare: &TestReceiver, prometheus: &TestReceiver, further: &str) -> Pipeline {
    let text = format!(
        "sources:\n  greenhouse:\n    format: json\n    credentials: [{{header: X-Key, secret: {{env: KEY}}}}]\n\
         network:\n  allow: [127.0.0.0/8]\n\
         receivers:\n  ops:\n    webhook: {{url: '{}', max_per_hour: {MAX_PER_HOUR}}}\n  spare:\n    webhook: {{url: '{}'}}\n  \
         prometheus:\n    alertmanager: {{url: '{}'}}{further}\n\
         fallback: [spare]\ntick: 5m\n",
        ops.url("/"),
        spare.url("/"),
        prometheus.url("")
    );
    Pipeline::parse(&text, "test.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"))
}
