//! A database, a web server, and the job between them.

use std::time::Duration;

use canary::{CanaryJob, Config, NAME};
use jiff::{SignedDuration, Timestamp};
use jobs::Runner;
use pipeline_config::Pipeline;
use receivers::{AddressPolicy, Outgoing};
use runtime::{Clock, Deadline};
use stage::telemetry::CanaryMetrics;
use store::migrate::ROLES;
use store::{Database, DatabaseSettings};
use tempfile::NamedTempFile;
use testkit::{Received, TestDatabase, TestReceiver};
use tokio_postgres::Client;

const PIPELINE: &str = "
canary:
  url: http://ADDRESS/plant
  secret: {file: SECRET}
  within: 10m
  ping: {success: 'http://ADDRESS/ping?key=s3cret', failure: 'http://ADDRESS/fail'}
network: {allow: [ALLOWED]}
";
pub(crate) const SLOT: &str = "2026-11-30T06:07:00Z";

pub(crate) struct World {
    _place: TestDatabase,
    _secret: NamedTempFile,
    /// The database, as on a cluster.
    role: TestDatabase,
    text: String,
    pub(crate) outside: TestReceiver,
    pub(crate) runner: Runner<CanaryJob>,
    pub(crate) client: Client,
}

impl World {
    /// One in which [`SLOT`] is due. `None` where PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::allowing("127.0.0.1").await
    }

    pub(crate) async fn allowing(allowed: &str) -> Option<Self> {
        let place = testkit::postgres().await?;
        store::migrate(&DatabaseSettings::from_url(place.url()).unwrap()).await.unwrap();
        let outside = TestReceiver::start().await;
        let secret = NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "tweet-8b1f\n").unwrap();
        let text = PIPELINE
            .replace("ADDRESS", &outside.address().to_string())
            .replace("SECRET", &secret.path().display().to_string())
            .replace("ALLOWED", allowed);
        let clock = Clock::manual(SLOT.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(20));
        let role = place.as_role(ROLES, "freshet_canary").await;
        let client = place.connect().await;
        let rows = format!(
            "insert into job (name, schedule, zone, known_since) values ('canary', '7 * * * *', 'UTC', '2026-11-01Z');
             insert into job_slot (job, slot) values ('canary', '{SLOT}')"
        );
        client.batch_execute(&rows).await.unwrap();
        let runner = process(&text, &role, clock);
        Some(Self { _place: place, _secret: secret, role, text, outside, runner, client })
    }

    /// Another process beside `runner`.
    pub(crate) fn process(&self) -> Runner<CanaryJob> {
        process(&self.text, &self.role, self.runner.clock.clone())
    }

    /// What a tick brings `minutes` later.
    pub(crate) async fn tick(&self, minutes: i64) {
        self.runner.clock.set(self.runner.clock.now() + SignedDuration::from_mins(minutes));
        self.runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap();
    }

    /// The rows of the payload that was sent, which came all the way, its notification `seconds` after that; or nearly.
    pub(crate) async fn arrives(&self, seconds: f64, status: &str) {
        self.arrives_of(SLOT, seconds, status).await;
    }

    /// The same of the payload of a slot.
    pub(crate) async fn arrives_of(&self, slot: &str, seconds: f64, status: &str) {
        let sql = format!(
            r#"
            insert into device (source, name, first_seen_at, last_seen_at) select 'freshet-canary', 'canary', now(), now()
            where not exists (select from device);
            insert into stream (device_id, channel) select id, '' from device where not exists (select from stream);
            insert into metric (stream_id, position, name, kind) select id, 0, 'canary', 'number' from stream where not exists (select from metric);
            create temporary table run as
            select md5(slot::text)::uuid as receipt, at, coalesce(sent_at, at) as sent_at, s.id as stream
            from canary_run, stream s where slot = '{slot}';
            insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, stored_at)
            select sent_at, receipt, 'freshet-canary', '1', 'json', 'stored', 2, 0, sent_at + interval '0.2 s' from run;
            insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
            select stream, at + n * interval '1 ms', sent_at, receipt, array[1 - n] from run, generate_series(0, 1) n;
            with recorded as (
                insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations, recorded_at)
                select 'FreshetCanary', 'h', stream, 0, kind, at + n * interval '1 ms', 'breach', 'info', '{{}}', '{{}}', sent_at + interval '0.5 s'
                from run, (values (0, 'firing'), (1, 'resolved')) as t (n, kind) returning id, kind)
            insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at, created_at, delivered_at, last_error)
            select gen_random_uuid(), t.id, 'freshet-canary', 'k', case t.kind when 'firing' then 'superseded' else '{status}' end, now(), now(), now(),
                   case when t.kind = 'resolved' and '{status}' = 'delivered' then sent_at + {seconds} * interval '1 s' end, 'no such row'
            from recorded t, run;
            drop table run"#
        );
        self.client.batch_execute(&sql).await.unwrap();
    }

    pub(crate) fn came_to(&self, path: &str) -> Vec<Received> {
        self.outside.received().into_iter().filter(|one| one.target.starts_with(path)).collect()
    }

    pub(crate) async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn failure(&self) -> String {
        self.one("select failure from canary_run where finished_at is not null").await
    }

    pub(crate) async fn result(&self) -> (String, Option<bool>) {
        let row = self.client.query_one("select state, (result ->> 'passed')::boolean from job_slot", &[]);
        let row = row.await.unwrap();
        (row.get(0), row.get(1))
    }
}

fn process(text: &str, role: &TestDatabase, clock: Clock) -> Runner<CanaryJob> {
    let Pipeline { canary, network, .. } = Pipeline::parse(text, "freshet.yaml").unwrap();
    let outgoing = Outgoing::new(AddressPolicy::new(network), None);
    let database = Database::new(&DatabaseSettings::from_url(role.url()).unwrap().pool_size(1));
    let job = CanaryJob::new(Config { canary, outgoing }, clock.clone(), CanaryMetrics::default());
    Runner { name: NAME, job, database, clock }
}
