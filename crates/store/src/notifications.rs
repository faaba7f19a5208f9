//! The queue of notifications: rows under a lease.
//!
//! One alert on one receiver is a *notification group*. It is taken whole or not at all, by one process at a time, so that
//! its messages go in the order of their transitions:
//!
//! ```text
//! pending ──take──> leased ──record──> delivered │ superseded │ failed
//!    ^                 │
//!    └──── retry, or the lease ran out (the process died: the message may have gone out)
//! repeating: delivered to a receiver that needs repeats; due again on every tick until a later transition is delivered
//! summarized: beyond what the receiver is sent within an hour, and counted in another one's message
//! ```
//!
//! What is not delivered by `fallback_at` is queued for the fallback too, and tried on.

mod budget;
mod model;
mod rows;
mod statements;

use event_model::ids;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Error, GenericClient, Transaction};
use uuid::Uuid;

use budget::Budget;
pub use model::{
    Beginning, Due, Fate, FiringRow, Lease, NotificationGroup, Queued, RetractedNotification, Settled,
    Transition,
};

/// The class of this queue's advisory locks; the other half of a lock is a hash of the group.
const LOCK_CLASS: i32 = 3;

/// How long a notification is tried from the time that it is queued.
pub const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The id of the notification of `transition` on `receiver`; the same in every process.
pub fn id_of(transition: i64, receiver: &str) -> Uuid {
    ids::derive("notification", &[&transition.to_string(), receiver])
}

/// When each receiver with open notifications has something to be done, the earliest first. What is under a lease at `now`
/// is left out.
///
/// # Errors
/// Whatever PostgreSQL says.
pub async fn schedule(client: &impl GenericClient, now: Timestamp) -> Result<Vec<Due>, Error> {
    let rows = client.query(statements::SCHEDULE, &[&now]).await?;
    rows.iter().map(|row| Ok(Due { receiver: row.try_get(0)?, at: row.try_get(1)? })).collect()
}

/// Takes up to `limit` groups of `receiver` that have something due at `now` and are under no lease, the worst first.
///
/// # Errors
/// Whatever PostgreSQL says; then nothing is taken.
pub async fn take(
    client: &mut Client,
    receiver: &str,
    now: Timestamp,
    lease: Lease,
    limit: u32,
) -> Result<Vec<NotificationGroup>, Error> {
    let transaction = client.transaction().await?;
    let blocked = "select from receiver_budget where receiver = $1 and blocked_until > $2";
    let is_blocked = transaction.query_opt(blocked, &[&receiver, &now]).await?.is_some();
    let limit = i64::from(limit);
    let due =
        transaction.query(statements::DUE, &[&now, &limit, &LOCK_CLASS, &receiver, &is_blocked]).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, receivers): (Vec<_>, Vec<_>) =
        due.iter().map(|row| (row.get::<_, &str>(0), row.get::<_, &str>(1))).unzip();
    let rows = transaction.query(statements::OPEN_ROWS, &[&keys, &receivers, &now]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect();
    transaction.execute(statements::LEASE_ROWS, &[&ids, &lease.id, &lease.until]).await?;
    let groups = rows::groups(&rows, now, is_blocked)?;
    transaction.commit().await?;
    Ok(groups)
}

