//! One transaction for a batch of payloads.
//!
//! ```text
//! optimistic:  insert all, commit ──┬─ nothing was there before ───> done
//!              (one flight)         └─ something was there: nothing is written ─┐
//!                      ┌────────────────────────────────────────────────────────┘
//! upsert:  begin, take keys, write all ──┬─ none was there before ──> commit
//!           (one flight)          ^      └─ some were ──> roll back ─┐
//!                                 └─────── without the duplicates ───┘
//! ```
//!
//! Duplicates are rare, and a round trip costs as much as a hundred rows: nothing waits for which payloads are new, not even the
//! commit, which after a failed statement rolls back (PostgreSQL, `COMMIT`). An insert that need not look for what is there before
//! (`on conflict`) costs PostgreSQL a third less. No statement is sent that has nothing to do, and one alone is its own transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::Client;
use futures_util::try_join;
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use super::batch::{ExpiredRow, RequestRow};
use super::payload::Payload;
use super::{Premises, Written, batch, hold, statements, tables};
use crate::MomentRow;
use crate::dead_letters::{self, DeadLetter};
use crate::held::Held;
use crate::{refusals, rollups};

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
    pub(super) fn next_is_optimistic(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.upserts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
    }

    pub(super) fn met_existing(&self) {
        self.upserts.store(UPSERT_BATCHES, Ordering::Relaxed);
    }
}

/// Writes the payloads, whose identities differ, and that one was refused, while the premises hold; what became of each, in their order.
pub(super) async fn write(
    client: &Client,
    strategy: &InsertStrategy,
    (payloads, refused, premises): (&[&Payload], Option<Timestamp>, Premises),
) -> Result<Vec<Written>, Error> {
    if strategy.next_is_optimistic() {
        match optimistic(client, payloads, (refused, premises)).await {
            Ok(()) => return Ok(vec![Written::Stored; payloads.len()]),
            Err(error) => {
                roll_back(client).await;
                if error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                    return Err(error);
                }
                strategy.met_existing();
            }
        }
    }
    upsert(client, payloads, (refused, premises)).await
}

/// Everything, the commit included, as if nothing of it were there; a unique violation, and nothing written, where something is.
async fn optimistic(
    client: &Client,
    payloads: &[&Payload],
    (refused, premises): (Option<Timestamp>, Premises),
) -> Result<(), Error> {
    let rows = batch::rows(payloads);
    let rest = Rest::of(payloads, refused, premises.until);
    let keyed = payloads.iter().any(|payload| payload.key.is_some());
    let prepare = async |sql| client.prepare_cached(sql).await;
    let fresh = statements::fresh(batch::keep_requests(payloads));
    if !keyed && rest.is_empty() {
        return tables::fresh(client, &prepare(fresh).await?, (payloads, &rows, premises)).await;
    }
    let (keys, fresh, prepared) =
        try_join!(prepare(statements::FRESH_KEYS), prepare(fresh), rest.prepare(client))?;
    // Sent in this order, which is that of the locks.
    try_join!(
        client.batch_execute("begin"),
        tables::keys(client, &keys, payloads),
        tables::fresh(client, &fresh, (payloads, &rows, premises)),
        rest.write(client, &prepared),
        client.batch_execute("commit"),
    )?;
    Ok(())
}

async fn upsert(
    client: &Client,
    payloads: &[&Payload],
    also: (Option<Timestamp>, Premises),
) -> Result<Vec<Written>, Error> {
    let mut duplicates: HashSet<Uuid> = HashSet::new();
    loop {
        let open: Vec<&Payload> =
            payloads.iter().filter(|payload| !duplicates.contains(&payload.receipt.id)).copied().collect();
        if open.is_empty() {
            break;
        }
        let taken = match attempt(client, &open, also).await {
            Ok(taken) => taken,
            Err(error) => {
                roll_back(client).await;
                return Err(error);
            }
        };
        if taken.is_empty() {
            client.batch_execute("commit").await?;
            break;
        }
        client.batch_execute("rollback").await?;
        duplicates.extend(taken);
    }
    let is_duplicate = |payload: &&Payload| duplicates.contains(&payload.receipt.id);
    Ok(payloads
        .iter()
        .map(|payload| if is_duplicate(payload) { Written::Duplicate } else { Written::Stored })
        .collect())
}

