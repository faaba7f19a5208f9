//! What an evaluation reads and writes: requests, series, states, transitions, and the notifications that it queues.
//!
//! Every function takes many streams at once and sends one statement. Those that take a [`Transaction`] rely on the advisory
//! locks of [`lock_shards`]: a stream is read, decided and written by one process at a time.

mod due;
mod heartbeat;
mod moment;
mod queue;
mod request;
mod state;
mod stream;
mod transition;

use deadpool_postgres::GenericClient;
use event_model::alert::AlertId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::StoreError;

pub(crate) use due::MADE_BY;
pub use due::{overdue_streams, requested_streams, states_of_other_rules, streams_of_other_rules};
pub use heartbeat::{heartbeat_count, heartbeats_since, newest_heartbeat};
pub use moment::{ChangedCell, Moments, Span, moments};
pub use queue::{NewNotification, Target, queue_notifications, targets_of};
pub use request::{
    Request, SHARD_LOCK, SHARDS, by_index, devices_put_off, lock_shards, put_off, remove_requests, requests,
    requests_with, shard_of, shorten_request,
};
pub use state::{StateRow, delete_states, states, upsert_states};
pub use stream::{FoundStream, MetricRow, StreamRow, find_streams, forget_emptied, streams, streams_of};
pub use transition::{
    LastFiring, NewTransition, effective_transitions, insert_transitions, last_firings, newest_effective,
    retract,
};

#[cfg(doc)]
use crate::Transaction;

/// Alerts as the columns that `unnest` takes.
fn alert_columns<'i, 'a: 'i>(
    alerts: impl Iterator<Item = &'i AlertId<'a>>,
) -> (Vec<&'a str>, Vec<i32>, Vec<i16>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for AlertId { rule, stream, position } in alerts {
        columns.0.push(*rule);
        columns.1.push(*stream);
        columns.2.push(*position);
    }
    columns
}

async fn query(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}
