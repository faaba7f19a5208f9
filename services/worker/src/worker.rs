//! Reads payloads from a topic in batches.
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

use kafka::{Batch, Handle, Reader, ReaderConfig, Shared, TopicGroup};
use persist::{Persist, PersistParts, Publication};
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm};
use sink::HttpSink;
use stage::telemetry::Metrics;
use store::Database;
use tokio::sync::{mpsc, oneshot};

use crate::caught_up::CaughtUp;
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
    pub reader: ReaderConfig,
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
    /// What is measured of the topic.
    pub metrics: Metrics,
    /// For what is under way at the end.
    pub leave_within: Duration,
}

/// A worker that reads until it is stopped.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    ended: oneshot::Receiver<()>,
    offsets: Arc<Offsets>,
}

impl Worker {
    /// Starts it. Must be called within a Tokio runtime; nothing is waited for.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(parts: WorkerParts) -> std::io::Result<Self> {
        let WorkerParts { reader, sink, pipeline, database, prewarm, clock, leave_within, .. } = parts;
        let shared = Arc::new(Shared::default());
        let topic: Arc<str> = reader.topic.as_str().into();
        let metrics = parts.metrics.of_topic(&topic);
        let offsets = Arc::new(Offsets::new(
            Arc::clone(&topic),
            reader.kafka.clone(),
            database.clone(),
            (clock.clone(), metrics.clone()),
        ));
        let caught_up = CaughtUp {
            offsets: Arc::clone(&offsets),
            metrics,
            kafka: reader.kafka.clone(),
            group: TopicGroup { topic: reader.topic.clone(), group: reader.group.clone() },
            database: database.clone(),
            clock: clock.clone(),
        };
        tokio::spawn(caught_up.watch(Arc::clone(&shared)));
        let handler = Arc::new(Handler {
            persist: Persist::new(PersistParts {
                pipeline,
                database: database.clone(),
                prewarm,
                stage: STAGE,
            }),
            database,
            sink,
            clock,
            shared: Arc::clone(&shared),
            offsets: Arc::clone(&offsets),
        });
        let lanes = parts.connections.saturating_sub(SPARE_CONNECTIONS).clamp(1, MAX_LANES);
        let queues: Vec<_> = (0..lanes)
            .map(|_| {
                // The reader bounds how many batches are under way.
                let (queue, batches) = mpsc::unbounded_channel();
                tokio::spawn(lane(Arc::clone(&handler), Arc::clone(&topic), batches));
                queue
            })
            .collect();
        let handle: Handle = Box::new(move |batch: Batch| {
            // An error is a lane that ended with the process.
            let _ = queues[batch.lane].send(batch);
        });
        let reader = Reader::new(reader, (Arc::clone(&shared), offsets.clone()), lanes, handle);
        let (end, ended) = oneshot::channel();
        let stopping = Arc::clone(&shared);
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            supervise(&reader, &stopping, leave_within);
            // An error: the end is not waited for any more.
            let _ = end.send(());
        })?;
        Ok(Self { shared, ended, offsets })
    }

    /// Finishes what is under way, commits, leaves the group.
    pub async fn stop(self) {
        self.shared.stop();
        // An error is a thread that ended already.
        let _ = self.ended.await;
        self.offsets.unmark().await;
    }
}

/// Handles batches in their order. Their events are published beside the next, which waits for rows alone.
async fn lane(handler: Arc<Handler>, topic: Arc<str>, mut batches: mpsc::UnboundedReceiver<Batch>) {
    while let Some(batch) = batches.recv().await {
        let id = batch.id;
        let settled = settle(&handler, Part::of(Arc::clone(&topic), batch)).await;
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
