//! A database in which a fleet has been for a while.

use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::State;
use tokio_postgres::Client;

/// The newest history is this old, so that nothing of it is within the lateness of the burst.
const HISTORY_ENDS: &str = "interval '1 day'";

/// Fills an empty, migrated database with `size` devices of the source `fleet`, all of them watched, and what they have left
/// behind until a day before `now`: three moments each, a receipt, an alert that came and went and was delivered, and for every
/// fifth a dead letter that was sent back.
pub async fn fill(client: &Client, size: u32, pipeline: &Pipeline, now: Timestamp) {
    let hash =
        |rule: &str| pipeline.rules.iter().find(|one| one.name == rule).map(rules::Rule::hash).unwrap();
    let last_at = now.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    let state =
        State { last_at: Some(last_at), last_value: Some(20.0), measured: Some(20.0), ..State::default() };
    let values = [
        ("SIZE", size.to_string()),
        ("NOW", format!("'{now}'::timestamptz")),
        ("ENDED", format!("('{now}'::timestamptz - {HISTORY_ENDS})")),
        ("HOT", format!("'{}'", hash("TooHot"))),
        ("SILENT", format!("'{}'", hash("Silent"))),
        ("STATE", format!("'{}'::jsonb", serde_json::to_string(&state).unwrap())),
    ];
    let sql = values.iter().fold(include_str!("fill.sql").to_owned(), |sql, (name, value)| {
        sql.replace(&format!(":{name}:"), value)
    });
    client.batch_execute(&sql).await.unwrap();
    client.batch_execute("vacuum analyze").await.unwrap();
}