/// Everything but the commit; the receipts of those that were there before.
async fn attempt(
    client: &Client,
    payloads: &[&Payload],
    (refused, premises): (Option<Timestamp>, Premises),
) -> Result<HashSet<Uuid>, Error> {
    let (rows, rest) = (batch::rows(payloads), Rest::of(payloads, refused, premises.until));
    let prepare = async |sql| client.prepare_cached(sql).await;
    let (keys, receipts, moments, prepared) = try_join!(
        prepare(statements::KEYS),
        tables::prepare_receipts(client),
        prepare(statements::NEW_ROWS),
        rest.prepare(client),
    )?;
    // Sent in this order, which is that of the locks.
    let (_, mut taken, written, ..) = try_join!(
        client.batch_execute("begin"),
        tables::keys(client, &keys, payloads),
        tables::receipts(client, &receipts, payloads),
        tables::moments(client, &moments, (&rows, premises)),
        rest.write(client, &prepared),
    )?;
    taken.extend(payloads.iter().map(|payload| payload.receipt.id).filter(|id| !written.contains(id)));
    Ok(taken)
}

/// After an error, which is the answer already. What is still on its way is answered before; a connection on which even
/// this fails is closed, and the pool drops it.
pub(super) async fn roll_back(client: &Client) {
    if let Err(error) = client.batch_execute("rollback").await {
        tracing::debug!(%error, "not rolled back");
    }
}

/// What is written beside receipts and moments, where there is any.
pub(super) struct Rest<'a> {
    evaluation_requests: Vec<RequestRow<'a>>,
    pub(super) dead_letters: BTreeMap<Uuid, &'a DeadLetter>,
    pub(super) expired: Vec<ExpiredRow>,
    seen: BTreeMap<i32, Timestamp>,
    /// When a payload was refused.
    refused: Option<Timestamp>,
    held: Vec<(&'a Payload, &'a Held)>,
    hours_to_roll: BTreeSet<(i32, Timestamp)>,
}

/// The statements of [`Rest`].
pub(super) struct RestStatements {
    of_most: [Statement; 6],
    /// Where something is held.
    hold: Option<Statement>,
}

impl<'a> Rest<'a> {
    /// What the payloads bring, and that one was refused, in a transaction that begins at `until` at the latest.
    pub(super) fn of(payloads: &[&'a Payload], refused: Option<Timestamp>, until: Timestamp) -> Self {
        let moments = payloads.iter().flat_map(|payload| &payload.rows).map(MomentRow::key);
        Self {
            evaluation_requests: batch::evaluation_requests(
                payloads
                    .iter()
                    .map(|payload| (payload.receipt.traceparent.as_deref(), &*payload.evaluation_requests)),
            ),
            dead_letters: batch::dead_letters(payloads),
            expired: batch::expired(payloads),
            seen: batch::seen(payloads),
            refused,
            held: payloads.iter().filter_map(|payload| Some((*payload, payload.held.as_ref()?))).collect(),
            hours_to_roll: rollups::hours_to_roll(moments, until),
        }
    }

    fn is_empty(&self) -> bool {
        self.evaluation_requests.is_empty()
            && self.dead_letters.is_empty()
            && self.expired.is_empty()
            && self.seen.is_empty()
            && self.refused.is_none()
            && self.held.is_empty()
            && self.hours_to_roll.is_empty()
    }

    /// Its statements, prepared once a connection.
    pub(super) async fn prepare(&self, client: &Client) -> Result<RestStatements, Error> {
        let hold = if self.held.is_empty() { None } else { Some(hold::prepare(client).await?) };
        let of_most = try_join!(
            client.prepare_cached(statements::EVALUATION_REQUESTS),
            client.prepare_cached(dead_letters::KEEP),
            client.prepare_cached(statements::EXPIRED),
            client.prepare_cached(statements::SEEN),
            client.prepare_cached(refusals::RECORD),
            client.prepare_cached(rollups::REQUEST),
        );
        Ok(RestStatements { of_most: of_most?.into(), hold })
    }

    pub(super) async fn write(
        &self,
        client: &Client,
        RestStatements { of_most: [requests, keep, expired, seen, refuse, roll], hold }: &RestStatements,
    ) -> Result<(), Error> {
        let record_refusal = async {
            match &self.refused {
                Some(at) => client.execute(refuse, &[at]).await.map(drop),
                None => Ok(()),
            }
        };
        try_join!(
            tables::evaluation_requests(client, requests, &self.evaluation_requests),
            dead_letters::keep_all(client, keep, &self.dead_letters),
            tables::expired(client, expired, &self.expired),
            tables::seen(client, seen, &self.seen),
            record_refusal,
            rollups::request(client, roll, &self.hours_to_roll),
            async {
                match hold {
                    Some(statement) => hold::hold_all(client, statement, &self.held).await,
                    None => Ok(()),
                }
            },
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
