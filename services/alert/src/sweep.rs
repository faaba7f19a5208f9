//! The streams of one event, one after the other, within bounds.

use std::collections::BTreeSet;
use std::time::Instant;

use runtime::{Clock, Prewarm, crash};
use store::{Client, StoreError, alerts};

use crate::config::Config;
use crate::heartbeats::HeartbeatCache;
use crate::reply::Tally;
use crate::visit::{Visit, Visited};
use crate::write::Written;

/// A stream that is marked faster than it is evaluated does not hold up the others.
const VISITS: usize = 5;

/// How an event's streams are swept.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    pub(crate) config: &'a Config,
    pub(crate) clock: &'a Clock,
    pub(crate) prewarm: &'a Prewarm,
}

/// Where an event asks to begin, and whether it also looks for states that other rules have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) streams: Vec<i32>,
    pub(crate) other_rules: bool,
}

impl Sweep<'_> {
    /// Evaluates the event's own streams, all marked ones, and those whose deadline a heartbeat has reached.
    ///
    /// # Errors
    /// Where the database is not there; what was committed before stays. A stream that fails for itself is logged and passed over:
    /// its mark stays, and so does everybody else's turn.
    pub(crate) async fn run(&self, client: &mut Client, scope: Scope) -> Result<Tally, StoreError> {
        let begun = Instant::now();
        let mut heartbeats = HeartbeatCache::new(self.config.pipeline.tick);
        let streams = self.streams(client, scope).await?;
        let mut tally = Tally { more: streams.len() > self.config.max_streams, ..Tally::default() };
        for stream in streams.into_iter().take(self.config.max_streams) {
            if begun.elapsed() > self.config.event_budget {
                tally.more = true;
                break;
            }
            match self.settle(client, stream, &mut heartbeats, &mut tally).await {
                Err(error) if error.is_data_error() => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(stream, error, "a stream could not be evaluated");
                }
                settled => settled?,
            }
        }
        // Where all are taken by others, going on is their business.
        tally.more &= tally.streams > 0;
        Ok(tally)
    }

    /// Visits a stream until nothing came for it while it was taken.
    async fn settle(
        &self,
        client: &mut Client,
        stream: i32,
        heartbeats: &mut HeartbeatCache,
        tally: &mut Tally,
    ) -> Result<(), StoreError> {
        for _ in 0..VISITS {
            let visited = self.visit(client, stream, heartbeats).await?;
            let Visited::Done { written, deadline } = visited else { return Ok(()) };
            tally.transitions += written.transitions;
            tally.notifications += written.notifications;
            tally.streams += 1;
            if !alerts::is_due(client, stream, deadline).await? {
                return Ok(());
            }
        }
        tally.more = true;
        Ok(())
    }

    async fn visit(
        &self,
        client: &mut Client,
        stream: i32,
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Visited, StoreError> {
        let transaction = client.transaction().await?;
        let visit = Visit {
            transaction: &transaction,
            pipeline: &self.config.pipeline,
            watches: &self.config.watches,
            stream,
            now: self.clock.now(),
        };
        let visited = visit.run(heartbeats).await?;
        if let Visited::Done { written: Written { notifications: 1.., .. }, .. } = visited {
            self.prewarm.send();
        }
        transaction.commit().await?;
        crash::point("after-commit");
        Ok(visited)
    }

    /// Each once: the event's own first, then by how long they wait. One more than the limit shows that there are more.
    async fn streams(&self, client: &Client, scope: Scope) -> Result<Vec<i32>, StoreError> {
        let limit = i64::try_from(self.config.max_streams).unwrap_or(i64::MAX).saturating_add(1);
        let mut streams = scope.streams;
        streams.extend(alerts::marked_streams(client, limit).await?);
        let (newest, _) = alerts::heartbeat_count(client, self.clock.now()).await?;
        if let Some(newest) = newest {
            streams.extend(alerts::overdue_streams(client, newest, limit).await?);
        }
        if scope.other_rules {
            let current =
                self.config.watches.iter().map(|watch| (watch.rule.name.clone(), watch.hash.clone()));
            let (names, hashes): (Vec<_>, Vec<_>) = current.unzip();
            streams.extend(alerts::streams_of_other_rules(client, (&names, &hashes), limit).await?);
        }
        let mut seen = BTreeSet::new();
        streams.retain(|stream| seen.insert(*stream));
        Ok(streams)
    }
}
