//! Compares what a receiver of webhooks was sent with the rows of notifications.

use std::collections::{BTreeMap, BTreeSet};

use testkit::Received;
use tokio_postgres::{Client, Error};

/// Everything that does not hold; empty where all is well:
///
/// 1. each message carries the id of one notification, in every attempt;
/// 2. what the rows call delivered was received;
/// 3. messages about one alert came in the order of their transitions: "firing" never after its "resolved".
///
/// # Errors
/// Where the database does not answer.
pub async fn violations(client: &Client, received: &[Received]) -> Result<Vec<String>, Error> {
    let rows =
        client.query("select id::text, alert_key, transition_id, status from notification", &[]).await?;
    let notifications: BTreeMap<&str, (&str, i64)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let mut found = Vec::new();
    let mut sent = BTreeSet::new();
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    for message in received {
        let id = message.header("webhook-id").unwrap_or_default();
        let Some((alert, transition)) = notifications.get(id) else {
            found.push(format!("a message has the id {id:?}, which no notification has"));
            continue;
        };
        sent.insert(id);
        let last = newest.entry(alert).or_insert(*transition);
        if transition < last {
            found.push(format!("{alert}: transition {transition} was sent after {last}"));
        }
        *last = *transition.max(last);
    }
    let unsent = rows
        .iter()
        .filter(|row| row.get::<_, &str>(3) == "delivered" && !sent.contains(row.get::<_, &str>(0)));
    found.extend(
        unsent.map(|row| format!("{} counts as delivered, and nothing was sent", row.get::<_, &str>(0))),
    );
    Ok(found)
}
