//! Runs of the canary, and how far its payloads came.

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, Row};

use crate::{StoreError, Transaction};

/// How long runs are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long the last run says how the canary stands.
const STANDS: SignedDuration = SignedDuration::from_hours(48);
/// As much of a failure's text as is kept, in bytes.
const MAX_FAILURE: usize = 500;

/// What finds the rows of a canary's payload.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The source.
    pub source: &'a str,
    /// The device.
    pub device: &'a str,
    /// The metric that it measures.
    pub metric: &'a str,
    /// The rule that watches it.
    pub rule: &'a str,
    /// The time of its first reading.
    pub at: Timestamp,
}

/// When a payload was where, each by the clock of who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phases {
    /// Its transaction began.
    pub stored_at: Option<Timestamp>,
    /// Its alert was recorded.
    pub recorded_at: Option<Timestamp>,
    /// The notification of its alert was delivered.
    pub delivered_at: Option<Timestamp>,
}

/// How far a payload came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// When it was where.
    pub phases: Phases,
    /// Whether its rows are there.
    pub is_stored: bool,
    /// Why it came no further: what its dead letter says, or its notification that was given up.
    pub failure: Option<String>,
}

impl Progress {
    /// Where a payload is stuck that was accepted, and did not come all the way in time.
    pub fn stuck(&self) -> String {
        let place = match self.phases.recorded_at {
            Some(_) => "its alert was recorded, and its notification not delivered in time",
            None if self.is_stored => "it was stored, and its alert not recorded in time",
            None if self.failure.is_some() => "it was accepted, and became a dead letter",
            None => "it was accepted, and not stored in time",
        };
        match &self.failure {
            Some(failure) => format!("{place}: {failure}"),
            None => place.to_owned(),
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The slot of its job.
    pub slot: Timestamp,
    /// When its payload was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was answered with success.
    pub accepted_at: Option<Timestamp>,
    /// What came then.
    #[serde(flatten)]
    pub phases: Phases,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Why it did not come all the way.
    pub failure: Option<String>,
    /// Why nobody outside was told of it.
    pub ping_failure: Option<String>,
}

/// How the canary stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The newest run that is over.
    pub newest: Run,
    /// The newest that came all the way.
    pub passed: Option<Run>,
    /// How many did not since then, at most a hundred.
    pub failed: i64,
}

const RUN: &str =
    "slot, sent_at, accepted_at, stored_at, recorded_at, delivered_at, finished_at, failure, ping_failure";

/// How far a payload came.
///
/// # Errors
/// Those of the database.
pub async fn progress(client: &impl GenericClient, payload: Payload<'_>) -> Result<Progress, Error> {
    let Payload { source, device, metric, rule, at } = payload;
    // The two readings lie a thousandth of a second apart.
    let sql = "
        select (select r.stored_at from receipt r where r.received_at = m.received_at and r.id = m.receipt_id),
               a.recorded_at, a.delivered_at, a.given_up
        from device d
        join stream s on s.device_id = d.id and s.channel = ''
        join metric n on n.stream_id = s.id and n.name = $5
        join moment m on m.stream_id = s.id and m.observed_at = $4
        cross join lateral (
            select min(t.recorded_at) filter (where t.kind = 'firing') as recorded_at, min(o.delivered_at) as delivered_at,
                   max(coalesce(o.last_error, '')) filter (where o.status = 'failed') as given_up
            from alert_transition t left join notification o on o.transition_id = t.id
            where t.stream_id = s.id and t.rule = $3 and t.position = n.position
              and t.at between $4 and $4::timestamptz + interval '1 ms') a
        where d.source = $1 and d.name = $2";
    if let Some(row) = client.query_opt(sql, &[&source, &device, &rule, &at, &metric]).await? {
        let phases = Phases {
            stored_at: row.try_get(0)?,
            recorded_at: row.try_get(1)?,
            delivered_at: row.try_get(2)?,
        };
        return Ok(Progress { phases, is_stored: true, failure: row.try_get(3)? });
    }
    let sql = "
        select reason from dead_letter
        where source = '/sources/' || $1 and last_at >= $2 and resolved_at is null order by last_at desc limit 1";
    let letter = client.query_opt(sql, &[&source, &at]).await?;
    let failure = letter.map(|row| row.try_get(0)).transpose()?;
    Ok(Progress { failure, ..Progress::default() })
}

/// The same within a transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn progress_in(
    transaction: &Transaction<'_>,
    payload: Payload<'_>,
) -> Result<Progress, StoreError> {
    Ok(progress(&transaction.0, payload).await?)
}

