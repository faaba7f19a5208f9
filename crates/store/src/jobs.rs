//! Jobs and their slots. A slot is made once, worked on by one process at a time, slice by slice, and finished once: what a slice does is
//! committed with how far it came, under the lease by which it was claimed.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::{Client, StoreError, Transaction};

/// Slices that may fail, or processes that may end without a word, before a slot is given up.
pub const MAX_ATTEMPTS: i32 = 5;
/// The wait after the first failure; it doubles.
const RETRY: SignedDuration = SignedDuration::from_mins(1);
/// As much of an error's text as is kept, in bytes.
const MAX_ERROR: usize = 1000;

/// What [`job`] reads.
const JOBS: &str = "
    select name, schedule, zone, known_since, paused_at,
           (select max(slot) from job_slot where job = name and not requested)
    from job";

/// A job of the pipeline file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduled<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its cron pattern.
    pub schedule: &'a str,
    /// The zone by whose clock it is read.
    pub zone: &'a str,
}

/// A job as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Its cron pattern.
    pub schedule: String,
    /// The zone by whose clock it is read.
    pub zone: String,
    /// Since when slots are made.
    pub known_since: Timestamp,
    /// Since when a person has it paused.
    pub paused_at: Option<Timestamp>,
    /// The newest slot of its schedule.
    pub newest: Option<Timestamp>,
}

/// A slot under a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The job.
    pub job: String,
    /// The slot.
    pub slot: Timestamp,
    /// How far it is; none before its first slice.
    pub cursor: Option<Value>,
    /// What failed of it so far.
    pub attempts: i32,
    lease: Uuid,
}

/// A slot as people see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slot {
    /// The slot.
    pub slot: Timestamp,
    /// Whether a person asked for it.
    pub requested: bool,
    /// `open`, `done` or `failed`.
    pub state: String,
    /// What failed of it so far.
    pub attempts: i32,
    /// Why, the last time.
    pub error: Option<String>,
    /// When its first slice began.
    pub started_at: Option<Timestamp>,
    /// When it was done, or given up.
    pub finished_at: Option<Timestamp>,
    /// What it came to.
    pub result: Option<Value>,
}

/// The jobs of the pipeline file with this hash, as they stand at `now`. One that is new, or whose schedule has changed, is known from
/// then on. None where the file is not the active one: its jobs are another process's.
///
/// # Errors
/// Those of the database.
pub async fn known(
    client: &impl GenericClient,
    (pipeline, now): (&str, Timestamp),
    jobs: &[Scheduled<'_>],
) -> Result<Vec<Job>, Error> {
    let sql = "
        insert into job (name, schedule, zone, known_since)
        select name, schedule, zone, $4 from unnest($1::text[], $2::text[], $3::text[]) as j (name, schedule, zone)
        where exists (select from active_pipeline where hash = $5)
        on conflict (name) do update
        set schedule = excluded.schedule, zone = excluded.zone, known_since = excluded.known_since
        where (job.schedule, job.zone) <> (excluded.schedule, excluded.zone)";
    let column = |of: fn(&Scheduled<'_>) -> String| jobs.iter().map(of).collect::<Vec<String>>();
    let names = column(|job| job.name.to_owned());
    let (schedules, zones) = (column(|job| job.schedule.to_owned()), column(|job| job.zone.to_owned()));
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&names, &schedules, &zones, &now, &pipeline]).await?;
    let sql = format!(
        "{JOBS} where name = any($1) and exists (select from active_pipeline where hash = $2) order by name"
    );
    let statement = client.prepare_cached(&sql).await?;
    client.query(&statement, &[&names, &pipeline]).await?.iter().map(job).collect()
}

/// Makes slots of a job; one that is there stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn make_slots(client: &impl GenericClient, job: &str, slots: &[Timestamp]) -> Result<(), Error> {
    let sql = "
        insert into job_slot (job, slot) select $1, slot from unnest($2::timestamptz[]) slot on conflict do nothing";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&job, &slots]).await.map(drop)
}

