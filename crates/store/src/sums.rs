//! What was stored since a time, in sums: a demo or a test compares them with what it sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::{Client, Error};

/// The sums.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// Count and sum of the numeric readings by source and metric.
    pub readings: BTreeMap<(String, String), (i64, f64)>,
    /// Payloads by outcome.
    pub receipts: BTreeMap<String, i64>,
    /// Dead letters that are open.
    pub dead_letters: i64,
    /// The transitions in force.
    pub transitions: Vec<TransitionInForce>,
    /// Notifications that are not delivered and not given up.
    pub undelivered: i64,
    /// Notifications that were delivered.
    pub delivered: i64,
}

/// A transition that no later one retracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionInForce {
    /// The rule.
    pub rule: String,
    /// The device.
    pub device: String,
    /// `firing` or `resolved`.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
}

/// The sums of what was received and recorded since `since`.
///
/// # Errors
/// Those of the database.
pub async fn since(client: &Client, since: Timestamp) -> Result<Sums, Error> {
    let readings = "
        select source, metric, count(*), sum(value) from readings
        where received_at >= $1 and value is not null group by 1, 2";
    let receipts = "
        select of_records.outcome, sum(of_records.n::bigint)::bigint
        from receipt
        cross join lateral jsonb_each_text(coalesce(record_outcomes, jsonb_build_object(receipt.outcome, 1)))
                           as of_records (outcome, n)
        where received_at >= $1 group by 1";
    let transitions = "
        select t.rule, d.name, t.kind, t.at from alert_transition t
        join stream s on s.id = t.stream_id join device d on d.id = s.device_id
        where t.retracted_by is null and t.kind <> 'retracted' and t.recorded_at >= $1";
    let others = "
        select (select count(*) from dead_letter where resolved_at is null and first_at >= $1),
               count(*) filter (where status in ('pending', 'failed')),
               count(*) filter (where status = 'delivered')
        from notification where created_at >= $1";
    let mut sums = Sums::default();
    for row in client.query(readings, &[&since]).await? {
        sums.readings.insert((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?));
    }
    for row in client.query(receipts, &[&since]).await? {
        sums.receipts.insert(row.try_get(0)?, row.try_get(1)?);
    }
    for row in client.query(transitions, &[&since]).await? {
        sums.transitions.push(TransitionInForce {
            rule: row.try_get(0)?,
            device: row.try_get(1)?,
            kind: row.try_get(2)?,
            at: row.try_get(3)?,
        });
    }
    let row = client.query_one(others, &[&since]).await?;
    Ok(Sums {
        dead_letters: row.try_get(0)?,
        undelivered: row.try_get(1)?,
        delivered: row.try_get(2)?,
        ..sums
    })
}
