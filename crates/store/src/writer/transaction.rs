//! One transaction for a batch of payloads.
//!
//! ```text
//! plain:    begin, insert all ──┬─ nothing was there before ──────> commit
//!            (one round trip)   └─ a key was taken ──> roll back ─┐
//!                        ┌──────────────────────────────────────┘
//! careful:  begin, claim, write all ──┬─ every key was free ──> commit
//!            (one round trip)    ^    └─ some were not ──> roll back ─┐
//!                                └──────── without the duplicates ────┘
//! ```
//!
//! Duplicates are rare, and a round trip costs as much as a hundred rows: nothing waits for the claim's answer. An insert
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

/// Batches that are written carefully after one in which something was there before: repetitions come in flocks.
const CAREFUL_BATCHES: u32 = 32;

/// Which way batches are written.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Batches that are still to be written carefully.
    careful: AtomicU32,
}

impl Way {
    /// Whether the next batch is to be written plainly.
    fn next_is_plain(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.careful.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
    }

    fn met_something(&self) {
        self.careful.store(CAREFUL_BATCHES, Ordering::Relaxed);
    }
}

/// Writes the payloads, whose claims differ; what became of each, in their order.
pub(super) async fn write(client: &Client, way: &Way, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    if way.next_is_plain() {
        match plain(client, payloads).await {
            Ok(()) => {
                client.batch_execute("commit").await?;
                return Ok(vec![Written::Stored; payloads.len()]);
            }
            Err(error) => {
                roll_back(client).await;
                if error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                    return Err(error);
                }
                way.met_something();
            }
        }
    }
    careful(client, payloads).await
}

/// Everything but the commit, as if nothing of it were there; a unique violation where something is.
async fn plain(client: &Client, payloads: &[&Payload]) -> Result<(), Error> {
    let statements = Prepared::on(client, &statements::PLAIN).await?;
    let rows = batch::rows(payloads);
    // Sent in this order, which is that of the locks.
    try_join!(
        client.batch_execute("begin"),
        tables::claim(client, &statements.claim, payloads),
        tables::receipts(client, &statements.receipts, payloads),
        tables::fresh_readings(client, &statements.rows, &rows),
        statements.write_the_rest(client, payloads),
    )?;
    Ok(())
}

async fn careful(client: &Client, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    let statements = Prepared::on(client, &statements::CAREFUL).await?;
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
        tables::claim(client, &statements.claim, payloads),
        tables::receipts(client, &statements.receipts, payloads),
        tables::readings(client, &statements.rows, &rows),
        statements.write_the_rest(client, payloads),
    )?;
    Ok(free)
}

/// After an error, which is told already. What is still on its way is answered before; a connection on which even
/// this fails is closed, and the pool drops it.
async fn roll_back(client: &Client) {
    if let Err(error) = client.batch_execute("rollback").await {
        tracing::debug!(%error, "not rolled back");
    }
}

/// The statements of one way, prepared once a connection.
struct Prepared {
    claim: Statement,
    receipts: Statement,
    rows: Statement,
    marks: Statement,
    dead_letters: Statement,
    seen: Statement,
}

impl Prepared {
    async fn on(client: &Client, [claim, receipts, rows]: &[&str; 3]) -> Result<Self, Error> {
        let (claim, receipts, rows, marks, dead_letters, seen) = try_join!(
            client.prepare_cached(claim),
            client.prepare_cached(receipts),
            client.prepare_cached(rows),
            client.prepare_cached(statements::MARKS),
            client.prepare_cached(dead_letters::KEEP),
            client.prepare_cached(statements::SEEN),
        )?;
        Ok(Self { claim, receipts, rows, marks, dead_letters, seen })
    }

    /// What is written in the same words either way.
    async fn write_the_rest(&self, client: &Client, payloads: &[&Payload]) -> Result<(), Error> {
        let letters = batch::letters(payloads);
        try_join!(
            tables::marks(client, &self.marks, payloads),
            dead_letters::keep_all(client, &self.dead_letters, &letters),
            tables::seen(client, &self.seen, payloads),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{CAREFUL_BATCHES, Way};

    #[test]
    fn after_a_repetition_some_batches_are_written_carefully() {
        let way = Way::default();
        assert!(way.next_is_plain() && way.next_is_plain());
        way.met_something();
        assert!((0..CAREFUL_BATCHES).all(|_| !way.next_is_plain()));
        assert!(way.next_is_plain());
    }
}
