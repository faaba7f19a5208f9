//! A database with readings and heartbeats, a clock that stands still, and processes that evaluate.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use evaluate::{Evaluator, Scope, Summary, WatchedRules};
use jiff::Timestamp;
use pipeline_config::{Awaited, Pipeline};
use runtime::{Clock, Deadline, Prewarm};
use serde_json::{Map, json};
use store::migrate::ROLES;
use store::registry::{self, expected, retirement};
use store::{Database, DatabaseSettings, Transaction, active_pipeline, heartbeats, migrate};
use testkit::TestDatabase;
use tokio_postgres::Client;

/// The time that a run may take.
pub(crate) const BUDGET: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) sql: Client,
    database: TestDatabase,
    /// As the stage's own role sees it.
    role: TestDatabase,
    clock: Clock,
    streams: HashMap<String, i32>,
}

/// A pipeline with these rules, two receivers, and a route for each severity.
pub(crate) fn pipeline(rules: &str) -> String {
    format!(
        "
sources:
  greenhouse: {{format: json, credentials: [{{bearer: {{env: TOKEN}}}}], tags: {{site: north}}}}
rules: {rules}
receivers:
  ops: {{webhook: {{url: 'https://hooks.example.com/ops'}}}}
  boss: {{webhook: {{url: 'https://hooks.example.com/boss'}}}}
routes:
  - {{to: [ops]}}
  - {{select: {{severity: critical}}, to: [boss]}}
"
    )
}

/// Seconds after an arbitrary beginning.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_775_000_000 + second).unwrap()
}

impl World {
    /// `None` where PostgreSQL is not installed.
    pub(crate) async fn new() -> Option<Self> {
        let database = testkit::postgres().await?;
        migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
        let sql = database.connect().await;
        let role = database.as_role(ROLES, "freshet_alert").await;
        Some(Self { sql, database, role, clock: Clock::manual(at(0)), streams: HashMap::new() })
    }

    /// A process that has this file, which is now in force.
    pub(crate) async fn process(&self, pipeline: &str) -> Evaluator {
        let process = self.process_of(pipeline);
        self.activate(&process.pipeline.hash).await;
        process
    }

    /// A process that has this file.
    pub(crate) fn process_of(&self, pipeline: &str) -> Evaluator {
        let settings = DatabaseSettings::from_url(self.role.url()).unwrap();
        let pipeline = Pipeline::parse(pipeline, "test.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let rules = WatchedRules::new(&pipeline.rules).unwrap();
        let (database, clock) = (Database::new(&settings), self.clock.clone());
        Evaluator { database, clock, pipeline, rules, prewarm: Prewarm::default() }
    }

    pub(crate) async fn activate(&self, hash: &str) {
        active_pipeline::activate(&self.owner().await, hash, at(0)).await.unwrap();
    }

    /// The clock only goes forward.
    pub(crate) fn at(&self, second: i64) {
        if let Ok(ahead) = at(second).duration_since(self.clock.now()).try_into() {
            self.clock.advance(ahead);
        }
    }

    /// A reading is stored with an evaluation request, as `persist` does it.
    pub(crate) async fn store(&mut self, device: &str, second: i64, value: f64) -> i32 {
        let stream = self.stream(device).await;
        let sql = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     values ($1, $2, $3, gen_random_uuid(), array[$4::float8])
                     on conflict (stream_id, observed_at) do update set "values" = excluded."values""#;
        self.sql.execute(sql, &[&stream, &at(second), &self.clock.now(), &value]).await.unwrap();
        let sql = "insert into evaluation_request (stream_id, from_at, token)
                   values ($1, $2, nextval('evaluation_token'))
                   on conflict (stream_id) do update
                   set from_at = least(evaluation_request.from_at, excluded.from_at), token = excluded.token";
        self.sql.execute(sql, &[&stream, &at(second)]).await.unwrap();
        stream
    }

    /// The same of its second metric, of the same name: in another unit, or of another kind.
    pub(crate) async fn store_other(&mut self, device: &str, second: i64, value: f64, kind: &str) -> i32 {
        let stream = self.store(device, second, value).await;
        let sql = "insert into metric (stream_id, position, name, unit, kind) values ($1, 1, 'temperature', 'm', $2)
                   on conflict do nothing";
        self.sql.execute(sql, &[&stream, &kind]).await.unwrap();
        let (values, texts) =
            if kind == "text" { ("'{}'", "'{NULL,high}'") } else { ("array[null, $3::float8]", "null") };
        let sql = format!(
            r#"update moment set "values" = {values}, texts = {texts}
               where stream_id = $1 and observed_at = $2 and $3::float8 is not null"#
        );
        self.sql.execute(&sql, &[&stream, &at(second), &value]).await.unwrap();
        stream
    }

    async fn stream(&mut self, device: &str) -> i32 {
        if let Some(stream) = self.streams.get(device) {
            return *stream;
        }
        let sql = "with d as (insert into device (source, name, first_seen_at, last_seen_at)
                              values ('greenhouse', $1, $2, $2) returning id),
                        s as (insert into stream (device_id, channel) select id, '' from d returning id),
                        m as (insert into metric (stream_id, position, name, unit, kind)
                              select id, 0, 'temperature', 'Cel', 'number' from s)
                   select id from s";
        let stream: i32 = self.sql.query_one(sql, &[&device, &at(0)]).await.unwrap().get(0);
        self.streams.insert(device.to_owned(), stream);
        stream
    }

