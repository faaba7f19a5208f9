//! What an evaluation would decide if readings were changed: read as it reads, with the changes laid over, and decided as it decides. Nothing
//! is written, locked or queued.
//!
//! ```text
//! changes ──> streams by their names ──┬─ there: as they are      ──┬──> requests, states, moments, with the
//!                                      └─ not there: made up      ──┘    changed cells laid over ──> decide
//! ```

mod altered;
mod changes;

use std::collections::BTreeMap;

use event_model::alert::{TransitionCause, TransitionKind};
use futures_util::future::try_join3;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use store::alerts;
use store::{Client, StoreError, Transaction};

use crate::examine::{Examination, LONGEST, Loaded, MOST_AT_ALL, MOST_MOMENTS};
use crate::heartbeats::HeartbeatCache;
use crate::plan::Plan;
use crate::watched_rules::WatchedRules;
use crate::write::Changes;
use altered::{Altered, Named};
pub use changes::{ChangingPayload, ReadingChange, ReadingChanges, ReadingEffect};

/// Streams that are looked at in one transaction.
const BATCH: usize = 128;

/// A look at what rules would make of changed readings, by the pipeline in force.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// The pipeline file.
    pub pipeline: &'a Pipeline,
    /// Its rules.
    pub rules: &'a WatchedRules,
    /// The time of the evaluation.
    pub now: Timestamp,
}

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertEffect {
    /// It begins at a time that is not recorded.
    Begins,
    /// It ends at a time that is not recorded.
    Ends,
    /// That it began is recorded, and retracted.
    BeginningRetracted,
    /// That it ended is recorded, and retracted.
    EndRetracted,
}

/// A transition that an evaluation would record or retract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertChange {
    /// When the alert begins or ends, by event time.
    pub at: Timestamp,
    /// The rule's name.
    pub rule: String,
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The canonical metric.
    pub metric: String,
    /// The unit; empty if unknown.
    pub unit: String,
    /// What becomes of it.
    pub effect: AlertEffect,
    /// Why.
    pub cause: TransitionCause,
}

/// What a preview came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Previewed {
    /// In order of time.
    pub changes: Vec<AlertChange>,
    /// Streams with too many moments, or with a row that only a later release can read, as `source/device` or `source/device/channel`.
    pub not_looked_at: Vec<String>,
}

impl Preview<'_> {
    /// What an evaluation would decide of the streams of `changes`. Each transaction reads some of them, and no statement runs for longer
    /// than 5 s.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn of(&self, client: &mut Client, changes: &ReadingChanges) -> Result<Previewed, StoreError> {
        let named: Vec<Named<'_>> = changes.streams.iter().collect();
        let mut batches: Vec<_> = named.chunks(BATCH).rev().collect();
        let mut heartbeats = HeartbeatCache::new(self.pipeline.tick);
        let mut previewed = Previewed::default();
        while let Some(batch) = batches.pop() {
            let found = match self.batch(client, (batch, changes), &mut heartbeats).await {
                Err(error) if error.is_data_error() || error.is_too_large() => None,
                found => found?,
            };
            match (found, batch) {
                (Some(found), _) => previewed.changes.extend(found),
                (None, [(key, _)]) => previewed.not_looked_at.push(key.to_string()),
                (None, _) => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    batches.extend([right, left]);
                }
            }
        }
        let place = |change: &AlertChange| {
            let AlertChange { at, rule, source, device, channel, metric, unit, effect, .. } = change.clone();
            (at, source, device, channel, metric, unit, rule, effect)
        };
        previewed.changes.sort_by_cached_key(place);
        // The other streams of an expected device are looked at beside each that changes.
        previewed.changes.dedup();
        Ok(previewed)
    }

    /// `None` where the streams have more moments than fit beside each other.
    async fn batch(
        &self,
        client: &mut Client,
        named: (&[Named<'_>], &ReadingChanges),
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Vec<AlertChange>>, StoreError> {
        let Self { pipeline, rules, now } = *self;
        let transaction = Transaction::begin_to_read(client, LONGEST).await?;
        alerts::by_index(&transaction).await?;
        let altered = altered::streams(&transaction, named, (pipeline, rules)).await?;
        if altered.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let examination = Examination { pipeline, rules, transaction: &transaction, now };
        let (plans, requests) = examination.plan(load(&transaction, &altered).await?);
        let spans = examination.spans(&plans);
        let most = if altered.len() > 1 { MOST_MOMENTS } else { MOST_AT_ALL };
        let (mut moments, is_all) = alerts::moments(&transaction, &spans, most).await?;
        if !is_all {
            return Ok(None);
        }
        for (stream, span) in &spans {
            if let Some(altered) = altered.get(stream) {
                moments.entry(*stream).or_default().lay_over(altered.cells_in(*span));
            }
        }
        let decided = examination.decide(&plans, (moments, None), heartbeats).await?;
        let changes =
            Changes { pipeline, plans: &plans, decisions: decided.decisions, requests: &requests, now };
        Ok(Some(alert_changes(&changes, &plans, &altered)))
    }
}

/// What the work on the streams is planned by, as if their changes were stored.
async fn load(transaction: &Transaction<'_>, altered: &BTreeMap<i32, Altered>) -> Result<Loaded, StoreError> {
    let asked: Vec<_> =
        altered.iter().filter_map(|(stream, altered)| Some((*stream, altered.from?))).collect();
    let streams: Vec<i32> = asked.iter().map(|(stream, _)| *stream).collect();
    let (mut requests, states, heartbeat) = try_join3(
        alerts::requests_with(transaction, &asked),
        alerts::states(transaction, &streams),
        alerts::newest_heartbeat(transaction),
    )
    .await?;
    for (stream, request) in &mut requests {
        request.lay_over(altered[stream].cells());
    }
    let rows = altered.iter().filter(|(stream, _)| requests.contains_key(stream));
    let streams = rows.map(|(stream, altered)| (*stream, altered.row.clone())).collect();
    Ok(Loaded { requests, states, streams, heartbeat })
}

/// The transitions that would be retracted and recorded, as far as the changes of their streams are known.
fn alert_changes(
    changes: &Changes<'_>,
    plans: &BTreeMap<i32, Plan<'_>>,
    altered: &BTreeMap<i32, Altered>,
) -> Vec<AlertChange> {
    let untrue = changes.untrue().into_iter().map(|(task, row)| {
        let effect = match row.kind {
            TransitionKind::Firing => AlertEffect::BeginningRetracted,
            _ => AlertEffect::EndRetracted,
        };
        (task.alert(), row.at, effect, TransitionCause::LateData)
    });
    let missing = changes.missing();
    let missing = missing.iter().map(|one| {
        let effect = match one.transition.kind {
            TransitionKind::Firing => AlertEffect::Begins,
            _ => AlertEffect::Ends,
        };
        (one.alert, one.transition.at, effect, one.transition.cause)
    });
    let change = |(alert, at, effect, cause): (event_model::alert::AlertId<'_>, _, _, _)| {
        let is_known = altered.get(&alert.stream)?.known_until.is_none_or(|until| at < until);
        let series = plans.get(&alert.stream)?.series.get(&alert.position).filter(|_| is_known)?.clone();
        let rules::Series { source, device, channel, metric, unit, .. } = series;
        Some(AlertChange {
            at,
            rule: alert.rule.to_owned(),
            source,
            device,
            channel,
            metric,
            unit,
            effect,
            cause,
        })
    };
    untrue.chain(missing).filter_map(change).collect()
}
