//! What `alert` reads and writes: marks, series, states, transitions, and the notifications that it queues.
//!
//! Every function works within the caller's transaction: one series is read, decided and written under one advisory lock.

mod heartbeat;
mod mark;
mod moment;
mod notice;
mod state;
mod stream;
mod transition;

use deadpool_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

pub use heartbeat::{heartbeat_count, heartbeats_since};
pub use mark::{Mark, active_hash, is_due, mark, marked_streams, remove_mark, try_lock};
pub use moment::{Moments, moments};
pub use notice::{NewNotification, queue_notification, receivers_of};
pub use state::{StateRow, delete_state, overdue_streams, states, streams_of_other_rules, upsert_state};
pub use stream::{MetricRow, StreamRow, stream};
pub use transition::{
    LastFiring, NewTransition, effective_transitions, insert_transition, last_firing, newest_effective,
    retract,
};

async fn query(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, parameters).await
}

async fn execute(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, parameters).await
}