    pub(crate) async fn other_connection(&self) -> Client {
        self.database.connect().await
    }

    /// A payload touched these streams.
    pub(crate) async fn readings(&self, process: &Evaluator, streams: &[i32]) -> Summary {
        run(process, streams).await
    }

    /// A tick comes through at this second.
    pub(crate) async fn heartbeat(&self, process: &Evaluator, second: i64) -> Summary {
        self.record_heartbeat(second).await;
        run_whole(process, Scope { other_rules: true }).await
    }

    /// The device is out of service from now on.
    pub(crate) async fn retire(&self, device: &str) {
        let mut client = self.owner().await;
        let transaction = Transaction::begin(&mut client).await.unwrap();
        retirement::retire(&transaction, ("greenhouse", device), self.clock.now()).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// It is in service again.
    pub(crate) async fn restore(&self, device: &str) {
        let mut client = self.owner().await;
        let transaction = Transaction::begin(&mut client).await.unwrap();
        retirement::restore(&transaction, ("greenhouse", device)).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// People say of a device how often it is expected to send, or no more that it is.
    pub(crate) async fn expect(&self, device: &str, expected: Option<&str>) {
        let facts = Map::from_iter([("expected".to_owned(), json!(expected))]);
        let mut client = self.owner().await;
        let transaction = Transaction::begin(&mut client).await.unwrap();
        let of = BTreeMap::from([(("greenhouse".to_owned(), device.to_owned()), facts)]);
        registry::register(&transaction, &of).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// What a tick does for devices that are expected, before it looks what is due.
    pub(crate) async fn make_expected(&self, process: &Evaluator) {
        let awaited = Awaited::new(&process.pipeline);
        let known_by = (process.pipeline.hash.as_str(), process.pipeline.hash_number());
        let mut client = self.owner().await;
        let transaction = Transaction::begin(&mut client).await.unwrap();
        let of = |source: &str, device: &str| awaited.of(source, device);
        expected::make_series(&transaction, (known_by, self.clock.now()), of).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The first reading of an expected device, of this metric and channel, as `persist` stores it.
    pub(crate) async fn first_reading(&self, device: &str, (channel, metric): (&str, &str), second: i64) {
        let sql = format!(
            r#"
            with d as (select id from device where name = '{device}'),
                 t as (insert into stream (device_id, channel) select id, '{channel}' from d
                       on conflict (device_id, channel) do update set channel = excluded.channel returning id),
                 m as (insert into metric (stream_id, position, name, unit, kind)
                       select t.id, (select count(*) from metric where stream_id = t.id), '{metric}', 'Cel', 'number' from t on conflict do nothing)
            insert into evaluation_request (stream_id, from_at, token) select t.id, $1, nextval('evaluation_token') from t
            on conflict (stream_id) do update set from_at = least(evaluation_request.from_at, excluded.from_at), token = excluded.token"#
        );
        self.sql.execute(&sql, &[&at(second)]).await.unwrap();
        let sql = format!(
            r#"
            insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
            select s.id, $1, $1, gen_random_uuid(), array_fill(null::float8, array[m.position::integer]) || array[20::float8]
            from device d join stream s on s.device_id = d.id and s.channel = '{channel}'
            join metric m on m.stream_id = s.id and m.name = '{metric}' where d.name = '{device}'"#
        );
        assert_eq!(self.sql.execute(&sql, &[&at(second)]).await.unwrap(), 1);
        let sql = format!(
            "with seen as (update device set last_seen_at = $1, first_seen_at = $1 where name = '{device}' returning id, expected_at)
             insert into evaluation_request as r (stream_id, from_at, token)
             select s.id, seen.expected_at, nextval('evaluation_token') from seen join stream s on s.device_id = seen.id
             on conflict (stream_id) do update set from_at = least(r.from_at, excluded.from_at), token = excluded.token"
        );
        self.sql.execute(&sql, &[&at(second)]).await.unwrap();
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn owner(&self) -> store::Client {
        let settings = DatabaseSettings::from_url(self.database.url()).unwrap();
        Database::new(&settings).client().await.unwrap()
    }

    pub(crate) async fn record_heartbeat(&self, second: i64) {
        self.at(second);
        let mut client = self.owner().await;
        let transaction = Transaction::begin(&mut client).await.unwrap();
        heartbeats::settle(&transaction, &[at(second)], &[]).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The effective transitions of a device, in seconds after the beginning.
    pub(crate) async fn effective(&self, device: &str) -> Vec<(String, i64)> {
        let sql = "select t.kind, t.at from alert_transition t
                   join stream s on s.id = t.stream_id join device d on d.id = s.device_id
                   where d.name = $1 and t.kind <> 'retracted' and t.retracted_by is null order by t.at, t.id";
        let rows = self.sql.query(sql, &[&device]).await.unwrap();
        let seconds = |time: Timestamp| time.as_second() - at(0).as_second();
        rows.iter().map(|row| (row.get(0), seconds(row.get(1)))).collect()
    }

    /// The same with their rules, in the order of the alphabet.
    pub(crate) async fn effective_by_rule(&self, device: &str) -> Vec<(String, String, i64)> {
        let sql = "select t.rule, t.kind, t.at from alert_transition t
                   join stream s on s.id = t.stream_id join device d on d.id = s.device_id
                   where d.name = $1 and t.kind <> 'retracted' and t.retracted_by is null";
        let rows = self.sql.query(sql, &[&device]).await.unwrap();
        let seconds = |time: Timestamp| time.as_second() - at(0).as_second();
        let mut found: Vec<_> =
            rows.iter().map(|row| (row.get(0), row.get(1), seconds(row.get(2)))).collect();
        found.sort_unstable();
        found
    }

    /// All transitions in the order in which they were recorded, with their causes and receivers.
    pub(crate) async fn recorded(&self) -> Vec<String> {
        let sql = "select concat_ws(' ', t.kind, t.cause, string_agg(n.receiver, '+' order by n.receiver))
                   from alert_transition t left join notification n on n.transition_id = t.id
                   group by t.id order by t.id";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        self.sql.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }
}

/// What an event about these streams makes a process do: it is a hint, and what is due stands in rows.
pub(crate) async fn run(process: &Evaluator, _: &[i32]) -> Summary {
    run_whole(process, Scope::default()).await
}

/// A run, and those for which it asks because it had no time for all.
async fn run_whole(process: &Evaluator, scope: Scope) -> Summary {
    let mut sum = Summary::default();
    loop {
        let Summary { transitions, notifications, streams, more, .. } =
            process.run(scope, Deadline::within(BUDGET)).await.unwrap();
        sum.transitions += transitions;
        sum.notifications += notifications;
        sum.streams += streams;
        if !more {
            return sum;
        }
    }
}
