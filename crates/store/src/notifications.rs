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
//! ```

mod model;
mod rows;
mod statements;

use event_model::ids;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Error, GenericClient, Transaction};
use uuid::Uuid;

pub use model::{
    Fate, FiringRow, Lease, NotificationGroup, Queued, RetractedNotification, Settled, Transition,
};

/// The class of this queue's advisory locks; the other half of a lock is a hash of the group.
const LOCK_CLASS: i32 = 3;

/// How long a notification is tried from the time that it is queued.
pub const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The id of the notification of `transition` on `receiver`; the same in every process.
pub fn id_of(transition: i64, receiver: &str) -> Uuid {
    ids::derive("notification", &[&transition.to_string(), receiver])
}

/// Takes up to `limit` groups that have something due at `now` and are under no lease, oldest first.
///
/// # Errors
/// Whatever PostgreSQL says; then nothing is taken.
pub async fn take(
    client: &mut Client,
    now: Timestamp,
    lease: Lease,
    limit: u32,
) -> Result<Vec<NotificationGroup>, Error> {
    let transaction = client.transaction().await?;
    let due = transaction.query(statements::DUE, &[&now, &i64::from(limit), &LOCK_CLASS]).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, receivers): (Vec<_>, Vec<_>) =
        due.iter().map(|row| (row.get::<_, &str>(0), row.get::<_, &str>(1))).unzip();
    let rows = transaction.query(statements::OPEN_ROWS, &[&keys, &receivers, &now]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect();
    transaction.execute(statements::LEASE_ROWS, &[&ids, &lease.id, &lease.until]).await?;
    let groups = rows::groups(&rows)?;
    transaction.commit().await?;
    Ok(groups)
}

/// How many notifications are due at `now`, leased ones included.
///
/// # Errors
/// Whatever PostgreSQL says.
pub async fn due(client: &impl GenericClient, now: Timestamp) -> Result<u32, Error> {
    let statement = "select count(*) from notification where status in ('pending', 'repeating') and next_attempt_at <= $1";
    let count: i64 = client.query_one(statement, &[&now]).await?.get(0);
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
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
        Fate::Repeating { next } => {
            let give_up = give_up_at(now);
            transaction.execute(statements::REPEATING, &[id, &lease, &now, next, &give_up]).await
        }
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