/// Those of `names` that have a slot which a process may claim at `now`.
///
/// # Errors
/// Those of the database.
pub async fn due(
    client: &impl GenericClient,
    names: &[String],
    now: Timestamp,
) -> Result<Vec<String>, Error> {
    let sql = "
        select name from job
        where name = any($1) and paused_at is null
          and exists (select from job_slot
                      where job = name and state = 'open' and coalesce(not_before, $2) <= $2 and coalesce(lease_until, $2) <= $2)
        order by name";
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, &[&names, &now]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Claims the oldest open slot of `job` until `until`; none where there is none, where another process has it, or where the job is paused.
/// A lease that ran out counts as an attempt: its process ended without a word.
///
/// # Errors
/// [`StoreError`]
pub async fn claim(
    client: &Client,
    job: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<Option<Claim>, StoreError> {
    let sql = "
        with oldest as (
            select s.job, s.slot from job_slot s
            where s.job = $1 and s.slot = (select min(slot) from job_slot where job = $1 and state = 'open')
              and s.state = 'open' and coalesce(s.not_before, $2) <= $2 and coalesce(s.lease_until, $2) <= $2
              and exists (select from job where name = $1 and paused_at is null)
            for update skip locked)
        update job_slot s
        set lease = $3, lease_until = $4, attempts = s.attempts + (s.lease is not null)::int, started_at = coalesce(s.started_at, $2)
        from oldest where s.job = oldest.job and s.slot = oldest.slot
        returning s.slot, s.cursor, s.attempts";
    let lease = Uuid::now_v7();
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_opt(&statement, &[&job, &now, &lease, &until]).await?;
    let claim = row.map(|row| {
        let (slot, cursor, attempts) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok::<_, Error>(Claim { job: job.to_owned(), slot, cursor, attempts, lease })
    });
    Ok(claim.transpose()?)
}

impl Claim {
    /// Whether the slot is still this process's; nobody else can claim it before the transaction ends. A statement of the transaction that
    /// takes longer than `limit` fails, and so does the transaction of a process that is stopped for longer.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn hold(&self, transaction: &Transaction<'_>, limit: Duration) -> Result<bool, StoreError> {
        let limit = limit.as_millis();
        let limits = format!(
            "set local statement_timeout = {limit}; set local idle_in_transaction_session_timeout = {limit}"
        );
        transaction.0.batch_execute(&limits).await?;
        let sql =
            "select from job_slot where job = $1 and slot = $2 and lease = $3 and state = 'open' for update";
        let rows = transaction.query(sql, &[&self.job, &self.slot, &self.lease]).await?;
        Ok(!rows.is_empty())
    }

    /// Notes how far the slot is, within the transaction that [holds](Self::hold) it, and that it is claimed until `until`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn advance(
        &mut self,
        transaction: &Transaction<'_>,
        (cursor, until): (Value, Timestamp),
    ) -> Result<(), StoreError> {
        let sql =
            "update job_slot set cursor = $4, lease_until = $5 where job = $1 and slot = $2 and lease = $3";
        transaction.execute(sql, &[&self.job, &self.slot, &self.lease, &cursor, &until]).await?;
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Notes how far the slot is, within the transaction that [holds](Self::hold) it, and gives it back; nobody claims it before `not_before`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn put_off(
        &self,
        transaction: &Transaction<'_>,
        (cursor, not_before): (Value, Timestamp),
    ) -> Result<(), StoreError> {
        let sql = "
            update job_slot set cursor = $4, not_before = $5, lease = null, lease_until = null
            where job = $1 and slot = $2 and lease = $3";
        transaction.execute(sql, &[&self.job, &self.slot, &self.lease, &cursor, &not_before]).await?;
        Ok(())
    }

    /// Notes that the slot is done and what it came to, within the transaction that [holds](Self::hold) it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish(
        &self,
        transaction: &Transaction<'_>,
        (result, now): (&Value, Timestamp),
    ) -> Result<(), StoreError> {
        let sql = "
            update job_slot set state = 'done', result = $4, finished_at = $5, lease = null, lease_until = null, error = null
            where job = $1 and slot = $2 and lease = $3";
        transaction.execute(sql, &[&self.job, &self.slot, &self.lease, &result, &now]).await?;
        Ok(())
    }

    /// Gives the slot back as it stands, for another process to go on.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn release(self, client: &Client) -> Result<(), StoreError> {
        let sql = "
            update job_slot set lease = null, lease_until = null where job = $1 and slot = $2 and lease = $3";
        client.execute(sql, &[&self.job, &self.slot, &self.lease]).await?;
        Ok(())
    }

    /// Notes why a slice failed. After [`MAX_ATTEMPTS`] the slot is given up; whether it is.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fail(self, client: &Client, (error, now): (&str, Timestamp)) -> Result<bool, StoreError> {
        let attempts = self.attempts + 1;
        let is_given_up = attempts >= MAX_ATTEMPTS;
        let wait = RETRY * (1 << self.attempts.clamp(0, MAX_ATTEMPTS));
        let not_before = now.checked_add(wait).unwrap_or(now);
        let error = &error[..error.floor_char_boundary(MAX_ERROR)];
        let sql = "
            update job_slot
            set attempts = $4, error = $5, not_before = $6, lease = null, lease_until = null,
                state = case when $7 then 'failed' else state end, finished_at = case when $7 then $8::timestamptz end
            where job = $1 and slot = $2 and lease = $3";
        let lease = &self.lease;
        client
            .execute(sql, &[&self.job, &self.slot, lease, &attempts, &error, &not_before, &is_given_up, &now])
            .await?;
        Ok(is_given_up)
    }
}

