//! Reads payloads from topics in batches: for each topic a reader, and lanes in which its batches are written.
//!
//! ```text
//! reader (one thread, owns the consumer)        lanes (tasks), each partition in one of them
//!   take ─> epoch, where to read from
//!   poll ─> a batch of records a lane ─────────> mark ─> decode ─> one transaction: rows, dead letters, offsets ─> events
//!   commit what Kafka shows as the lag <── safe <──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The offset that counts is in the transaction of the rows: a worker that dies goes on behind the last of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use kafka::{Batch, Handle, Reader, Shared, TopicGroup};
use persist::{Persist, PersistParts, Publication};
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm};
use sink::HttpSink;
use stage::telemetry::Metrics;
use store::{Database, Topic};
use tokio::sync::{mpsc, oneshot};

use crate::caught_up::CaughtUp;
use crate::config::FeedConfig;
use crate::handler::Handler;
use crate::offsets::Offsets;
use crate::part::Part;

/// The stage's name in dead letters.
const STAGE: &str = "worker";

/// Before what failed in a way of its own is tried again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Of a connection pool, one is left for other questions.
const SPARE_CONNECTIONS: usize = 1;
/// More transactions under way fill nothing but memory.
const MAX_LANES: usize = 4;

/// What a worker is made of.
#[derive(Debug)]
pub struct WorkerParts {
    /// What is read.
    pub feeds: Vec<FeedConfig>,
    /// Where events go.
    pub sink: HttpSink,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Where rows go.
    pub database: Database,
    /// Connections to it that this process may have.
    pub connections: usize,
    /// Stages that start while readings are written that a rule watches.
    pub prewarm: Prewarm,
    /// The time.
    pub clock: Clock,
    /// What is measured of the topics.
    pub metrics: Metrics,
    /// For what is under way at the end.
    pub leave_within: Duration,
}

/// A worker that reads until it is stopped.
#[derive(Debug)]
pub struct Worker {
    feeds: Vec<Feed>,
}

/// A topic that is read.
#[derive(Debug)]
struct Feed {
    shared: Arc<Shared>,
    ended: oneshot::Receiver<()>,
    offsets: Arc<Offsets>,
}

impl Worker {
    /// Starts it. Must be called within a Tokio runtime; nothing is waited for.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(mut parts: WorkerParts) -> std::io::Result<Self> {
        let feeds = std::mem::take(&mut parts.feeds);
        let persist = Arc::new(Persist::new(PersistParts {
            pipeline: parts.pipeline.clone(),
            database: parts.database.clone(),
            prewarm: parts.prewarm.clone(),
            stage: STAGE,
        }));
        let feeds = feeds.into_iter().map(|feed| Feed::start(feed, &persist, &parts));
        Ok(Self { feeds: feeds.collect::<Result<_, _>>()? })
    }

    /// Finishes what is under way, commits, leaves the groups.
    pub async fn stop(self) {
        self.feeds.iter().for_each(|feed| feed.shared.stop());
        for feed in self.feeds {
            // An error is a thread that ended already.
            let _ = feed.ended.await;
            feed.offsets.unmark().await;
        }
    }
}

impl Feed {
    fn start(feed: FeedConfig, persist: &Arc<Persist>, parts: &WorkerParts) -> std::io::Result<Self> {
        let WorkerParts { sink, database, clock, .. } = parts;
        let leave_within = parts.leave_within;
        let shared = Arc::new(Shared::default());
        let metrics = parts.metrics.of_topic(&feed.topic.name);
        let of_offsets = (clock.clone(), metrics.clone());
        let offsets = Arc::new(Offsets::new(&feed, database.clone(), of_offsets));
        let FeedConfig { topic, reader, .. } = feed;
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
            persist: Arc::clone(persist),
            database: database.clone(),
            sink: sink.clone(),
            clock: clock.clone(),
            shared: Arc::clone(&shared),
            offsets: Arc::clone(&offsets),
        });
        let lanes = parts.connections.saturating_sub(SPARE_CONNECTIONS).clamp(1, MAX_LANES);
        let queues: Vec<_> = (0..lanes)
            .map(|_| {
                // The reader bounds how many batches are under way.
                let (queue, batches) = mpsc::unbounded_channel();
                tokio::spawn(lane(Arc::clone(&handler), topic.clone(), batches));
                queue
            })
            .collect();
        let handle: Handle = Box::new(move |batch: Batch| {
            // An error is a lane that ended with the process.
            let _ = queues[batch.lane].send(batch);
        });
        let reader = Reader::new(reader, (Arc::clone(&shared), offsets.clone()), lanes, handle);
        let (end, ended) = oneshot::channel();
        let (stopping, noting) = (Arc::clone(&shared), Arc::clone(&offsets));
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            begin(&noting, &stopping);
            supervise(&reader, &stopping, leave_within);
            // An error: the end is not waited for any more.
            let _ = end.send(());
        })?;
        Ok(Self { shared, ended, offsets })
    }
}

/// Handles batches in their order. Their events are published beside the next, which waits for rows alone.
async fn lane(handler: Arc<Handler>, topic: Topic, mut batches: mpsc::UnboundedReceiver<Batch>) {
    while let Some(batch) = batches.recv().await {
        let id = batch.id;
        let settled = settle(&handler, Part::of(topic.clone(), batch)).await;
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

/// Notes that the source is there, before the first of its records is read.
fn begin(offsets: &Offsets, shared: &Shared) {
    while let Err(error) = offsets.note_source() {
        let error: &dyn std::error::Error = &*error;
        tracing::warn!(error, "it cannot be noted that a source's topic is read");
        shared.wait(RESTART_PAUSE, |_| shared.is_stopping());
        if shared.is_stopping() {
            return;
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
