use std::sync::Arc;

use jiff::SignedDuration;
use pipeline_config::Pipeline;
use receivers::Outgoing;
use runtime::Clock;
use store::Database;

use crate::waiting::Waiters;

/// Delivers what is due.
pub struct Deliverer {
    /// Where the notifications are.
    pub database: Database,
    /// The receivers and the fallback.
    pub pipeline: Pipeline,
    /// Outgoing connections.
    pub outgoing: Arc<Outgoing>,
    /// The time.
    pub clock: Clock,
    /// How long a group belongs to the process that took it.
    pub lease: SignedDuration,
    /// The deliveries of this process that wait.
    pub waiters: Waiters,
}