/// Whether a job has a later slot than this one that is to be worked on.
///
/// # Errors
/// [`StoreError`]
pub async fn is_overtaken(
    transaction: &Transaction<'_>,
    (job, slot): (&str, Timestamp),
) -> Result<bool, StoreError> {
    let sql = "select from job_slot where job = $1 and slot > $2 and state = 'open' limit 1";
    Ok(!transaction.query(sql, &[&job, &slot]).await?.is_empty())
}

/// Every job that was ever known.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Job>, Error> {
    let sql = format!("{JOBS} order by name");
    client.query(&sql, &[]).await?.iter().map(job).collect()
}

/// The newest slots of a job, at most so many, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn newest_slots(client: &impl GenericClient, job: &str, most: i64) -> Result<Vec<Slot>, Error> {
    let sql = "
        select slot, requested, state, attempts, error, started_at, finished_at, result
        from job_slot where job = $1 order by slot desc limit $2";
    client.query(sql, &[&job, &most]).await?.iter().map(slot).collect()
}

/// The jobs whose newest slot that is over has failed, each with the reason.
///
/// # Errors
/// Those of the database.
pub async fn failed(client: &impl GenericClient) -> Result<Vec<(String, String)>, Error> {
    let sql = "
        select s.job, coalesce(s.error, '') from job j
        join job_slot s on s.job = j.name and s.slot = (select max(slot) from job_slot where job = j.name and state <> 'open')
        where s.state = 'failed' order by s.job";
    client.query(sql, &[]).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Asks for a slot at `now` beside those of the schedule; whether there is such a job.
///
/// # Errors
/// Those of the database.
pub async fn request(client: &impl GenericClient, job: &str, now: Timestamp) -> Result<bool, Error> {
    let sql = "
        insert into job_slot (job, slot, requested) select name, $2, true from job where name = $1
        on conflict (job, slot) do update set requested = job_slot.requested";
    Ok(client.execute(sql, &[&job, &now]).await? > 0)
}

/// Pauses a job, or has it go on; it makes up for nothing of the time between. Whether there is such a job.
///
/// # Errors
/// Those of the database.
pub async fn pause(
    client: &impl GenericClient,
    job: &str,
    (paused, now): (bool, Timestamp),
) -> Result<bool, Error> {
    let sql = "
        update job
        set paused_at = case when $2 then coalesce(paused_at, $3) end,
            known_since = case when $2 or paused_at is null then known_since else $3 end
        where name = $1";
    Ok(client.execute(sql, &[&job, &paused, &now]).await? > 0)
}

fn job(row: &Row) -> Result<Job, Error> {
    Ok(Job {
        name: row.try_get(0)?,
        schedule: row.try_get(1)?,
        zone: row.try_get(2)?,
        known_since: row.try_get(3)?,
        paused_at: row.try_get(4)?,
        newest: row.try_get(5)?,
    })
}

fn slot(row: &Row) -> Result<Slot, Error> {
    Ok(Slot {
        slot: row.try_get(0)?,
        requested: row.try_get(1)?,
        state: row.try_get(2)?,
        attempts: row.try_get(3)?,
        error: row.try_get(4)?,
        started_at: row.try_get(5)?,
        finished_at: row.try_get(6)?,
        result: row.try_get(7)?,
    })
}
