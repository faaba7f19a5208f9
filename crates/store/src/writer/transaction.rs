//! One transaction for a batch of payloads.
//!
//! ```text
//! optimistic:  begin, insert all ──┬─ nothing was there before ───> commit
//!              (one round trip)    └─ a key was taken ──> roll back ─┐
//!                      ┌─────────────────────────────────────────┘
//! upsert:  begin, take keys, write all ──┬─ every key was free ──> commit
//!           (one round trip)      ^      └─ some were not ──> roll back ─┐
//!                                 └─────── without the duplicates ───────┘
//! ```
//!
//! Duplicates are rare, and a round trip costs as much as a hundred rows: nothing waits for which keys were free. An insert
//! that need not look for what is there before (`on conflict`) costs PostgreSQL a third less.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::Client;
use futures_util::try_join;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use super::payload::Payload;
use super::{Written, batch, statements, tables};
use crate::dead_letters;

/// Batches that are upserted after one in which something was there before: repetitions come in flocks.
const UPSERT_BATCHES: u32 = 32;

/// How the next batch is inserted: as if nothing were there, or looking for what is.
#[derive(Debug, Default)]
pub(super) struct InsertStrategy {
    /// Batches that are still to be upserted.
    upserts: AtomicU32,
}

impl InsertStrategy {
    /// Whether the next batch is inserted as if nothing of it were there.
    fn next_is_optimistic(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.upserts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
    }

    fn met_existing(&self) {
        self.upserts.store(UPSERT_BATCHES, Ordering::Relaxed);
    }
}

/// Writes the payloads, whose keys differ; what became of each, in their order.
pub(super) async fn write(
    client: &Client,
    strategy: &InsertStrategy,
    payloads: &[&Payload],
) -> Result<Vec<Written>, Error> {
    if strategy.next_is_optimistic() {
        match optimistic(client, payloads).await {
            Ok(()) => {
                client.batch_execute("commit").await?;
                return Ok(vec![Written::Stored; payloads.len()]);
            }
            Err(error) => {
                roll_back(client).await;
                if error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                    return Err(error);
                }
                strategy.met_existing();
            }
        }
    }
    upsert(client, payloads).await
}

/// Everything but the commit, as if nothing of it were there; a unique violation where something is.
async fn optimistic(client: &Client, payloads: &[&Payload]) -> Result<(), Error> {
    let statements = Prepared::on(client, &statements::OPTIMISTIC).await?;
    let rows = batch::rows(payloads);
    // Sent in this order, which is that of the locks.
    try_join!(
        client.batch_execute("begin"),
        tables::keys(client, &statements.keys, payloads),
        tables::receipts(client, &statements.receipts, payloads),
        tables::fresh_moments(client, &statements.rows, &rows),
        statements.write_the_rest(client, payloads),
    )?;
    Ok(())
}

async fn upsert(client: &Client, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    let statements = Prepared::on(client, &statements::UPSERT).await?;
    let mut duplicates: HashSet<Uuid> = HashSet::new();
    loop {
        let open: Vec<&Payload> =
            payloads.iter().filter(|payload| !duplicates.contains(&payload.receipt.id)).copied().collect();
        if open.is_empty() {
            break;
        }
        let free = match attempt(client, &statements, &open).await {
            Ok(free) => free,
            Err(error) => {
                roll_back(client).await;
                return Err(error);
            }
        };
        let taken = open.iter().map(|payload| payload.receipt.id).filter(|id| !free.contains(id));
        let known = duplicates.len();
        duplicates.extend(taken);
        if duplicates.len() == known {
            client.batch_execute("commit").await?;
            break;
        }
        client.batch_execute("rollback").await?;
    }
    let is_duplicate = |payload: &&Payload| duplicates.contains(&payload.receipt.id);
    Ok(payloads
        .iter()
        .map(|payload| if is_duplicate(payload) { Written::Duplicate } else { Written::Stored })
        .collect())
}

/// Everything but the commit; the receipts whose keys were free.
async fn attempt(
    client: &Client,
    statements: &Prepared,
    payloads: &[&Payload],
) -> Result<HashSet<Uuid>, Error> {
    let rows = batch::rows(payloads);
    // Sent in this order, which is that of the locks.
    let (_, free, ..) = try_join!(
        client.batch_execute("begin"),
        tables::keys(client, &statements.keys, payloads),
        tables::receipts(client, &statements.receipts, payloads),
        tables::moments(client, &statements.rows, &rows),
        statements.write_the_rest(client, payloads),
    )?;
    Ok(free)
}

/// After an error, which is the answer already. What is still on its way is answered before; a connection on which even
/// this fails is closed, and the pool drops it.
async fn roll_back(client: &Client) {
    if let Err(error) = client.batch_execute("rollback").await {
        tracing::debug!(%error, "not rolled back");
    }
}

/// The statements of one strategy, prepared once a connection.
struct Prepared {
    keys: Statement,
    receipts: Statement,
    rows: Statement,
    evaluation_requests: Statement,
    dead_letters: Statement,
    seen: Statement,
}

impl Prepared {
    async fn on(client: &Client, [keys, receipts, rows]: &[&str; 3]) -> Result<Self, Error> {
        let (keys, receipts, rows, evaluation_requests, dead_letters, seen) = try_join!(
            client.prepare_cached(keys),
            client.prepare_cached(receipts),
            client.prepare_cached(rows),
            client.prepare_cached(statements::EVALUATION_REQUESTS),
            client.prepare_cached(dead_letters::KEEP),
            client.prepare_cached(statements::SEEN),
        )?;
        Ok(Self { keys, receipts, rows, evaluation_requests, dead_letters, seen })
    }

    /// What both strategies write alike.
    async fn write_the_rest(&self, client: &Client, payloads: &[&Payload]) -> Result<(), Error> {
        let dead_letters = batch::dead_letters(payloads);
        try_join!(
            tables::evaluation_requests(client, &self.evaluation_requests, payloads),
            dead_letters::keep_all(client, &self.dead_letters, &dead_letters),
            tables::seen(client, &self.seen, payloads),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{InsertStrategy, UPSERT_BATCHES};

    #[test]
    fn after_a_repetition_some_batches_are_upserted() {
        let strategy = InsertStrategy::default();
        assert!(strategy.next_is_optimistic() && strategy.next_is_optimistic());
        strategy.met_existing();
        assert!((0..UPSERT_BATCHES).all(|_| !strategy.next_is_optimistic()));
        assert!(strategy.next_is_optimistic());
    }
}
