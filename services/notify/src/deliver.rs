//! Delivers what is due: each receiver in rounds of its own, so that one which hangs holds up no other, and waits for what
//! is due soon.

use std::collections::BTreeSet;
use std::time::Duration;

use event_model::events::NotificationFailed;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use runtime::{Clock, Deadline};
use store::StoreError;
use store::notifications::{self, Due};

use crate::deliverer::Deliverer;
use crate::round::{Round, Rounded};
use crate::waiting::Turn;

/// No round is begun with less time: an attempt would be cut off that needed no more than usual.
const SHORTEST_ROUND: Duration = Duration::from_secs(5);

/// The rounds that run, one a receiver.
#[derive(Default)]
struct Rounds<'a> {
    running: FuturesUnordered<BoxFuture<'a, (String, Result<Rounded, StoreError>)>>,
    busy: BTreeSet<String>,
    /// Another process has what was due of these; time must pass before it can be due again.
    taken_elsewhere: BTreeSet<String>,
}

impl Deliverer {
    /// Delivers until nothing is due within the time that is left; what is due later is due at a tick. Returns what was
    /// given up.
    ///
    /// # Errors
    /// [`StoreError`], after the rounds that ran have ended: what was taken comes back when its lease runs out.
    pub async fn deliver_due(&self, deadline: Deadline) -> Result<Vec<NotificationFailed>, StoreError> {
        let until = self.waits_until(deadline);
        let mut given_up = Vec::new();
        let mut failure = None;
        let mut rounds = Rounds::default();
        loop {
            let next = match &failure {
                None => match self.start_due(&mut rounds, deadline).await {
                    Ok(next) => next.filter(|at| *at <= until),
                    Err(error) => {
                        failure = Some(error);
                        None
                    }
                },
                Some(_) => None,
            };
            let turn = next.and_then(|at| Some((self.waiters.enter(at, until)?, at)));
            tokio::select! {
                Some((receiver, rounded)) = rounds.running.next(), if !rounds.running.is_empty() => {
                    rounds.busy.remove(&receiver);
                    match rounded {
                        Ok(Rounded::Nothing) => { rounds.taken_elsewhere.insert(receiver); }
                        Ok(Rounded::GivenUp(more)) => given_up.extend(more),
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
                () = wait(turn.as_ref(), &self.clock), if turn.is_some() => rounds.taken_elsewhere.clear(),
                else => break,
            }
        }
        failure.map_or(Ok(given_up), Err)
    }

    /// The last time at which a round can still begin.
    fn waits_until(&self, deadline: Deadline) -> Timestamp {
        let now = self.clock.now();
        if !self.clock.goes_on() {
            return now;
        }
        let left =
            SignedDuration::try_from(deadline.left().saturating_sub(SHORTEST_ROUND)).unwrap_or_default();
        now.checked_add(left).unwrap_or(now)
    }

    /// Starts a round for each receiver that has something due and none running; gives when the next of the others has.
    async fn start_due<'a>(
        &'a self,
        rounds: &mut Rounds<'a>,
        deadline: Deadline,
    ) -> Result<Option<Timestamp>, StoreError> {
        if !deadline.allows(SHORTEST_ROUND) {
            return Ok(None);
        }
        let now = self.clock.now();
        let client = self.database.client().await?;
        let schedule = notifications::schedule(&**client, now).await?;
        drop(client);
        let mut next = None;
        for Due { receiver, at } in schedule {
            if rounds.busy.contains(&receiver) || (at <= now && rounds.taken_elsewhere.contains(&receiver)) {
                continue;
            }
            if at > now {
                next = next.or(Some(at));
                continue;
            }
            rounds.busy.insert(receiver.clone());
            rounds.running.push(Box::pin(async move {
                let rounded = Round::new(self, &receiver, deadline).run().await;
                (receiver, rounded)
            }));
        }
        Ok(next)
    }
}

async fn wait(turn: Option<&(Turn<'_>, Timestamp)>, clock: &Clock) {
    if let Some((turn, at)) = turn {
        turn.wait(clock, *at).await;
    }
}
