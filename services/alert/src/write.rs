//! Transitions and what people are to be told of them, into the database.

use deadpool_postgres::Transaction;
use event_model::alert::{AlertId, TransitionCause, TransitionKind};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::{Series, Transition};
use store::alerts::{self, NewNotification, NewTransition, StateRow};
use tokio_postgres::Error;

use crate::plan::Task;
use crate::tell::{Message, Target};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Transitions, retractions among them.
    pub(crate) transitions: u32,
    /// Notifications that were queued for them.
    pub(crate) notifications: u32,
}

/// Writes what became of one stream.
pub(crate) struct Writer<'a> {
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) stream: i32,
    pub(crate) now: Timestamp,
    pub(crate) traceparent: Option<String>,
    pub(crate) written: Written,
}

impl Writer<'_> {
    /// Records a transition and queues it for its receivers.
    pub(crate) async fn record(
        &mut self,
        task: &Task<'_>,
        series: &Series,
        transition: Transition,
    ) -> Result<(), Error> {
        let (rule, hash) = (&task.watch.rule.name, &task.watch.hash);
        let alert = self.alert(rule, task.position);
        let firing = match transition.kind {
            TransitionKind::Firing | TransitionKind::Retracted => None,
            TransitionKind::Resolved => alerts::last_firing(self.transaction, alert).await?,
        };
        let told_before = match &firing {
            Some(firing) => alerts::receivers_of(self.transaction, firing.id).await?,
            None => Vec::new(),
        };
        let message = Message::of(task.watch, series, &transition, firing.as_ref());
        let targets = message.targets(self.pipeline, rule, series, told_before);
        let id = self.insert(alert, hash, transition, &message).await?;
        self.queue(alert, id, &targets).await
    }

    /// Retracts a transition, and queues that for all who were to be told of it.
    pub(crate) async fn retract(&mut self, task: &Task<'_>, untrue: i64) -> Result<(), Error> {
        let alert = self.alert(&task.watch.rule.name, task.position);
        let targets = alerts::receivers_of(self.transaction, untrue).await?;
        let traceparent = self.traceparent.as_deref();
        let id = alerts::retract(self.transaction, untrue, traceparent, self.now).await?;
        self.queue(alert, id, &targets).await
    }

    /// Ends an alert that no rule stands for any more.
    pub(crate) async fn end(&mut self, state: &StateRow, series: Option<&Series>) -> Result<(), Error> {
        let alert = self.alert(&state.rule, state.position);
        let Some(firing) = alerts::last_firing(self.transaction, alert).await? else { return Ok(()) };
        let at = state.status.since().map_or(self.now, |since| since.max(self.now));
        let transition = Transition {
            kind: TransitionKind::Resolved,
            at,
            value: None,
            cause: TransitionCause::RuleRemoved,
        };
        let told_before = alerts::receivers_of(self.transaction, firing.id).await?;
        let message = Message::again(firing);
        let targets = match series {
            Some(series) => message.targets(self.pipeline, &state.rule, series, told_before),
            None => told_before,
        };
        let id = self.insert(alert, &state.rule_hash, transition, &message).await?;
        self.queue(alert, id, &targets).await
    }

    async fn insert(
        &mut self,
        alert: AlertId<'_>,
        rule_hash: &str,
        transition: Transition,
        message: &Message,
    ) -> Result<i64, Error> {
        let row = NewTransition {
            alert,
            rule_hash,
            transition,
            severity: message.severity,
            labels: &message.labels,
            annotations: &message.annotations,
            traceparent: self.traceparent.as_deref(),
            recorded_at: self.now,
        };
        alerts::insert_transition(self.transaction, &row).await
    }

    async fn queue(&mut self, alert: AlertId<'_>, transition: i64, targets: &[Target]) -> Result<(), Error> {
        self.written.transitions += 1;
        let alert_key = alert.key();
        for (receiver, is_fallback) in targets {
            let (alert_key, is_fallback, at) = (alert_key.as_str(), *is_fallback, self.now);
            let new = NewNotification { transition, receiver, alert_key, is_fallback, at };
            let is_new = alerts::queue_notification(self.transaction, new).await?;
            self.written.notifications += u32::from(is_new);
        }
        Ok(())
    }

    fn alert<'r>(&self, rule: &'r str, position: i16) -> AlertId<'r> {
        AlertId { rule, stream: self.stream, position }
    }
}
