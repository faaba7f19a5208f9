//! Where a run finds its work, batch by batch: what waits first comes first, a changed file's walk over the fleet comes last.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use futures_util::future::try_join3;
use jiff::Timestamp;
use runtime::Deadline;
use store::alerts::{self, SHARDS, shard_of};
use store::{Client, StoreError, Transaction};

use crate::watched_rules::WatchedRules;

/// Streams in one transaction.
pub(crate) const BATCH: usize = 128;
/// Streams that are looked for at once.
const LOOK: usize = 1000;
/// How often a walk over the fleet says how far it is.
const SAID_EVERY: Duration = Duration::from_secs(5);
/// More states that are left are not counted.
const MOST_COUNTED: i64 = 100_000;

/// The work of a run.
pub(crate) struct Work<'a> {
    rules: &'a WatchedRules,
    /// Batches that were found and not yet taken, each of as few shards as may be.
    batches: VecDeque<Vec<i32>>,
    /// Requests by their tokens that this run has come by: evaluated, or left to the process that has their shard. One that is
    /// renewed has another token.
    requests: HashSet<(i32, i64)>,
    /// The same of deadlines.
    deadlines: HashSet<(i32, Timestamp)>,
    walk: Option<Walk>,
    /// Streams of the walk were left to a process that may not walk.
    has_left: bool,
    /// The shard that comes first: two runs that begin at once take different ones.
    first_shard: i32,
}

/// A walk over the streams that have a state of a changed or removed rule.
struct Walk {
    passed: HashSet<i32>,
    /// Nothing new was found.
    is_over: bool,
    /// From then on it says how far it is.
    said: Deadline,
}

impl<'a> Work<'a> {
    pub(crate) fn new(rules: &'a WatchedRules, other_rules: bool, now: Timestamp) -> Self {
        let walk = Walk { passed: HashSet::new(), is_over: false, said: Deadline::within(SAID_EVERY) };
        Self {
            rules,
            batches: VecDeque::new(),
            requests: HashSet::new(),
            deadlines: HashSet::new(),
            walk: other_rules.then_some(walk),
            has_left: false,
            first_shard: now.subsec_nanosecond() / 1000 % SHARDS,
        }
    }

    /// Whether anything is due: looks for it where nothing is left of what was found before. A run ends with a look that finds nothing:
    /// what another process found locked meanwhile, and left, is found by it.
    pub(crate) async fn is_left(&mut self, client: &mut Client, now: Timestamp) -> Result<bool, StoreError> {
        if self.batches.is_empty() {
            let transaction = Transaction::begin(client).await?;
            let waiting = self.waiting(&transaction, now).await?;
            let room = if waiting.is_empty() { LOOK } else { BATCH };
            self.queue(waiting);
            let walked = self.walk(&transaction, now, room).await?;
            self.queue(walked);
        }
        Ok(!self.batches.is_empty())
    }

    /// The next batch.
    pub(crate) fn take(&mut self) -> Option<Vec<i32>> {
        self.batches.pop_front()
    }

    /// Another process has the shards of these streams. It looks for what waits once it is done; for what a walk is about only where it walks.
    pub(crate) fn leave(&mut self, streams: &[i32]) {
        let is_walked = |stream: &i32| self.walk.as_ref().is_some_and(|walk| walk.passed.contains(stream));
        self.has_left |= streams.iter().any(is_walked);
    }

    /// Whether another run is to walk over what this one has left.
    pub(crate) const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Has this batch taken next.
    pub(crate) fn put_in_front(&mut self, batch: &[i32]) {
        self.batches.push_front(batch.to_vec());
    }

    /// The streams whose request or deadline this run has not come by.
    async fn waiting(
        &mut self,
        transaction: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<Vec<i32>, StoreError> {
        let ((), requested, overdue) = try_join3(
            alerts::by_index(transaction),
            alerts::requested_streams(transaction, now, limit(LOOK + self.requests.len())),
            alerts::overdue_streams(transaction, now, limit(LOOK + self.deadlines.len())),
        )
        .await?;
        let requested = pass(&mut self.requests, requested).map(|(stream, _)| stream);
        Ok(requested.chain(pass(&mut self.deadlines, overdue).map(|(stream, _)| stream)).collect())
    }

    /// Up to `most` streams with a state of another rule.
    async fn walk(
        &mut self,
        transaction: &Transaction<'_>,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<i32>, StoreError> {
        let Some(Walk { passed, is_over: is_over @ false, said }) = &mut self.walk else {
            return Ok(Vec::new());
        };
        let current = self.rules.iter().map(|watched| (watched.rule.name.clone(), watched.hash.clone()));
        let (names, hashes): (Vec<_>, Vec<_>) = current.unzip();
        // A stream has a state for each rule and series, and what another process has just walked over is still among them.
        let found =
            alerts::streams_of_other_rules(transaction, (&names, &hashes), now, limit(most + passed.len()))
                .await?;
        let new: Vec<_> = pass(passed, found).collect();
        if new.is_empty() {
            *is_over = true;
        } else if said.left().is_zero() {
            *said = Deadline::within(SAID_EVERY);
            let left = alerts::states_of_other_rules(transaction, (&names, &hashes), MOST_COUNTED).await?;
            let more = left == MOST_COUNTED;
            tracing::info!(left, more, "states of changed rules are evaluated anew");
        }
        Ok(new)
    }

    /// Queues streams in batches by their shards.
    fn queue(&mut self, mut streams: Vec<i32>) {
        let rank = |stream: &i32| ((shard_of(*stream) - self.first_shard).rem_euclid(SHARDS), *stream);
        streams.sort_unstable_by_key(rank);
        streams.dedup();
        self.batches.extend(streams.chunks(BATCH).map(<[i32]>::to_vec));
    }
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// What of `found` was not passed; from then on it is. What is not found any more is forgotten.
fn pass<T: Copy + Eq + Hash>(passed: &mut HashSet<T>, found: Vec<T>) -> impl Iterator<Item = T> {
    let before = std::mem::replace(passed, found.iter().copied().collect());
    found.into_iter().filter(move |one| !before.contains(one))
}
