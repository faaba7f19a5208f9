//! The heartbeats, kept for the streams of one run: read no further back than its silences ask for.

use jiff::{SignedDuration, Timestamp};
use rules::Heartbeats;
use rules::heartbeat::widest_gap;
use store::alerts::{heartbeat_count, heartbeats_since};
use store::{StoreError, Transaction};

/// What has been read so far.
#[derive(Debug)]
pub(crate) struct HeartbeatCache {
    tick: SignedDuration,
    read: Option<Read>,
}

#[derive(Debug)]
struct Read {
    /// The silences asked for so far begin no earlier.
    begin: Timestamp,
    /// Heartbeats from here on were read.
    reach: Timestamp,
    /// The newest of all, and how many there are from `reach` on.
    count: (Option<Timestamp>, i64),
    known: Heartbeats,
}

impl HeartbeatCache {
    pub(crate) fn new(tick: SignedDuration) -> Self {
        Self { tick, read: None }
    }

    /// The heartbeats: the newest in any case, and all that count for a silence which began at `since`.
    ///
    /// Asked for under the locks of the streams that they are for: what another process decided there with a newer heartbeat must
    /// not be retracted for want of it. Where nothing is new, that costs one look.
    pub(crate) async fn known(
        &mut self,
        transaction: &Transaction<'_>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<&Heartbeats, StoreError> {
        let begin = since.map_or(now, |since| since.min(now));
        let fresh = match self.read.take() {
            Some(read)
                if read.begin <= begin && heartbeat_count(transaction, read.reach).await? == read.count =>
            {
                read
            }
            read => {
                let begin = read.map_or(begin, |read| read.begin.min(begin));
                self.read(transaction, begin, now).await?
            }
        };
        Ok(&self.read.insert(fresh).known)
    }

    async fn read(
        &self,
        transaction: &Transaction<'_>,
        begin: Timestamp,
        now: Timestamp,
    ) -> Result<Read, StoreError> {
        let (newest, _) = heartbeat_count(transaction, begin).await?;
        // Two gaps more, so that a run which `begin` lies in is seen to have begun before it.
        let gap = widest_gap(self.tick);
        let oldest = newest.map_or(begin, |newest| newest.min(begin));
        let reach = oldest.checked_sub(gap).and_then(|at| at.checked_sub(gap)).unwrap_or(oldest);
        let instants = heartbeats_since(transaction, reach).await?;
        let count = (instants.last().copied(), i64::try_from(instants.len()).unwrap_or(i64::MAX));
        Ok(Read { begin, reach, count, known: Heartbeats::new(instants, self.tick, now) })
    }
}