/// Begins the run of a slot, whose readings are of `at`; forgets those that are old, and ends those whose slots were given up.
///
/// # Errors
/// [`StoreError`]
pub async fn begin(transaction: &Transaction<'_>, slot: Timestamp, at: Timestamp) -> Result<(), StoreError> {
    let kept_from = slot.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    transaction.execute("delete from canary_run where slot < $1", &[&kept_from]).await?;
    let given_up = "update canary_run set finished_at = $2, failure = 'its slot was given up' where slot < $1 and finished_at is null";
    transaction.execute(given_up, &[&slot, &at]).await?;
    let sql =
        "insert into canary_run (slot, at) values ($1, $2) on conflict (slot) do update set at = excluded.at";
    transaction.execute(sql, &[&slot, &at]).await?;
    Ok(())
}

/// Notes when the payload of a run was sent, and when it was accepted.
///
/// # Errors
/// [`StoreError`]
pub async fn sent(
    transaction: &Transaction<'_>,
    slot: Timestamp,
    (sent_at, accepted_at): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    let sql = "update canary_run set sent_at = $2, accepted_at = $3 where slot = $1";
    transaction.execute(sql, &[&slot, &sent_at, &accepted_at]).await?;
    Ok(())
}

/// Notes that a run is over, and why it did not come all the way, where it did not.
///
/// # Errors
/// [`StoreError`]
pub async fn finish(
    transaction: &Transaction<'_>,
    slot: Timestamp,
    (phases, failure): (Phases, Option<&str>),
    now: Timestamp,
) -> Result<(), StoreError> {
    let failure = failure.map(|text| &text[..text.floor_char_boundary(MAX_FAILURE)]);
    let sql = "
        update canary_run set stored_at = $2, recorded_at = $3, delivered_at = $4, failure = $5, finished_at = $6 where slot = $1";
    let Phases { stored_at, recorded_at, delivered_at } = phases;
    transaction.execute(sql, &[&slot, &stored_at, &recorded_at, &delivered_at, &failure, &now]).await?;
    Ok(())
}

/// Notes that somebody outside was told how a run went, or why not.
///
/// # Errors
/// [`StoreError`]
pub async fn pinged(
    transaction: &Transaction<'_>,
    slot: Timestamp,
    (failure, now): (Option<&str>, Timestamp),
) -> Result<(), StoreError> {
    let failure = failure.map(|text| &text[..text.floor_char_boundary(MAX_FAILURE)]);
    let sql = "
        update canary_run set ping_failure = $2, pinged_at = case when $2::text is null then $3::timestamptz end where slot = $1";
    transaction.execute(sql, &[&slot, &failure, &now]).await?;
    Ok(())
}

/// How the canary stands; `None` where no run was over within two days: it may be sent no more.
///
/// # Errors
/// Those of the database.
pub async fn standing(client: &impl GenericClient, now: Timestamp) -> Result<Option<Standing>, Error> {
    let newest = format!("select {RUN} from canary_run where finished_at > $1 order by slot desc limit 1");
    let since = now.checked_sub(STANDS).unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(newest) = client.query_opt(&newest, &[&since]).await?.map(|row| run(&row)).transpose()? else {
        return Ok(None);
    };
    let passed = format!(
        "select {RUN} from canary_run where finished_at is not null and failure is null order by slot desc limit 1"
    );
    let passed = client.query_opt(&passed, &[]).await?.map(|row| run(&row)).transpose()?;
    let since = passed.as_ref().map_or(Timestamp::UNIX_EPOCH, |run| run.slot);
    let sql = "
        select count(*) from (
            select from canary_run where slot > $1 and finished_at is not null limit 100) failed";
    let failed = client.query_one(sql, &[&since]).await?.try_get(0)?;
    Ok(Some(Standing { newest, passed, failed }))
}

fn run(row: &Row) -> Result<Run, Error> {
    Ok(Run {
        slot: row.try_get(0)?,
        sent_at: row.try_get(1)?,
        accepted_at: row.try_get(2)?,
        phases: Phases {
            stored_at: row.try_get(3)?,
            recorded_at: row.try_get(4)?,
            delivered_at: row.try_get(5)?,
        },
        finished_at: row.try_get(6)?,
        failure: row.try_get(7)?,
        ping_failure: row.try_get(8)?,
    })
}
