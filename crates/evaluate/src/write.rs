//! What was decided of a batch, into the database: one statement for each kind of row.

use std::collections::BTreeMap;

use event_model::alert::{AlertId, Severity, TransitionKind};
use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rules::{Change, Recorded, Transition};
use runtime::trace::TraceContext;
use store::alerts::{self, LastFiring, NewNotification, NewTransition, Request, Target};
use store::{StoreError, Transaction};

use crate::decide::Decision;
use crate::plan::{Plan, Task};
use crate::routing::AlertText;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Transitions, retractions among them.
    pub(crate) transitions: u32,
    /// Notifications that were queued for them.
    pub(crate) notifications: u32,
}

/// What is to be written of a batch.
pub(crate) struct Changes<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) plans: &'a BTreeMap<i32, Plan<'a>>,
    pub(crate) decisions: Vec<(&'a Task<'a>, Decision)>,
    pub(crate) requests: &'a BTreeMap<i32, Request>,
    pub(crate) now: Timestamp,
}

/// A transition that is to be recorded.
pub(crate) struct Missing<'a> {
    pub(crate) alert: AlertId<'a>,
    rule_hash: &'a str,
    pub(crate) transition: Transition,
    /// `None` where no rule stands for it any more.
    task: Option<&'a Task<'a>>,
}

