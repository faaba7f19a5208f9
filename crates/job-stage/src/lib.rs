#![doc = include_str!("../README.md")]

use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::JOBS_DUE;
use jobs::{Job, Runner, due_event};
use sink::{HttpSink, Sink as _};
use stage::{Delivery, Outcome, Stage};

/// Does the job of its runner's name.
#[derive(Debug)]
pub struct JobStage<J> {
    runner: Runner<J>,
    sink: HttpSink,
}

impl<J: Job> JobStage<J> {
    /// A stage around `runner`, which asks at `sink` for another event where more is to be done.
    pub const fn new(runner: Runner<J>, sink: HttpSink) -> Self {
        Self { runner, sink }
    }

    /// Asks for an event that goes on. Where it is not taken, the next tick asks.
    async fn go_on(&self, cause: &Event, delivery: &Delivery) {
        let source = format!("/stages/{}", self.runner.name);
        let sent = match due_event(cause, self.runner.name, (&source, self.runner.clock.now())) {
            Ok(event) => self.sink.send(&event, delivery.trace.as_ref()).await,
            Err(error) => return tracing::error!(%error, "the next slice cannot be asked for"),
        };
        if let Err(error) = sent {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the next slice waits for the tick");
        }
    }
}

impl<J: Job + 'static> Stage for JobStage<J> {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        if event.ty() != JOBS_DUE || event.subject() != Some(self.runner.name) {
            return Outcome::Skip;
        }
        match self.runner.run(delivery.deadline()).await {
            // A run that got no further would ask for ever.
            Ok(ran) if ran.more && ran.slices > 0 => {
                self.go_on(&event, &delivery).await;
                Outcome::Done
            }
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Unavailable(error.to_string()),
        }
    }
}
