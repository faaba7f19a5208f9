use std::collections::BTreeMap;

use event_model::alert::{AlertId, Severity, TransitionCause, TransitionKind};
use jiff::Timestamp;
use rules::{Recorded, Transition};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::alert_columns;
use crate::word::Word;
use crate::{StoreError, Transaction};

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
    pub labels: Texts,
    /// Its annotations, filled in.
    pub annotations: Texts,
    /// The trace that led to it.
    pub traceparent: Option<String>,
}

/// What an alert said when it fired last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFiring {
    /// The transition's row.
    pub id: i64,
    /// When it fired.
    pub at: Timestamp,
    /// How bad it was.
    pub severity: Severity,
    /// Its labels; a receiver knows the alert again by them.
    pub labels: Texts,
    /// Its annotations.
    pub annotations: Texts,
}

/// For each alert its effective transitions after the time beside it, in order. `offset 0`: as in [`super::moments`].
///
/// # Errors
/// Those of the database.
pub async fn effective_transitions(
    transaction: &Transaction<'_>,
    after: &[(AlertId<'_>, Timestamp)],
) -> Result<Vec<Vec<Recorded>>, StoreError> {
    let sql = "
        select w.number - 1, t.*
        from unnest($1::text[], $2::integer[], $3::smallint[], $4::timestamptz[])
             with ordinality as w (rule, stream_id, position, after, number)
        cross join lateral (
            select id, kind, at from alert_transition
            where stream_id = w.stream_id and rule = w.rule and position = w.position and at > w.after
              and kind <> 'retracted' and retracted_by is null
            order by at, id offset 0) as t";
    let mut found = vec![Vec::new(); after.len()];
    for row in query_with_times(transaction, sql, after).await? {
        let Word(kind) = row.try_get(2)?;
        found[number(&row)?].push(Recorded { id: row.try_get(1)?, kind, at: row.try_get(3)? });
    }
    Ok(found)
}

/// For each alert the time of its newest effective transition.
///
/// # Errors
/// Those of the database.
pub async fn newest_effective(
    transaction: &Transaction<'_>,
    alerts: &[AlertId<'_>],
) -> Result<Vec<Option<Timestamp>>, StoreError> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "
        select (select max(at) from alert_transition
                where stream_id = w.stream_id and rule = w.rule and position = w.position
                  and kind <> 'retracted' and retracted_by is null)
        from unnest($1::text[], $2::integer[], $3::smallint[])
             with ordinality as w (rule, stream_id, position, number)
        order by w.number";
    let (rules, streams, positions) = alert_columns(alerts.iter());
    let rows = transaction.query(sql, &[&rules, &streams, &positions]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// For each alert what it said when it fired last, not after the time beside it.
///
/// # Errors
/// Those of the database.
pub async fn last_firings(
    transaction: &Transaction<'_>,
    until: &[(AlertId<'_>, Timestamp)],
) -> Result<Vec<Option<LastFiring>>, StoreError> {
    if until.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "
        select w.number - 1, t.*
        from unnest($1::text[], $2::integer[], $3::smallint[], $4::timestamptz[])
             with ordinality as w (rule, stream_id, position, until, number)
        cross join lateral (
            select id, at, severity, labels, annotations from alert_transition
            where stream_id = w.stream_id and rule = w.rule and position = w.position and at <= w.until
              and kind = 'firing' and retracted_by is null
            order by at desc, id desc limit 1) as t";
    let mut found = vec![None; until.len()];
    for row in query_with_times(transaction, sql, until).await? {
        let Json(labels) = row.try_get(4)?;
        let Json(annotations) = row.try_get(5)?;
        let severity = Severity::from_stored(row.try_get(3)?);
        let firing = LastFiring { id: row.try_get(1)?, at: row.try_get(2)?, severity, labels, annotations };
        found[number(&row)?] = Some(firing);
    }
    Ok(found)
}

/// Records transitions; gives their rows, which are in the order of `new`.
///
/// # Errors
/// Those of the database.
pub async fn insert_transitions(
    transaction: &Transaction<'_>,
    new: &[NewTransition<'_>],
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels,
                                      annotations, traceparent, recorded_at)
        select w.rule, w.hash, w.stream_id, w.position, w.kind, w.at, w.value, w.cause, w.severity, w.labels, w.annotations,
               w.traceparent, $13
        from unnest($1::text[], $2::text[], $3::integer[], $4::smallint[], $5::text[], $6::timestamptz[], $7::float8[],
                    $8::text[], $9::text[], $10::jsonb[], $11::jsonb[], $12::text[])
             with ordinality as w (rule, hash, stream_id, position, kind, at, value, cause, severity, labels, annotations,
                                   traceparent, number)
        order by w.number
        returning id";
    let rules: Vec<_> = new.iter().map(|one| one.alert.rule).collect();
    let hashes: Vec<_> = new.iter().map(|one| one.rule_hash).collect();
    let streams: Vec<_> = new.iter().map(|one| one.alert.stream).collect();
    let positions: Vec<_> = new.iter().map(|one| one.alert.position).collect();
    let kinds: Vec<_> = new.iter().map(|one| one.transition.kind.as_str()).collect();
    let times: Vec<_> = new.iter().map(|one| one.transition.at).collect();
    let values: Vec<_> = new.iter().map(|one| one.transition.value).collect();
    let causes: Vec<_> = new.iter().map(|one| one.transition.cause.as_str()).collect();
    let severities: Vec<_> = new.iter().map(|one| one.severity.as_str()).collect();
    let labels: Vec<_> = new.iter().map(|one| Json(&one.labels)).collect();
    let annotations: Vec<_> = new.iter().map(|one| Json(&one.annotations)).collect();
    let traces: Vec<_> = new.iter().map(|one| one.traceparent.as_deref()).collect();
    let rows = transaction
        .query(
            sql,
            &[
                &rules,
                &hashes,
                &streams,
                &positions,
                &kinds,
                &times,
                &values,
                &causes,
                &severities,
                &labels,
                &annotations,
                &traces,
                &now,
            ],
        )
        .await?;
    let mut ids = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, StoreError>>()?;
    // Rows are numbered in the order in which they are inserted, which is that of `new`.
    ids.sort_unstable();
    Ok(ids)
}

/// Retracts transitions, each with the trace that led to it: the row that says so repeats what it retracts. Gives those
/// rows in the order of `untrue`.
///
/// # Errors
/// Those of the database.
pub async fn retract(
    transaction: &Transaction<'_>,
    untrue: &[(i64, Option<&str>)],
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    if untrue.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "
        with retraction as (
            insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels,
                                          annotations, traceparent, recorded_at, retracts)
            select t.rule, t.rule_hash, t.stream_id, t.position, $4, t.at, t.value, $5, t.severity, t.labels, t.annotations,
                   coalesce(w.traceparent, t.traceparent), $3, t.id
            from unnest($1::bigint[], $2::text[]) with ordinality as w (id, traceparent, number)
            join alert_transition t on t.id = w.id
            order by w.number
            returning id, retracts)
        update alert_transition t set retracted_by = retraction.id
        from retraction where t.id = retraction.retracts
        returning retraction.id";
    let (ids, traces): (Vec<_>, Vec<_>) = untrue.iter().copied().unzip();
    let (kind, cause) = (TransitionKind::Retracted.as_str(), TransitionCause::LateData.as_str());
    let rows = transaction.query(sql, &[&ids, &traces, &now, &kind, &cause]).await?;
    let mut ids = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, StoreError>>()?;
    // As in `insert_transitions`.
    ids.sort_unstable();
    Ok(ids)
}

/// The rows of `sql`, which takes the columns of alerts as $1 to $3 and the times beside them as $4.
async fn query_with_times(
    transaction: &Transaction<'_>,
    sql: &str,
    alerts: &[(AlertId<'_>, Timestamp)],
) -> Result<Vec<Row>, StoreError> {
    let (rules, streams, positions) = alert_columns(alerts.iter().map(|(alert, _)| alert));
    let times: Vec<_> = alerts.iter().map(|(_, at)| *at).collect();
    transaction.query(sql, &[&rules, &streams, &positions, &times]).await
}

/// The place of a row's alert in what was asked, counted from 0.
fn number(row: &Row) -> Result<usize, StoreError> {
    let number: i64 = row.try_get(0)?;
    Ok(usize::try_from(number).expect("ordinality counts from 1"))
}
