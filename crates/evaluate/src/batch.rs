//! A batch of streams: read, decided and written in one transaction, under their locks.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join4;
use jiff::Timestamp;
use runtime::crash;
use store::StoreError;
use store::alerts::{self, Moments, Request};

use crate::examine::{Decided, Examination, LONGEST, Loaded, MOST_AT_ALL, MOST_MOMENTS, Read};
use crate::heartbeats::HeartbeatCache;
use crate::plan::Plan;
use crate::write::{Changes, Written};

/// Moments that are held in memory for one stream. What has more of them unseen is evaluated as it stood at one time after the other;
/// up to [`MOST_AT_ALL`] are read where so many lie in the lateness window before the first that is unseen.
const MOST_ALONE: usize = 100_000;

/// What an evaluation of a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// Streams that had something unseen, or a deadline that was reached, or a state of another rule.
    pub(crate) streams: usize,
    /// Those in a shard that another process has.
    pub(crate) left: Vec<i32>,
    /// It was one stream, of which more is unseen.
    pub(crate) is_part: bool,
    /// Since when the oldest of the requests waited.
    pub(crate) oldest: Option<Timestamp>,
    /// What was written.
    pub(crate) written: Written,
}

/// A batch under way. The transaction is the caller's to commit.
pub(crate) struct Batch<'a>(pub(crate) Examination<'a>);

impl<'a> Batch<'a> {
    /// Evaluates the streams but for those in a shard that another process has; `None` where they have more moments than fit beside
    /// each other, and nothing was done.
    pub(crate) async fn evaluate(
        &self,
        streams: &[i32],
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Evaluated>, StoreError> {
        let Examination { pipeline, transaction, now, .. } = self.0;
        let shards: BTreeSet<_> = streams.iter().map(|stream| alerts::shard_of(*stream)).collect();
        let limit = u32::try_from(LONGEST.as_millis()).unwrap_or(u32::MAX);
        let locked = alerts::lock_shards(transaction, &shards, limit).await?;
        let is_locked = |stream: &i32| locked.contains(&alerts::shard_of(*stream));
        let (locked, left): (Vec<i32>, Vec<i32>) = streams.iter().partition(|stream| is_locked(stream));
        if locked.is_empty() {
            return Ok(Some(Evaluated { left, ..Evaluated::default() }));
        }
        let (plans, requests) = self.plan(&locked).await?;
        let alone = requests.iter().next().filter(|_| locked.len() == 1);
        let Some(read) = self.moments(&plans, locked.len(), alone).await? else { return Ok(None) };
        let Decided { decisions, until } = self.0.decide(&plans, read, heartbeats).await?;
        crash::point("before-write");
        let is_due = |stream: &&i32| requests.contains_key(stream) || plans.contains_key(stream);
        let streams = locked.iter().filter(is_due).count();
        let written = if plans.is_empty() {
            Written::default()
        } else {
            let changes = Changes { pipeline, plans: &plans, decisions, requests: &requests, now };
            changes.write(transaction).await?
        };
        match (until, alone) {
            (Some(seen), Some((stream, request))) => {
                alerts::shorten_request(transaction, *stream, request, seen).await?;
            }
            _ => alerts::remove_requests(transaction, &requests).await?,
        }
        let oldest = requests.values().map(|request| request.requested_at).min();
        Ok(Some(Evaluated { streams, left, is_part: until.is_some(), oldest, written }))
    }

    /// The work on each stream that has any, and the requests that are answered by it.
    async fn plan(
        &self,
        streams: &[i32],
    ) -> Result<(BTreeMap<i32, Plan<'a>>, BTreeMap<i32, Request>), StoreError> {
        let transaction = self.0.transaction;
        let (requests, states, streams, heartbeat) = try_join4(
            alerts::requests(transaction, streams),
            alerts::states(transaction, streams),
            alerts::streams(transaction, streams),
            alerts::newest_heartbeat(transaction),
        )
        .await?;
        Ok(self.0.plan(Loaded { requests, states, streams, heartbeat }))
    }

    /// The moments that the plans need; `None` where those of several streams are too many. Those of one stream `alone` with a request are
    /// cut where they are too many, and the time of the last one stands beside them.
    async fn moments(
        &self,
        plans: &BTreeMap<i32, Plan<'_>>,
        streams: usize,
        alone: Option<(&i32, &Request)>,
    ) -> Result<Option<Read>, StoreError> {
        let spans = self.0.spans(plans);
        if spans.is_empty() {
            return Ok(Some((BTreeMap::new(), None)));
        }
        let most = if streams > 1 { MOST_MOMENTS } else { MOST_ALONE };
        let (moments, is_all) = alerts::moments(self.0.transaction, &spans, most).await?;
        if is_all {
            return Ok(Some((moments, None)));
        }
        if streams > 1 {
            return Ok(None);
        }
        let until = moments.values().filter_map(Moments::newest).max();
        // The request gets on where some of what is unseen is among them.
        let until = until.filter(|until| alone.is_some_and(|(_, request)| request.from <= *until));
        if until.is_some() {
            return Ok(Some((moments, until)));
        }
        let (moments, is_all) = alerts::moments(self.0.transaction, &spans, MOST_AT_ALL).await?;
        if is_all { Ok(Some((moments, None))) } else { Err(StoreError::TooManyMoments { most: MOST_AT_ALL }) }
    }
}
