//! From rows to conversations.

use event_model::Severity;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::model::{Conversation, FiringRow, Queued, Status, TakenBack, Transition, TransitionKind};

/// Rows of one conversation follow each other.
pub(super) fn conversations(rows: &[Row]) -> Vec<Conversation> {
    let mut conversations: Vec<Conversation> = Vec::new();
    for row in rows {
        let (alert_key, receiver): (String, String) = (row.get("alert_key"), row.get("receiver"));
        match conversations.last_mut() {
            Some(last) if last.alert_key == alert_key && last.receiver == receiver => {
                last.queued.push(queued(row));
            }
            _ => conversations.push(Conversation { alert_key, receiver, queued: vec![queued(row)] }),
        }
    }
    conversations
}

fn queued(row: &Row) -> Queued {
    let attempts: i32 = row.get("attempts");
    Queued {
        id: row.get("id"),
        repeating: status(row.get("status")) == Status::Repeating,
        attempts: u32::try_from(attempts).unwrap_or(0),
        interrupted: row.get("interrupted"),
        next_attempt_at: row.get("next_attempt_at"),
        give_up_at: row.get("give_up_at"),
        is_fallback: row.get("is_fallback"),
        transition: transition(row),
        retracted: retracted(row),
        firing: firing(row),
        over: row.get("over"),
    }
}

fn transition(row: &Row) -> Transition {
    let Json(labels) = row.get("labels");
    let Json(annotations) = row.get("annotations");
    Transition {
        id: row.get("transition"),
        rule: row.get("rule"),
        kind: kind(row.get("kind")),
        at: row.get("at"),
        value: row.get("value"),
        cause: row.get("cause"),
        severity: severity(row.get("severity")),
        labels,
        annotations,
        traceparent: row.get("traceparent"),
        source: row.get("source"),
        device: row.get("device"),
        device_channel: row.get("device_channel"),
        metric: row.get("metric"),
        unit: row.get("unit"),
    }
}

fn retracted(row: &Row) -> Option<TakenBack> {
    Some(TakenBack {
        transition: row.get::<_, Option<i64>>("back_transition")?,
        kind: kind(row.get("back_kind")),
        at: row.get("back_at"),
        status: row.get::<_, Option<&str>>("back_status").map(status),
        notification: row.get("back_id"),
    })
}

fn firing(row: &Row) -> Option<FiringRow> {
    Some(FiringRow {
        at: row.get::<_, Option<_>>("firing_at")?,
        status: row.get::<_, Option<&str>>("firing_status").map(status),
        notification: row.get("firing_id"),
    })
}

/// The table's check constraint names no other kinds.
fn kind(word: &str) -> TransitionKind {
    match word {
        "firing" => TransitionKind::Firing,
        "resolved" => TransitionKind::Resolved,
        _ => TransitionKind::Retracted,
    }
}

/// The table's check constraint names no other states.
fn status(word: &str) -> Status {
    match word {
        "pending" => Status::Pending,
        "repeating" => Status::Repeating,
        "delivered" => Status::Delivered,
        "superseded" => Status::Superseded,
        _ => Status::Failed,
    }
}

/// A word of a later release counts as the worst.
fn severity(word: &str) -> Severity {
    match word {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        _ => Severity::Critical,
    }
}
