//! `freshet devices retire`: what it has evaluated, and that `doctor` finds who sends nevertheless.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use store::DatabaseSettings;
use testkit::TestDatabase;

use crate::process::{Run, freshet_with};

/// Devices of which each has two streams, which have sent an hour ago.
const DEVICES: &str = r#"
    with d as (insert into device (source, name, first_seen_at, last_seen_at)
               select 'yard', name, now() - interval '1 hour', now() - interval '1 hour'
               from unnest('{attic,roof}'::text[]) as name returning id),
         s as (insert into stream (device_id, channel) select id, channel from d, unnest('{"",probe}'::text[]) as channel returning id)
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select id, now() - interval '1 hour', now() - interval '1 hour', gen_random_uuid(), '{20}' from s"#;

struct World {
    database: TestDatabase,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        store::migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
        database.connect().await.batch_execute(DEVICES).await.unwrap();
        Some(Self { database })
    }

    fn freshet(&self, args: &[&str]) -> Run {
        let run = freshet_with(args, &[("DATABASE_URL", self.database.url())]);
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        run
    }

    /// The channels of which an evaluation is requested, each `DEVICE/CHANNEL`.
    async fn requested(&self) -> Vec<String> {
        let sql = "
            select d.name || '/' || s.channel from evaluation_request r
            join stream s on s.id = r.stream_id join device d on d.id = s.device_id order by 1";
        let rows = self.database.connect().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What a device sends in a minute, through one of its channels.
    async fn send(&self, device: &str, channel: &str) {
        let sql = r#"
            with d as (update device set last_seen_at = now() + interval '1 minute' where name = $1 returning id)
            insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
            select s.id, now() + interval '1 minute', now() + interval '1 minute', gen_random_uuid(), '{21}'
            from stream s join d on d.id = s.device_id where s.channel = $2"#;
        let sent = self.database.connect().await.execute(sql, &[&device, &channel]).await.unwrap();
        assert_eq!(sent, 1);
    }

    async fn execute(&self, sql: &str) {
        self.database.connect().await.batch_execute(sql).await.unwrap();
    }

    /// The devices that `doctor` looks for.
    fn sending(&self) -> Value {
        let report: Value = serde_json::from_str(&self.freshet(&["doctor", "--inside"]).stdout).unwrap();
        report["database"]["Ok"]["retired"].clone()
    }
}

#[tokio::test]
async fn every_stream_of_a_retired_device_is_evaluated_and_of_one_that_is_back_those_that_have_sent() {
    let Some(world) = World::build().await else { return };
    world.freshet(&["devices", "retire", "attic"]);
    assert_eq!(world.requested().await, ["attic/", "attic/probe"]);
    world.execute("delete from evaluation_request").await;
    world.send("attic", "probe").await;
    world.freshet(&["devices", "retire", "attic", "--undo"]);
    assert_eq!(world.requested().await, ["attic/probe"]);
    // Nothing is to be undone.
    world.freshet(&["devices", "retire", "roof", "--undo"]);
    assert_eq!(world.requested().await, ["attic/probe"]);
}

#[tokio::test]
async fn a_retired_device_that_sends_is_found_until_it_is_retired_again_or_back() {
    let Some(world) = World::build().await else { return };
    world.freshet(&["devices", "retire", "attic"]);
    world.freshet(&["devices", "retire", "roof"]);
    assert_eq!(world.sending(), serde_json::json!([]));
    world.send("roof", "").await;
    world.send("attic", "").await;
    assert_eq!(world.sending(), serde_json::json!(["yard/attic", "yard/roof"]));
    world.freshet(&["devices", "retire", "roof", "--undo"]);
    assert_eq!(world.sending(), serde_json::json!(["yard/attic"]));
    world.execute("update device set last_seen_at = now() - interval '1 minute'").await;
    world.freshet(&["devices", "retire", "attic"]);
    assert_eq!(world.sending(), serde_json::json!([]));
}
