//! An evaluation as the stage `alert` makes it, and what a dry run has said of it before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use evaluate::{Evaluator, Scope, WatchedRules};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline, Prewarm};
use store::{Database, DatabaseSettings};
use testkit::TestDatabase;

use crate::process::Run;

/// Evaluates all that is due, by this pipeline, which is in force.
pub(crate) async fn evaluate(database_url: &str, pipeline: &str) {
    let pipeline = Pipeline::parse(pipeline, "freshet.yaml").unwrap();
    let evaluator = Evaluator {
        database: Database::new(&DatabaseSettings::from_url(database_url).unwrap()),
        clock: Clock::system(),
        rules: WatchedRules::new(&pipeline.rules).unwrap(),
        pipeline,
        prewarm: Prewarm::default(),
    };
    let summary = evaluator.run(Scope::default(), Deadline::within(Duration::from_secs(30))).await.unwrap();
    assert!(!summary.more && summary.streams > 0, "{summary:?}");
}

/// The alerts that a dry run has printed as JSON, each a line.
pub(crate) fn foreseen(run: &Run) -> Vec<String> {
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |alert: &serde_json::Value| {
        let members = ["change", "rule", "device", "metric", "at"];
        members.map(|member| alert[member].as_str().unwrap().to_owned()).join(" ")
    };
    let mut lines: Vec<_> = printed["alerts"].as_array().unwrap().iter().map(text).collect();
    lines.sort();
    lines
}

/// The newest transition's row.
pub(crate) async fn newest(database: &TestDatabase) -> i64 {
    let sql = "select coalesce(max(id), 0) from alert_transition";
    database.connect().await.query_one(sql, &[]).await.unwrap().get(0)
}

/// The transitions recorded after that row, as [`foreseen`] has them.
pub(crate) async fn transitions(database: &TestDatabase, after: i64) -> Vec<String> {
    let sql = "
        select case t.kind when 'firing' then 'begins' when 'resolved' then 'ends'
                           else case u.kind when 'firing' then 'beginning_retracted' else 'end_retracted' end end,
               t.rule, d.name, m.name, t.at
        from alert_transition t join stream s on s.id = t.stream_id join device d on d.id = s.device_id
        join metric m on m.stream_id = t.stream_id and m.position = t.position
        left join alert_transition u on u.id = t.retracts where t.id > $1";
    let rows = database.connect().await.query(sql, &[&after]).await.unwrap();
    let mut lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |column: usize| row.get::<_, String>(column);
            [text(0), text(1), text(2), text(3), row.get::<_, Timestamp>(4).to_string()].join(" ")
        })
        .collect();
    lines.sort();
    lines
}
