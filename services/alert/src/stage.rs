//! The stage: which streams an event is about, and what it is answered with.

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{HEARTBEAT_RECORDED, READINGS_RECORDED};
use event_model::events::{HeartbeatRecorded, ReadingsRecorded};
use runtime::{Clock, Prewarm};
use stage::{Delivery, Outcome, Stage};
use store::{Database, StoreError, alerts, notifications};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::Config;
use crate::reply::{Tally, reply};
use crate::sweep::{Scope, Sweep};

/// Every event looks for all that is due, so that many at once would do the same work, each with a connection of the small pool.
const SWEEPS_AT_ONCE: usize = 2;

/// Evaluates rules where the pipeline's rows say that they are due; an event only says when, and where to begin.
#[derive(Debug)]
pub struct Alert {
    config: Config,
    database: Database,
    clock: Clock,
    turns: Semaphore,
    prewarm: Prewarm,
}

impl Alert {
    /// A stage over `database`.
    pub fn new(config: Config, database: Database, clock: Clock) -> Self {
        let (turns, prewarm) = (Semaphore::new(SWEEPS_AT_ONCE), Prewarm::default());
        Self { config, database, clock, turns, prewarm }
    }

    /// Wakes these stages while it commits a transition that somebody is told of.
    #[must_use]
    pub fn waking(self, prewarm: Prewarm) -> Self {
        Self { prewarm, ..self }
    }

    /// An event that does not get its turn in time goes round once more: its streams are marked, and whoever has the turn may
    /// have looked for marks before they were.
    async fn evaluate(&self, scope: Scope) -> Result<(Tally, u32), StoreError> {
        let Ok(_turn) = timeout(self.config.event_budget, self.turns.acquire()).await else {
            return Ok((Tally { more: true, ..Tally::default() }, 0));
        };
        let mut client = self.database.client().await?;
        let mut tally = Tally::default();
        if alerts::active_hash(&client).await?.as_ref() == Some(&self.config.pipeline.hash) {
            let sweep = Sweep { config: &self.config, clock: &self.clock, prewarm: &self.prewarm };
            tally = sweep.run(&mut client, scope).await?;
        } else {
            tracing::warn!("the pipeline file is not the active one; nothing is evaluated");
        }
        Ok((tally, notifications::due(&**client, self.clock.now()).await?))
    }
}

impl Stage for Alert {
    async fn handle(&self, event: Event, _delivery: Delivery) -> Outcome {
        let scope = match Scope::of(&event) {
            Ok(Some(scope)) => scope,
            Ok(None) => return Outcome::Skip,
            Err(error) => return Outcome::Malformed(error.to_string()),
        };
        let (tally, due) = match self.evaluate(scope).await {
            Ok(came_to) => came_to,
            Err(error) => return Outcome::Unavailable(error.to_string()),
        };
        match reply(&event, tally, due, self.clock.now()) {
            Ok(Some(reply)) => Outcome::Reply(Box::new(reply)),
            Ok(None) => Outcome::Done,
            Err(error) => Outcome::Rejected(error.to_string()),
        }
    }
}

impl Scope {
    /// What an event asks for; `None` where it is not meant for this stage.
    fn of(event: &Event) -> Result<Option<Self>, EventError> {
        Ok(match event.ty() {
            READINGS_RECORDED => {
                let data: ReadingsRecorded = cloudevent::json(event)?;
                let streams = data.streams.into_iter().map(|span| span.stream).collect();
                Some(Self { streams, other_rules: false })
            }
            HEARTBEAT_RECORDED => {
                let HeartbeatRecorded { at: _ } = cloudevent::json(event)?;
                Some(Self { streams: Vec::new(), other_rules: true })
            }
            _ => None,
        })
    }
}
