//! The stage: which streams an event is about, and what it is answered with.

use cloudevents::{AttributesReader as _, Event};
use evaluate::{Evaluator, Scope, Summary};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::EVALUATION_REQUESTED;
use event_model::events::EvaluationRequested;
use runtime::Deadline;
use sink::{HttpSink, Sink as _};
use stage::telemetry::EvaluationMetrics;
use stage::{Delivery, Outcome, Stage};
use store::{StoreError, notifications};

use crate::reply::{continuation, reply};
use crate::runs::{Runs, Turn};

/// Evaluates rules where the pipeline's rows say that they are due; an event only says when, and where to begin.
#[derive(Debug)]
pub struct Alert {
    evaluator: Evaluator,
    sink: HttpSink,
    metrics: EvaluationMetrics,
    runs: Runs,
}

impl Alert {
    /// A stage around `evaluator`, which asks at `sink` for another event where more is to be done.
    pub const fn new(evaluator: Evaluator, sink: HttpSink, metrics: EvaluationMetrics) -> Self {
        Self { evaluator, sink, metrics, runs: Runs::new() }
    }

    /// What the event came to, and how many notifications are due. An event that waits too long for the runs before it
    /// comes again: those may have looked for requests before its own were there.
    async fn evaluate(&self, scope: Scope, deadline: Deadline) -> Result<(Summary, u32), StoreError> {
        let run = match self.runs.turn(deadline, !scope.other_rules).await {
            Turn::Run(run) => run,
            Turn::Done => return Ok((Summary::default(), 0)),
            Turn::Late => return Ok((Summary { more: true, ..Summary::default() }, 0)),
        };
        let summary = self.evaluator.run(scope, deadline).await?;
        self.metrics.run(summary.waited.unsigned_abs(), summary.put_off);
        if !summary.more {
            run.left_nothing();
        }
        drop(run);
        let client = self.evaluator.database.client().await?;
        Ok((summary, notifications::due(&**client, self.evaluator.clock.now()).await?))
    }

    /// Asks for an event that goes on with the streams which are left. Where it is not taken, the next tick asks.
    async fn go_on(&self, cause: &Event, delivery: &Delivery) {
        let sent = match continuation(cause, self.evaluator.clock.now()) {
            Ok(event) => self.sink.send(&event, delivery.trace.as_ref()).await,
            Err(error) => return tracing::error!(%error, "the next evaluation cannot be asked for"),
        };
        if let Err(error) = sent {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the next evaluation waits for the tick");
        }
    }
}

impl Stage for Alert {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        let scope = match scope(&event) {
            Ok(Some(scope)) => scope,
            Ok(None) => return Outcome::Skip,
            Err(error) => return Outcome::Malformed(error.to_string()),
        };
        let (summary, due) = match self.evaluate(scope, delivery.deadline()).await {
            Ok(came_to) => came_to,
            Err(error) => return Outcome::Unavailable(error.to_string()),
        };
        if summary.more {
            self.go_on(&event, &delivery).await;
        }
        match reply(&event, summary, due, self.evaluator.clock.now()) {
            Ok(Some(reply)) => Outcome::Reply(Box::new(reply)),
            Ok(None) => Outcome::Done,
            Err(error) => Outcome::Rejected(error.to_string()),
        }
    }
}

/// What an event asks for; `None` where it is not meant for this stage. One that names no stream looks for all that is due.
fn scope(event: &Event) -> Result<Option<Scope>, EventError> {
    if event.ty() != EVALUATION_REQUESTED {
        return Ok(None);
    }
    let EvaluationRequested { streams } = cloudevent::json(event)?;
    Ok(Some(Scope { other_rules: streams.is_empty() }))
}
