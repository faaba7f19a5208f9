//! The sums: what the burst must have left in the database beside what it has left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Client, Error};

use super::fleet::{ExpectedTransition, Fate, Fleet};

/// One sum, planned and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is counted.
    pub what: String,
    /// What must be.
    pub planned: String,
    /// What is.
    pub found: String,
}

impl Entry {
    fn new(what: impl Into<String>, planned: &dyn ToString, found: &dyn ToString) -> Self {
        Self { what: what.into(), planned: planned.to_string(), found: found.to_string() }
    }

    /// Whether plan and database agree.
    pub fn agrees(&self) -> bool {
        self.planned == self.found
    }
}

/// Compares `fleet` with what was received since `since`.
///
/// # Errors
/// Where the database does not answer.
pub async fn compare(
    client: &Client,
    fleet: &Fleet,
    since: Timestamp,
    told: usize,
) -> Result<Vec<Entry>, Error> {
    let mut entries = readings(client, fleet, since).await?;
    entries.extend(payloads(client, fleet, since).await?);
    entries.extend(transitions(client, fleet, since).await?);
    entries.extend(notifications(client, since, told).await?);
    Ok(entries)
}

/// Count and sum of every series by source and metric. Sums are compared to nine digits: the order of adding differs.
async fn readings(client: &Client, fleet: &Fleet, since: Timestamp) -> Result<Vec<Entry>, Error> {
    let mut planned = BTreeMap::<(String, String), (i64, f64)>::new();
    for request in &fleet.requests {
        let (Fate::Stored(readings) | Fate::Partial(readings)) = &request.fate else { continue };
        for reading in readings {
            let sum = planned.entry((reading.source.to_owned(), reading.metric.to_owned())).or_default();
            sum.0 += 1;
            sum.1 += reading.value;
        }
    }
    let rows = client
        .query(
            "select source, metric, count(*), sum(value) from readings where received_at >= $1 and value is not null group by 1, 2",
            &[&since],
        )
        .await?;
    let mut found: BTreeMap<(String, String), (i64, f64)> =
        rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect();
    let text = |(count, sum): (i64, f64)| format!("{count} readings, sum {sum:.8e}");
    let mut entries: Vec<Entry> = planned
        .into_iter()
        .map(|(series, sum)| {
            let stored = found.remove(&series).unwrap_or_default();
            Entry::new(format!("stored: {} {}", series.0, series.1), &text(sum), &text(stored))
        })
        .collect();
    entries.extend(found.into_iter().map(|((source, metric), sum)| {
        Entry::new(format!("stored: {source} {metric}"), &text((0, 0.0)), &text(sum))
    }));
    Ok(entries)
}

/// Receipts by outcome, and open dead letters.
async fn payloads(client: &Client, fleet: &Fleet, since: Timestamp) -> Result<Vec<Entry>, Error> {
    let count =
        |wanted: fn(&Fate) -> bool| fleet.requests.iter().filter(|planned| wanted(&planned.fate)).count();
    let row = client
        .query_one(
            "select count(*) filter (where outcome = 'stored'), count(*) filter (where outcome = 'no_data'),
                    count(*) filter (where outcome = 'partial'), count(*) filter (where outcome = 'rejected'),
                    (select count(*) from dead_letter where resolved_at is null and first_at >= $1)
             from receipt where received_at >= $1",
            &[&since],
        )
        .await?;
    let found = |column: usize| row.get::<_, i64>(column);
    let partial = count(|fate| matches!(fate, Fate::Partial(_)));
    let rejected = count(|fate| matches!(fate, Fate::DeadLetter));
    Ok(vec![
        // A payload sent again is a payload of its own where its platform gives it no id; its readings are the same.
        Entry::new(
            "payloads stored",
            &count(|fate| matches!(fate, Fate::Stored(_) | Fate::AgainAsNew)),
            &found(0),
        ),
        Entry::new("payloads without readings", &count(|fate| matches!(fate, Fate::NoReadings)), &found(1)),
        Entry::new("payloads stored in part", &partial, &found(2)),
        Entry::new("payloads rejected", &rejected, &found(3)),
        Entry::new("dead letters", &(partial + rejected), &found(4)),
    ])
}

/// The transitions in force: each one planned, and whatever else was found.
async fn transitions(client: &Client, fleet: &Fleet, since: Timestamp) -> Result<Vec<Entry>, Error> {
    let rows = client
        .query(
            "select t.rule, d.name, t.kind, t.at from alert_transition t
             join stream s on s.id = t.stream_id join device d on d.id = s.device_id
             where t.retracted_by is null and t.kind <> 'retracted' and t.recorded_at >= $1",
            &[&since],
        )
        .await?;
    let mut found: BTreeMap<String, Timestamp> =
        rows.iter().map(|row| (what(row.get(0), row.get(1), row.get(2)), row.get(3))).collect();
    let mut entries: Vec<Entry> = fleet
        .transitions
        .iter()
        .map(|ExpectedTransition { rule, device, kind, at }| {
            let name = what(rule, device, kind);
            let happened = found.remove(&name);
            let text = |time: Option<Timestamp>| match (time, at) {
                (None, _) => "never".to_owned(),
                (Some(_), None) => "in due time".to_owned(),
                (Some(time), Some(_)) => time.to_string(),
            };
            let planned = at.map_or_else(|| "in due time".to_owned(), |at| at.to_string());
            Entry::new(name, &planned, &text(happened))
        })
        .collect();
    entries.extend(found.into_iter().map(|(name, at)| Entry::new(name, &"never", &at)));
    Ok(entries)
}

fn what(rule: &str, device: &str, kind: &str) -> String {
    format!("alert: {rule} {device} {kind}")
}

/// Every notification was told, and nobody was told what no row says.
async fn notifications(client: &Client, since: Timestamp, told: usize) -> Result<Vec<Entry>, Error> {
    let row = client
        .query_one(
            "select count(*) filter (where status in ('pending', 'failed')), count(*) filter (where status = 'delivered')
             from notification where created_at >= $1",
            &[&since],
        )
        .await?;
    Ok(vec![
        Entry::new("notifications not told", &0, &row.get::<_, i64>(0)),
        Entry::new("notifications told", &row.get::<_, i64>(1), &told),
    ])
}