impl Changes<'_> {
    /// Retractions come before the transitions that are missing, so that an alert's last row says how it stands.
    pub(crate) async fn write(&self, transaction: &Transaction<'_>) -> Result<Written, StoreError> {
        let untrue = self.untrue();
        let mut notifications = self.retract(transaction, &untrue).await?;
        let routed = self.route(transaction, &self.missing()).await?;
        let (new, targets): (Vec<_>, Vec<_>) = routed.into_iter().unzip();
        let rows = alerts::insert_transitions(transaction, &new, self.now).await?;
        for ((new, targets), row) in new.iter().zip(targets).zip(rows) {
            let due_at = self.due_at(&new.transition);
            notifications.extend(self.queued((row, new.alert, new.severity), due_at, targets));
        }
        let queued = alerts::queue_notifications(transaction, &notifications, self.now).await?;
        let states: Vec<_> = self.decisions.iter().map(|(_, decision)| decision.state.clone()).collect();
        alerts::upsert_states(transaction, &states, self.now).await?;
        let gone: Vec<_> =
            self.plans.values().flat_map(|plan| &plan.gone).map(|(state, _)| state.alert()).collect();
        alerts::delete_states(transaction, &gone).await?;
        let emptied = self
            .plans
            .iter()
            .flat_map(|(stream, plan)| plan.emptied.iter().map(|position| (*stream, *position)));
        let emptied: Vec<_> = emptied.collect();
        alerts::forget_emptied(transaction, &emptied).await?;
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let notifications = u32::try_from(queued).unwrap_or(u32::MAX);
        Ok(Written { transitions: count(untrue.len() + new.len()), notifications })
    }

    /// The recorded transitions that later data made untrue.
    pub(crate) fn untrue(&self) -> Vec<(&Task<'_>, Recorded)> {
        let mut untrue = Vec::new();
        for (task, decision) in &self.decisions {
            untrue.extend(decision.changes.iter().filter_map(|change| match change {
                Change::Retract(row) => Some((*task, *row)),
                Change::Record(_) => None,
            }));
        }
        untrue
    }

    /// Retracts them; gives a notification for each receiver that had one of what is retracted.
    async fn retract(
        &self,
        transaction: &Transaction<'_>,
        untrue: &[(&Task<'_>, Recorded)],
    ) -> Result<Vec<NewNotification>, StoreError> {
        let ids: Vec<_> = untrue.iter().map(|(_, row)| row.id).collect();
        let mut targets = alerts::targets_of(transaction, &ids).await?;
        let traces: Vec<_> = untrue.iter().map(|(task, _)| self.traceparent(task.stream)).collect();
        let traced: Vec<_> = ids.iter().copied().zip(traces.iter().map(Option::as_deref)).collect();
        let rows = alerts::retract(transaction, &traced, self.now).await?;
        let notifications = untrue.iter().zip(rows).flat_map(|((task, untrue), row)| {
            let about = (row, task.alert(), task.watched.rule.severity);
            self.queued(about, self.now, targets.remove(&untrue.id).unwrap_or_default())
        });
        Ok(notifications.collect())
    }

    /// What the evaluation found, and the ends of alerts that no rule stands for any more; of each alert in order of time.
    pub(crate) fn missing(&self) -> Vec<Missing<'_>> {
        let mut missing = Vec::new();
        for (task, decision) in &self.decisions {
            let (alert, rule_hash) = (task.alert(), task.watched.hash.as_str());
            missing.extend(decision.changes.iter().filter_map(|change| match change {
                Change::Record(transition) => {
                    Some(Missing { alert, rule_hash, transition: *transition, task: Some(task) })
                }
                Change::Retract(_) => None,
            }));
        }
        let gone = self.plans.values().flat_map(|plan| &plan.gone);
        for &(ref state, cause) in gone.filter(|(state, _)| state.status.is_firing()) {
            let at = state.status.since().map_or(self.now, |since| since.max(self.now));
            let transition = Transition { kind: TransitionKind::Resolved, at, value: None, cause };
            missing.push(Missing {
                alert: state.alert(),
                rule_hash: &state.rule_hash,
                transition,
                task: None,
            });
        }
        missing
    }

    /// What each missing transition says, and its receivers.
    async fn route<'m>(
        &self,
        transaction: &Transaction<'_>,
        missing: &[Missing<'m>],
    ) -> Result<Vec<(NewTransition<'m>, Vec<Target>)>, StoreError> {
        let resolved = |one: &&Missing<'_>| one.transition.kind == TransitionKind::Resolved;
        let ends: Vec<_> =
            missing.iter().filter(resolved).map(|one| (one.alert, one.transition.at)).collect();
        let firings = alerts::last_firings(transaction, &ends).await?;
        let ids: Vec<_> = firings.iter().flatten().map(|firing| firing.id).collect();
        let notified = alerts::targets_of(transaction, &ids).await?;
        let mut firings = firings.into_iter();
        let mut fired_now: Option<(AlertId<'_>, Transition)> = None;
        let mut routed = Vec::new();
        for one in missing {
            let mut firing = None;
            let mut said = one.transition.value;
            if resolved(&one) {
                // A firing of this very batch is no row yet.
                let fired = fired_now.filter(|(alert, _)| *alert == one.alert).map(|(_, fired)| fired);
                let ends_this = |firing: &LastFiring| fired.is_none_or(|fired| fired.at < firing.at);
                firing = firings.next().flatten().filter(ends_this);
                said = fired.map_or(said, |fired| fired.value);
            } else {
                fired_now = Some((one.alert, one.transition));
            }
            let before = firing.as_ref().and_then(|firing| notified.get(&firing.id));
            let before = before.map_or(&[][..], Vec::as_slice);
            routed.extend(self.route_one(one, said, firing, before));
        }
        Ok(routed)
    }

    /// `None` for the end of an alert that never fired. `said`: the value that its texts name.
    fn route_one<'m>(
        &self,
        one: &Missing<'m>,
        said: Option<f64>,
        firing: Option<LastFiring>,
        before: &[Target],
    ) -> Option<(NewTransition<'m>, Vec<Target>)> {
        let AlertId { rule, stream, position } = one.alert;
        let series = self.plans.get(&stream).and_then(|plan| plan.series.get(&position));
        let text = match (one.task, series) {
            (Some(task), Some(series)) => AlertText::of(task.watched, series, said, firing),
            _ => AlertText::again(firing?),
        };
        let targets = match series {
            Some(series) => text.targets(self.pipeline, rule, series, before),
            None => before.to_vec(),
        };
        let AlertText { severity, labels, annotations } = text;
        let &Missing { alert, rule_hash, transition, .. } = one;
        let traceparent = self.traceparent(stream);
        Some((
            NewTransition { alert, rule_hash, transition, severity, labels, annotations, traceparent },
            targets,
        ))
    }

    /// An alert that fired longer ago than people want to hear of an end is history, or the backlog of an outage: what comes
    /// next of it may say that it is over.
    fn due_at(&self, transition: &Transition) -> Timestamp {
        let is_old = self.now.duration_since(transition.at) > self.pipeline.notify_within;
        let wait = if is_old && transition.kind == TransitionKind::Firing {
            self.pipeline.lateness
        } else {
            SignedDuration::ZERO
        };
        self.now.checked_add(wait).unwrap_or(self.now)
    }

    /// One notification for each of `targets`.
    fn queued(
        &self,
        (transition, alert, severity): (i64, AlertId<'_>, Severity),
        due_at: Timestamp,
        targets: Vec<Target>,
    ) -> impl Iterator<Item = NewNotification> {
        let (alert_key, pipeline) = (alert.key(), self.pipeline);
        targets.into_iter().map(move |target| {
            let has_fallback = !target.is_fallback && !pipeline.fallback_of(&target.receiver).is_empty();
            let fallback_at = due_at.checked_add(pipeline.fallback_after.of(severity)).ok();
            let fallback_at = fallback_at.filter(|_| has_fallback);
            NewNotification { transition, alert_key: alert_key.clone(), target, due_at, fallback_at }
        })
    }

    /// The trace of the payload that asked for the evaluation, or of what woke it.
    fn traceparent(&self, stream: i32) -> Option<String> {
        let request = self.requests.get(&stream).and_then(|request| request.traceparent.clone());
        request.or_else(|| TraceContext::current().map(|trace| trace.traceparent))
    }
}
