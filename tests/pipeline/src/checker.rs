//! Reads the database with SQL of its own and says what does not hold.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Error};

use crate::traffic::Payload;

/// What `ingest` answered to a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A 2xx: it must be stored.
    Accepted,
    /// No answer, or 503: it may be stored.
    Unknown,
}

/// A payload and its answer.
pub type Sent = (Payload, Answer);

/// A key of one value: device, metric, microseconds since 1970.
type Key = (String, String, i64);

/// Everything that does not hold; empty where all is well.
///
/// # Errors
/// Where the database does not answer.
pub async fn violations(client: &Client, sent: &[Sent]) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    readings(client, sent, &mut found).await?;
    dead_letters(client, sent, &mut found).await?;
    notifications(client, &mut found).await?;
    Ok(found)
}

/// Invariants 1 and 3.
async fn readings(client: &Client, sent: &[Sent], found: &mut Vec<String>) -> Result<(), Error> {
    let rows = client
        .query(
            "select d.name, m.name, (extract(epoch from r.observed_at) * 1000000)::bigint, r.\"values\"[m.position + 1]
             from moment r join stream s on s.id = r.stream_id join device d on d.id = s.device_id
             join metric m on m.stream_id = s.id where r.\"values\"[m.position + 1] is not null",
            &[],
        )
        .await?;
    let mut stored: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
    for row in rows {
        stored.entry((row.get(0), row.get(1), row.get(2))).or_default().push(row.get(3));
    }
    for (payload, answer) in sent {
        for item in &payload.items {
            let temperature = item.temperature.map(|value| ("temperature", value));
            for (metric, value) in temperature.into_iter().chain([("relative_humidity", item.humidity)]) {
                let key = (item.device.clone(), metric.to_owned(), item.time);
                match (stored.remove(&key).as_deref(), answer) {
                    (Some([one]), _) if one.to_bits() == value.to_bits() => {}
                    (None, Answer::Unknown) => {}
                    (values, _) => {
                        found.push(format!("{} {key:?}: sent {value}, stored {values:?}", payload.mark));
                    }
                }
            }
        }
    }
    found.extend(stored.into_iter().map(|(key, values)| format!("{key:?}: nobody sent {values:?}")));
    Ok(())
}

/// Invariants 2 and 4.
async fn dead_letters(client: &Client, sent: &[Sent], found: &mut Vec<String>) -> Result<(), Error> {
    for (payload, answer) in sent {
        let row = client
            .query_one(
                "select count(*), coalesce(sum(jsonb_array_length(problems)), 0)::bigint,
                        coalesce(bool_and(reason <> ''), true)
                 from dead_letter where cause = 'rejected' and position($1::bytea in data) > 0",
                &[&format!("\"{}\"", payload.mark).into_bytes()],
            )
            .await?;
        let (dead_letters, problems, reasoned): (i64, i64, bool) = (row.get(0), row.get(1), row.get(2));
        let broken = payload.broken_items() as i64;
        let wanted = (i64::from(broken > 0), broken);
        let absent_is_fine = *answer == Answer::Unknown && dead_letters == 0;
        if !(absent_is_fine || (dead_letters, problems) == wanted && reasoned) {
            found.push(format!(
                "{}: {wanted:?} dead letters and problems wanted, {dead_letters} and {problems} found",
                payload.mark
            ));
        }
    }
    let left = client
        .query(
            "select event_type, reason from dead_letter where cause <> 'rejected' and resolved_at is null",
            &[],
        )
        .await?;
    found.extend(left.iter().map(|row| {
        format!(
            "a dead letter that was only unavailable is left: {} {}",
            row.get::<_, &str>(0),
            row.get::<_, &str>(1)
        )
    }));
    Ok(())
}

/// Invariant 5, as far as rows tell it.
async fn notifications(client: &Client, found: &mut Vec<String>) -> Result<(), Error> {
    let doubled = client
        .query(
            "select transition_id, receiver, count(*) from notification group by 1, 2 having count(*) > 1",
            &[],
        )
        .await?;
    found.extend(doubled.iter().map(|row| {
        format!(
            "transition {} has {} notifications on one receiver",
            row.get::<_, i64>(0),
            row.get::<_, i64>(2)
        )
    }));
    let unsent = client
        .query("select alert_key, status from notification where status not in ('delivered', 'repeating', 'superseded')", &[])
        .await?;
    found.extend(unsent.iter().map(|row| format!("{} is {}", row.get::<_, &str>(0), row.get::<_, &str>(1))));
    Ok(())
}
