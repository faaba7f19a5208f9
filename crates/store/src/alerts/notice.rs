use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::{execute, query};
use crate::notifications::{GIVE_UP_AFTER, id_of};

/// A notification to be queued; what is told of it, and whether anything, is decided where it is delivered.
#[derive(Debug, Clone, Copy)]
pub struct NewNotification<'a> {
    /// What it tells.
    pub transition: i64,
    /// Where it goes.
    pub receiver: &'a str,
    /// The alert that it belongs to: what orders it among others of the same receiver.
    pub alert_key: &'a str,
    /// The receiver is the fallback, from which nothing falls further.
    pub is_fallback: bool,
    /// Now.
    pub at: Timestamp,
}

/// Queues a notification, once for each transition and receiver; says whether it was not there yet.
///
/// # Errors
/// Those of the database.
pub async fn queue_notification(
    transaction: &impl GenericClient,
    new: NewNotification<'_>,
) -> Result<bool, Error> {
    let id = id_of(new.transition, new.receiver);
    let give_up_at = new.at.checked_add(GIVE_UP_AFTER).unwrap_or(new.at);
    let sql = "
        insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at,
                                  is_fallback, created_at)
        values ($1, $2, $3, $4, 'pending', $5, $6, $7, $5)
        on conflict (transition_id, receiver) do nothing";
    let NewNotification { transition: of, receiver, alert_key, is_fallback, at } = new;
    let queued =
        execute(transaction, sql, &[&id, &of, &receiver, &alert_key, &at, &give_up_at, &is_fallback]).await?;
    Ok(queued == 1)
}

/// The receivers that a transition was queued for, and for each whether it was the fallback.
///
/// # Errors
/// Those of the database.
pub async fn receivers_of(
    transaction: &impl GenericClient,
    transition: i64,
) -> Result<Vec<(String, bool)>, Error> {
    let sql = "select receiver, is_fallback from notification where transition_id = $1 order by receiver";
    let rows = query(transaction, sql, &[&transition]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
