use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use event_model::alert::{AlertId, Severity, TransitionCause, TransitionKind};
use jiff::Timestamp;
use rules::{Recorded, Transition};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::{execute, query};
use crate::word::Word;

type Texts = BTreeMap<String, String>;

/// A transition to be recorded.
#[derive(Debug, Clone)]
pub struct NewTransition<'a> {
    /// Whose.
    pub alert: AlertId<'a>,
    /// The hash of the rule that made it.
    pub rule_hash: &'a str,
    /// What happened.
    pub transition: Transition,
    /// How bad it is.
    pub severity: Severity,
    /// The alert's labels.
    pub labels: &'a Texts,
    /// Its annotations, filled in.
    pub annotations: &'a Texts,
    /// The trace that led to it.
    pub traceparent: Option<&'a str>,
    /// When it is recorded.
    pub recorded_at: Timestamp,
}

/// What an alert said when it fired last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFiring {
    /// The transition's row.
    pub id: i64,
    /// How bad it was.
    pub severity: Severity,
    /// Its labels; a receiver knows the alert again by them.
    pub labels: Texts,
    /// Its annotations.
    pub annotations: Texts,
}

/// The effective transitions after `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn effective_transitions(
    transaction: &impl GenericClient,
    alert: AlertId<'_>,
    after: Timestamp,
) -> Result<Vec<Recorded>, Error> {
    let sql = "
        select id, kind, at from alert_transition
        where stream_id = $1 and rule = $2 and position = $3 and at > $4
          and kind <> 'retracted' and retracted_by is null
        order by at, id";
    let rows = query(transaction, sql, &[&alert.stream, &alert.rule, &alert.position, &after]).await?;
    rows.iter().map(recorded).collect()
}

/// The time of the newest effective transition.
///
/// # Errors
/// Those of the database.
pub async fn newest_effective(
    transaction: &impl GenericClient,
    alert: AlertId<'_>,
) -> Result<Option<Timestamp>, Error> {
    let sql = "
        select max(at) from alert_transition
        where stream_id = $1 and rule = $2 and position = $3 and kind <> 'retracted' and retracted_by is null";
    let rows = query(transaction, sql, &[&alert.stream, &alert.rule, &alert.position]).await?;
    rows.first().map_or(Ok(None), |row| row.try_get(0))
}

/// What the alert said when it fired last, if it ever did.
///
/// # Errors
/// Those of the database.
pub async fn last_firing(
    transaction: &impl GenericClient,
    alert: AlertId<'_>,
) -> Result<Option<LastFiring>, Error> {
    let sql = "
        select id, severity, labels, annotations from alert_transition
        where stream_id = $1 and rule = $2 and position = $3 and kind = 'firing' and retracted_by is null
        order by at desc, id desc limit 1";
    let rows = query(transaction, sql, &[&alert.stream, &alert.rule, &alert.position]).await?;
    let firing = rows.first().map(|row| {
        let Json(labels) = row.try_get(2)?;
        let Json(annotations) = row.try_get(3)?;
        Ok(LastFiring {
            id: row.try_get(0)?,
            severity: Severity::from_stored(row.try_get(1)?),
            labels,
            annotations,
        })
    });
    firing.transpose()
}

/// Records a transition; gives its row.
///
/// # Errors
/// Those of the database.
pub async fn insert_transition(
    transaction: &impl GenericClient,
    new: &NewTransition<'_>,
) -> Result<i64, Error> {
    let sql = "
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels,
                                      annotations, traceparent, recorded_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        returning id";
    let rows = query(
        transaction,
        sql,
        &[
            &new.alert.rule,
            &new.rule_hash,
            &new.alert.stream,
            &new.alert.position,
            &new.transition.kind.as_str(),
            &new.transition.at,
            &new.transition.value,
            &new.transition.cause.as_str(),
            &new.severity.as_str(),
            &Json(new.labels),
            &Json(new.annotations),
            &new.traceparent,
            &new.recorded_at,
        ],
    )
    .await?;
    rows[0].try_get(0)
}

/// Retracts a transition: the row that says so repeats what it retracts. Gives that row.
///
/// # Errors
/// Those of the database.
pub async fn retract(
    transaction: &impl GenericClient,
    untrue: i64,
    traceparent: Option<&str>,
    recorded_at: Timestamp,
) -> Result<i64, Error> {
    let (kind, cause) = (TransitionKind::Retracted.as_str(), TransitionCause::LateData.as_str());
    let sql = "
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels,
                                      annotations, traceparent, recorded_at, retracts)
        select rule, rule_hash, stream_id, position, $4, at, value, $5, severity, labels,
               annotations, coalesce($2, traceparent), $3, id
        from alert_transition where id = $1
        returning id";
    let rows = query(transaction, sql, &[&untrue, &traceparent, &recorded_at, &kind, &cause]).await?;
    let id: i64 = rows[0].try_get(0)?;
    execute(transaction, "update alert_transition set retracted_by = $2 where id = $1", &[&untrue, &id])
        .await?;
    Ok(id)
}

fn recorded(row: &Row) -> Result<Recorded, Error> {
    let Word(kind): Word<TransitionKind> = row.try_get(1)?;
    Ok(Recorded { id: row.try_get(0)?, kind, at: row.try_get(2)? })
}
