//! A topic that is read: a reader on a thread of its own, and lanes in which its batches are written.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use kafka::{Batch, Handle, Reader, Shared, TopicGroup};
use persist::Publication;
use pipeline_config::topic::RecordDevice;
use store::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::caught_up::CaughtUp;
use crate::config::FeedConfig;
use crate::feed_parts::FeedParts;
use crate::handler::Handler;
use crate::offsets::Offsets;
use crate::part::Part;

/// Before what failed in a way of its own is tried again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A topic that is read until it is stopped.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    ended: oneshot::Receiver<()>,
    offsets: Arc<Offsets>,
}

impl Feed {
    /// Starts it. Must be called within a Tokio runtime; nothing is waited for.
    pub(crate) fn start(feed: FeedConfig, parts: &Arc<FeedParts>) -> std::io::Result<Self> {
        let FeedParts { database, clock, leave_within, .. } = &**parts;
        let shared = Arc::new(Shared::default());
        let metrics = parts.metrics.of_topic(&feed.topic.name, feed.topic.source.as_deref());
        let offsets = Arc::new(Offsets::new(&feed, database.clone(), (clock.clone(), metrics.clone())));
        let FeedConfig { topic, device, reader, lanes } = feed;
        let caught_up = CaughtUp {
            offsets: Arc::clone(&offsets),
            metrics,
            kafka: reader.kafka.clone(),
            topic: topic.clone(),
            group: TopicGroup { topic: reader.topic.clone(), group: reader.group.clone() },
            database: database.clone(),
            clock: clock.clone(),
        };
        tokio::spawn(caught_up.watch(Arc::clone(&shared)));
        let handler = Arc::new(Handler {
            parts: Arc::clone(parts),
            shared: Arc::clone(&shared),
            offsets: Arc::clone(&offsets),
        });
        let lanes = parts.lanes.clamp(1, lanes);
        let queues: Vec<_> = (0..lanes)
            .map(|_| {
                // The reader bounds how many batches are under way.
                let (queue, batches) = mpsc::unbounded_channel();
                tokio::spawn(lane(Arc::clone(&handler), (topic.clone(), device.clone()), batches));
                queue
            })
            .collect();
        let handle: Handle = Box::new(move |batch: Batch| {
            // An error is a lane that ended with the process.
            let _ = queues[batch.lane].send(batch);
        });
        let reader = Reader::new(reader, (Arc::clone(&shared), offsets.clone()), lanes, handle);
        let (end, ended) = oneshot::channel();
        let (stopping, leave_within) = (Arc::clone(&shared), *leave_within);
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            supervise(&reader, &stopping, leave_within);
            // An error: the end is not waited for any more.
            let _ = end.send(());
        })?;
        Ok(Self { shared, ended, offsets })
    }

    /// Nothing new is begun any more.
    pub(crate) fn end(&self) {
        self.shared.stop();
    }

    /// Finishes what is under way, commits, leaves the group.
    pub(crate) async fn stop(self) {
        self.end();
        // An error is a thread that ended already.
        let _ = self.ended.await;
        self.offsets.unmark().await;
    }
}

/// Handles batches in their order. Their events are published beside the next, which waits for rows alone.
async fn lane(
    handler: Arc<Handler>,
    (topic, device): (Topic, Option<RecordDevice>),
    mut batches: mpsc::UnboundedReceiver<Batch>,
) {
    while let Some(batch) = batches.recv().await {
        let id = batch.id;
        let settled = settle(&handler, Part::of((topic.clone(), device.as_ref()), batch)).await;
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            let safe = match settled {
                Some(publications) => handler.publish(&publications).await,
                None => false,
            };
            handler.shared.change(|progress| progress.end(id, safe));
        });
    }
}

/// Works until the batch is safe, through whatever fails; `None` where the end came first.
async fn settle(handler: &Arc<Handler>, part: Part) -> Option<Vec<Publication>> {
    let part = Arc::new(part);
    loop {
        let (working, part) = (Arc::clone(handler), Arc::clone(&part));
        match tokio::spawn(async move { working.settle(&part).await }).await {
            Ok(settled) => return settled,
            Err(error) => tracing::error!(%error, "a batch panicked"),
        }
        if !handler.shared.pause(RESTART_PAUSE).await {
            return None;
        }
    }
}

/// Reads; a reader that fails for good is replaced by another.
fn supervise(reader: &Reader, shared: &Shared, leave_within: Duration) {
    while !shared.is_stopping() {
        match std::panic::catch_unwind(AssertUnwindSafe(|| reader.run(leave_within))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(%error, "the consumer ended; another takes its place"),
            Err(_) => tracing::error!("the reader panicked; another takes its place"),
        }
        shared.wait(RESTART_PAUSE, |_| shared.is_stopping());
    }
}
