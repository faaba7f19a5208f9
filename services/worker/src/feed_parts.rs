//! What the feeds of a worker share.

use std::time::Duration;

use persist::Persist;
use runtime::Clock;
use sink::HttpSink;
use stage::telemetry::Metrics;
use store::Database;

/// What feeds have in common.
#[derive(Debug)]
pub(crate) struct FeedParts {
    pub(crate) persist: Persist,
    pub(crate) sink: HttpSink,
    pub(crate) database: Database,
    /// Transactions that may be under way at once.
    pub(crate) lanes: usize,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// For what is under way at the end.
    pub(crate) leave_within: Duration,
}
