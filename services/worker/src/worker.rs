//! Reads payloads from a topic in batches.
//!
//! ```text
//! reader (one thread, owns the consumer)          batches under way (tasks)
//!   poll ─> a batch of records ──────────────────> decode ─> one transaction ─> dead letters ─> events
//!   commit offsets <── everything below is safe <──────────────────────────────────────────────────┘
//! ```
//!
//! An offset is committed only when rows, dead letters and events of everything below it are safe: a worker that dies
//! has its last records read again, and their keys are claimed already.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kafka::{Handle, Reader, ReaderConfig, Shared, TopicGroup};
use persist::{Persist, PersistParts, TopicRecord};
use pipeline_config::Pipeline;
use runtime::{Attempts, Clock, Prewarm};
use sink::HttpSink;
use store::Database;
use tokio::sync::oneshot;

use crate::caught_up::CaughtUp;
use crate::handler::Handler;
use crate::record::topic_record;

/// The stage's name in dead letters.
const STAGE: &str = "worker";

/// Before what failed in a way of its own is tried again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Of a connection pool, one is left for other questions.
const SPARE_CONNECTIONS: usize = 1;
/// More batches under way fill nothing but memory.
const MAX_UNDER_WAY: usize = 4;

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
    /// For what is under way at the end.
    pub leave_within: Duration,
    /// A folder that outlives the process, where it is counted which records end it.
    pub scratch: Option<PathBuf>,
}

/// A worker that reads until it is stopped.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    ended: oneshot::Receiver<()>,
    attempts: Arc<Attempts>,
}

impl Worker {
    /// Starts it. Must be called within a Tokio runtime; nothing is waited for.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(parts: WorkerParts) -> std::io::Result<Self> {
        let WorkerParts { reader, sink, pipeline, database, prewarm, clock, leave_within, .. } = parts;
        let shared = Arc::new(Shared::default());
        let caught_up = CaughtUp {
            kafka: reader.kafka.clone(),
            group: TopicGroup { topic: reader.topic.clone(), group: reader.group.clone() },
            database: database.clone(),
            clock: clock.clone(),
        };
        tokio::spawn(caught_up.watch(Arc::clone(&shared)));
        let room = parts.connections.saturating_sub(SPARE_CONNECTIONS).clamp(1, MAX_UNDER_WAY);
        let attempts = Arc::new(Attempts::open(parts.scratch.as_deref(), room * reader.batch));
        let handler = Arc::new(Handler {
            persist: Persist::new(PersistParts { pipeline, database, prewarm, stage: STAGE }),
            sink,
            clock,
            shared: Arc::clone(&shared),
            attempts: Arc::clone(&attempts),
        });
        let runtime = tokio::runtime::Handle::current();
        let ending = Arc::clone(&shared);
        let handle: Handle = Box::new(move |batch, records| {
            let (handler, shared) = (Arc::clone(&handler), Arc::clone(&ending));
            runtime.spawn(async move {
                let records = records.into_iter().map(topic_record).collect();
                let safe = settle(&handler, &shared, records).await;
                shared.change(|progress| progress.end(batch, safe));
            });
        });
        let reader = Reader::new(reader, Arc::clone(&shared), room, handle);
        let (end, ended) = oneshot::channel();
        let stopping = Arc::clone(&shared);
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            supervise(&reader, &stopping, leave_within);
            // An error: the end is not waited for any more.
            let _ = end.send(());
        })?;
        Ok(Self { shared, ended, attempts })
    }

    /// Finishes what is under way, commits, leaves the group.
    pub async fn stop(self) {
        self.shared.stop();
        // An error is a thread that ended already.
        let _ = self.ended.await;
        self.attempts.close();
    }
}

/// Works until the batch is safe, through whatever fails; `false` where the end came first.
async fn settle(handler: &Arc<Handler>, shared: &Shared, records: Vec<TopicRecord>) -> bool {
    let records: Arc<[TopicRecord]> = records.into();
    loop {
        let (handler, records) = (Arc::clone(handler), Arc::clone(&records));
        match tokio::spawn(async move { handler.settle(&records).await }).await {
            Ok(safe) => return safe,
            Err(error) => tracing::error!(%error, "a batch panicked"),
        }
        if !shared.pause(RESTART_PAUSE).await {
            return false;
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
