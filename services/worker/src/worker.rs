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

use std::sync::Arc;
use std::time::Duration;

use codecs::Codecs;
use persist::{Persist, PersistParts};
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm};
use sink::HttpSink;
use stage::telemetry::Metrics;
use store::Database;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{FeedConfig, SourceConfig};
use crate::feed::Feed;
use crate::feed_parts::FeedParts;
use crate::source::Source;

/// The stage's name in dead letters.
const STAGE: &str = "worker";

/// Of a connection pool, one is left for other questions.
const SPARE_CONNECTIONS: usize = 1;

/// What a worker is made of.
#[derive(Debug)]
pub struct WorkerParts {
    /// The pipeline's own topic, where it is read.
    pub own: Option<FeedConfig>,
    /// Whose topics are read too.
    pub sources: Vec<SourceConfig>,
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
    own: Option<Feed>,
    sources: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Worker {
    /// Starts it. Must be called within a Tokio runtime; nothing is waited for.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(parts: WorkerParts) -> std::io::Result<Self> {
        let WorkerParts { own, sources, sink, pipeline, database, connections, .. } = parts;
        let WorkerParts { prewarm, clock, metrics, leave_within, .. } = parts;
        let persist = Persist::new(PersistParts {
            pipeline,
            codecs: Codecs::default(),
            database: database.clone(),
            prewarm,
            stage: STAGE,
        });
        let lanes = connections.saturating_sub(SPARE_CONNECTIONS);
        let of_persisting = metrics.of_persisting();
        persist.observe_batches(move |payloads| of_persisting.batch(payloads));
        let parts = Arc::new(FeedParts { persist, sink, database, lanes, clock, metrics, leave_within });
        let own = own.map(|feed| Feed::start(feed, &parts)).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let read = |source| tokio::spawn(Source::new(source, Arc::clone(&parts)).read(stopped.clone()));
        Ok(Self { own, sources: sources.into_iter().map(read).collect(), stop })
    }

    /// Finishes what is under way, commits, leaves the groups.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Some(own) = self.own {
            own.stop().await;
        }
        for source in self.sources {
            if let Err(error) = source.await {
                tracing::error!(%error, "a source did not end in order");
            }
        }
    }
}
