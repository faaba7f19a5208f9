use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use crate::notifications::{GIVE_UP_AFTER, id_of};
use crate::{StoreError, Transaction};

/// A receiver of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The receiver's name in the pipeline file.
    pub receiver: String,
    /// It gets the notification as the fallback, from which nothing falls further.
    pub is_fallback: bool,
}

/// A notification to be queued; what its message says, and whether there is one, is decided where it is delivered.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// The transition that it is about.
    pub transition: i64,
    /// The alert that it belongs to: what orders it among others of the same receiver.
    pub alert_key: String,
    /// Where it goes.
    pub target: Target,
    /// When it is to be tried first.
    pub due_at: Timestamp,
    /// When the fallback is notified too, should it not be delivered by then; `None`: never.
    pub fallback_at: Option<Timestamp>,
}

/// Queues notifications, one for each transition and receiver; says how many were not there yet.
///
/// # Errors
/// Those of the database.
pub async fn queue_notifications(
    transaction: &Transaction<'_>,
    new: &[NewNotification],
    now: Timestamp,
) -> Result<u64, StoreError> {
    if new.is_empty() {
        return Ok(0);
    }
    let sql = "
        insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at,
                                  is_fallback, fallback_at, created_at)
        select w.id, w.transition_id, w.receiver, w.alert_key, 'pending', w.due_at, w.give_up_at, w.is_fallback,
               w.fallback_at, $9
        from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::timestamptz[],
                    $8::timestamptz[])
             as w (id, transition_id, receiver, alert_key, is_fallback, due_at, give_up_at, fallback_at)
        on conflict (transition_id, receiver) do nothing";
    let ids: Vec<_> = new.iter().map(|one| id_of(one.transition, &one.target.receiver)).collect();
    let transitions: Vec<_> = new.iter().map(|one| one.transition).collect();
    let receivers: Vec<_> = new.iter().map(|one| one.target.receiver.as_str()).collect();
    let keys: Vec<_> = new.iter().map(|one| one.alert_key.as_str()).collect();
    let fallbacks: Vec<_> = new.iter().map(|one| one.target.is_fallback).collect();
    let due: Vec<_> = new.iter().map(|one| one.due_at).collect();
    let give_up: Vec<_> = due.iter().map(|due| due.checked_add(GIVE_UP_AFTER).unwrap_or(*due)).collect();
    let fall_back: Vec<_> = new.iter().map(|one| one.fallback_at).collect();
    let columns: [&(dyn ToSql + Sync); 9] =
        [&ids, &transitions, &receivers, &keys, &fallbacks, &due, &give_up, &fall_back, &now];
    transaction.execute(sql, &columns).await
}

/// Where each of these transitions was queued for.
///
/// # Errors
/// Those of the database.
pub async fn targets_of(
    transaction: &Transaction<'_>,
    transitions: &[i64],
) -> Result<BTreeMap<i64, Vec<Target>>, StoreError> {
    let mut targets = BTreeMap::<i64, Vec<Target>>::new();
    if transitions.is_empty() {
        return Ok(targets);
    }
    let sql = "
        select transition_id, receiver, is_fallback from notification
        where transition_id = any($1) order by transition_id, receiver";
    for row in transaction.query(sql, &[&transitions]).await? {
        let target = Target { receiver: row.try_get(1)?, is_fallback: row.try_get(2)? };
        targets.entry(row.try_get(0)?).or_default().push(target);
    }
    Ok(targets)
}