/// How many notifications are due at `now`, leased ones included.
///
/// # Errors
/// Whatever PostgreSQL says.
pub async fn due(client: &impl GenericClient, now: Timestamp) -> Result<u32, Error> {
    let statement = "
        select count(*) from notification
        where status in ('pending', 'repeating') and least(next_attempt_at, fallback_at) <= $1";
    let count: i64 = client.query_one(statement, &[&now]).await?.get(0);
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Says how many of `beginnings`, the first of them, `receiver` may still be sent within its hour. The others, which are
/// under `lease`, are counted in a message about many: in that which waits already, else in one of their own, soon or, where
/// the hour has had one, at its end.
///
/// # Errors
/// Whatever PostgreSQL says; then nothing is counted.
pub async fn admit(
    client: &mut Client,
    (receiver, max_per_hour): (&str, u32),
    now: Timestamp,
    lease: Lease,
    beginnings: &[Beginning],
) -> Result<usize, Error> {
    let transaction = client.transaction().await?;
    transaction.execute(statements::BEGIN_BUDGET, &[&receiver, &now]).await?;
    let row = transaction.query_one(statements::BUDGET, &[&receiver]).await?;
    let begun: i32 = row.try_get("begun")?;
    let stored: Option<Timestamp> = row.try_get("summarized_at")?;
    let budget = Budget::at(now, row.try_get("window_from").ok(), begun, stored);
    let admitted = budget.room(max_per_hour).min(beginnings.len());
    let (_, beyond) = beginnings.split_at(admitted);
    let summarized_at = if beyond.is_empty() {
        stored
    } else {
        summarize(&transaction, receiver, now, lease, &budget, beyond).await?
    };
    let begun = budget.begun.saturating_add(i32::try_from(admitted).unwrap_or(i32::MAX));
    transaction.execute(statements::SPEND, &[&receiver, &budget.from, &begun, &summarized_at]).await?;
    transaction.commit().await?;
    Ok(admitted)
}

/// Gives when the last summary was begun.
async fn summarize(
    transaction: &Transaction<'_>,
    receiver: &str,
    now: Timestamp,
    lease: Lease,
    budget: &Budget,
    beyond: &[Beginning],
) -> Result<Option<Timestamp>, Error> {
    let open = transaction.query_opt(statements::OPEN_SUMMARY, &[&receiver]).await?;
    let (summary, begun_at) = match open {
        Some(row) => (row.get::<_, Uuid>(0), budget.summarized_at),
        None => {
            let summary = beyond[0].main;
            transaction
                .execute(statements::BEGIN_SUMMARY, &[&summary, &lease.id, &budget.summary_due(now)])
                .await?;
            (summary, Some(now))
        }
    };
    let many = i32::try_from(beyond.len()).unwrap_or(i32::MAX);
    transaction.execute(statements::ADD_TO_SUMMARY, &[&summary, &many]).await?;
    let ids = beyond.iter().flat_map(|one| one.merged.iter().chain([&one.main])).filter(|id| **id != summary);
    let ids: Vec<_> = ids.copied().collect();
    transaction.execute(statements::SUMMARIZED, &[&ids, &lease.id]).await?;
    Ok(begun_at)
}

/// Leaves `receiver` alone until then: nothing is tried, though its fallback may be notified of what waits.
///
/// # Errors
/// Whatever PostgreSQL says.
pub async fn block(client: &impl GenericClient, receiver: &str, until: Timestamp) -> Result<(), Error> {
    client.execute(statements::BLOCK, &[&receiver, &until]).await?;
    Ok(())
}

/// Records what became of notifications, in one transaction. A row whose lease was lost meanwhile is left alone.
///
/// Returns how many were recorded.
///
/// # Errors
/// Whatever PostgreSQL says; then nothing is recorded.
pub async fn record(
    client: &mut Client,
    now: Timestamp,
    lease: Lease,
    settled: &[Settled],
) -> Result<u64, Error> {
    let transaction = client.transaction().await?;
    let mut recorded = 0;
    for one in settled {
        let touched = record_one(&transaction, now, lease, one).await?;
        if touched == 1 {
            queue_fallback(&transaction, now, one).await?;
        }
        recorded += touched;
    }
    transaction.commit().await?;
    Ok(recorded)
}

/// Gives a group back. Where `wait_until` is set, what is still open waits for that time.
///
/// # Errors
/// Whatever PostgreSQL says; then the lease runs out by itself.
pub async fn release(
    client: &impl GenericClient,
    lease: Lease,
    group: &NotificationGroup,
    wait_until: Option<Timestamp>,
) -> Result<(), Error> {
    let NotificationGroup { alert_key, receiver, .. } = group;
    client.execute(statements::RELEASE, &[alert_key, receiver, &lease.id, &wait_until]).await?;
    Ok(())
}

async fn record_one(
    transaction: &Transaction<'_>,
    now: Timestamp,
    lease: Lease,
    Settled { id, fate, .. }: &Settled,
) -> Result<u64, Error> {
    let lease = lease.id;
    match fate {
        Fate::Delivered => transaction.execute(statements::DELIVERED, &[id, &lease, &now]).await,
        Fate::Repeating { next, fallback_at } => {
            let give_up = give_up_at(now);
            transaction.execute(statements::REPEATING, &[id, &lease, &now, next, &give_up, fallback_at]).await
        }
        Fate::FellBack => transaction.execute(statements::FELL_BACK, &[id, &lease]).await,
        Fate::Ended => transaction.execute(statements::ENDED, &[id, &lease]).await,
        Fate::Superseded => transaction.execute(statements::SUPERSEDED, &[id, &lease]).await,
        Fate::Retry { next, error } => {
            transaction.execute(statements::RETRY, &[id, &lease, next, error]).await
        }
        Fate::Failed { error } => transaction.execute(statements::FAILED, &[id, &lease, error]).await,
    }
}

async fn queue_fallback(
    transaction: &Transaction<'_>,
    now: Timestamp,
    settled: &Settled,
) -> Result<(), Error> {
    for receiver in &settled.fallback {
        let id = id_of(settled.transition, receiver);
        let give_up = give_up_at(now);
        transaction
            .execute(statements::QUEUE_FALLBACK, &[&settled.id, &id, receiver, &now, &give_up])
            .await?;
    }
    Ok(())
}

fn give_up_at(now: Timestamp) -> Timestamp {
    now.checked_add(GIVE_UP_AFTER).unwrap_or(now)
}
