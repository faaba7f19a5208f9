//! The heartbeats, kept for the streams of one event: read no further back than its silences ask for.

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use rules::Heartbeats;
use rules::heartbeat::widest_gap;
use store::alerts::{heartbeat_count, heartbeats_since};
use tokio_postgres::Error;

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
    /// Asked for under the lock of the stream that they are for: what another process decided there with a newer heartbeat must
    /// not be retracted for want of it. Where nothing is new, that costs one look.
    pub(crate) async fn known(
        &mut self,
        client: &impl GenericClient,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<&Heartbeats, Error> {
        let begin = since.map_or(now, |since| since.min(now));
        let fresh = match self.read.take() {
            Some(read) if read.begin <= begin && heartbeat_count(client, read.reach).await? == read.count => {
                read
            }
            read => {
                let begin = read.map_or(begin, |read| read.begin.min(begin));
                self.read(client, begin, now).await?
            }
        };
        Ok(&self.read.insert(fresh).known)
    }

    async fn read(
        &self,
        client: &impl GenericClient,
        begin: Timestamp,
        now: Timestamp,
    ) -> Result<Read, Error> {
        let (newest, _) = heartbeat_count(client, begin).await?;
        // Two gaps more, so that a run which `begin` lies in is seen to have begun before it.
        let gap = widest_gap(self.tick);
        let oldest = newest.map_or(begin, |newest| newest.min(begin));
        let reach = oldest.checked_sub(gap).and_then(|at| at.checked_sub(gap)).unwrap_or(oldest);
        let instants = heartbeats_since(client, reach).await?;
        let count = (instants.last().copied(), i64::try_from(instants.len()).unwrap_or(i64::MAX));
        Ok(Read { begin, reach, count, known: Heartbeats::new(instants, self.tick, now) })
    }
}
