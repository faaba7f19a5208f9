//! From rows to notification groups.

use event_model::alert::{NotificationStatus, Severity, TransitionKind};
use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::model::{FiringRow, NotificationGroup, Queued, RetractedNotification, Transition};

/// Rows of one group follow each other.
pub(super) fn groups(
    rows: &[Row],
    now: Timestamp,
    is_blocked: bool,
) -> Result<Vec<NotificationGroup>, Error> {
    let mut groups: Vec<NotificationGroup> = Vec::new();
    for row in rows {
        let (alert_key, receiver): (String, String) = (row.try_get("alert_key")?, row.try_get("receiver")?);
        let one = queued(row)?;
        let due = !is_blocked && one.next_attempt_at <= now;
        match groups.last_mut() {
            Some(last) if last.alert_key == alert_key && last.receiver == receiver => {
                last.due |= due;
                last.queued.push(one);
            }
            _ => groups.push(NotificationGroup { alert_key, receiver, due, queued: vec![one] }),
        }
    }
    Ok(groups)
}

fn queued(row: &Row) -> Result<Queued, Error> {
    let attempts: i32 = row.try_get("attempts")?;
    Ok(Queued {
        id: row.try_get("id")?,
        repeating: status(row.try_get("status")?) == NotificationStatus::Repeating,
        attempts: u32::try_from(attempts).unwrap_or(0),
        interrupted: row.try_get("interrupted")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        give_up_at: row.try_get("give_up_at")?,
        is_fallback: row.try_get("is_fallback")?,
        fallback_at: row.try_get("fallback_at")?,
        fell_back: row.try_get("fell_back")?,
        summarizes: row.try_get::<_, Option<i32>>("summarizes")?.and_then(|many| u32::try_from(many).ok()),
        transition: transition(row)?,
        retracted: retracted(row)?,
        firing: firing(row)?,
        over: row.try_get("over")?,
    })
}

fn transition(row: &Row) -> Result<Transition, Error> {
    let Json(labels) = row.try_get("labels")?;
    let Json(annotations) = row.try_get("annotations")?;
    Ok(Transition {
        id: row.try_get("transition")?,
        rule: row.try_get("rule")?,
        kind: kind(row.try_get("kind")?),
        at: row.try_get("at")?,
        value: row.try_get("value")?,
        cause: row.try_get::<_, &str>("cause")?.parse().ok(),
        severity: Severity::from_stored(row.try_get("severity")?),
        labels,
        annotations,
        traceparent: row.try_get("traceparent")?,
        source: row.try_get("source")?,
        device: row.try_get("device")?,
        device_channel: row.try_get("device_channel")?,
        metric: row.try_get("metric")?,
        unit: row.try_get("unit")?,
    })
}

fn retracted(row: &Row) -> Result<Option<RetractedNotification>, Error> {
    let Some(transition) = row.try_get("retracted_transition")? else { return Ok(None) };
    Ok(Some(RetractedNotification {
        transition,
        kind: kind(row.try_get("retracted_kind")?),
        at: row.try_get("retracted_at")?,
        status: row.try_get::<_, Option<&str>>("retracted_status")?.map(status),
        fell_back: row.try_get("retracted_fell_back")?,
        notification: row.try_get("retracted_id")?,
    }))
}

fn firing(row: &Row) -> Result<Option<FiringRow>, Error> {
    let Some(at) = row.try_get("firing_at")? else { return Ok(None) };
    Ok(Some(FiringRow {
        at,
        status: row.try_get::<_, Option<&str>>("firing_status")?.map(status),
        fell_back: row.try_get("firing_fell_back")?,
        notification: row.try_get("firing_id")?,
    }))
}

/// What a later release has another word for is a retraction of nothing to this one, which needs no message.
fn kind(word: &str) -> TransitionKind {
    word.parse().unwrap_or(TransitionKind::Retracted)
}

/// What a later release has another word for counts as given up: the fallback is notified.
fn status(word: &str) -> NotificationStatus {
    word.parse().unwrap_or(NotificationStatus::Failed)
}
