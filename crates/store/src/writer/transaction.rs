//! One transaction for a batch of payloads.

use std::collections::HashSet;

use deadpool_postgres::Client;
use futures_util::try_join;
use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use super::payload::{Payload, Receipt};
use super::{Written, batch, statements};
use crate::ReadingRow;
use crate::dead_letters::DeadLetter;

/// Writes the payloads, whose claims differ; what became of each, in their order.
///
/// ```text
/// begin, claim, write all ──┬─ every key was free ──> commit
///  (one round trip)    ^    └─ some were not ──> roll back ─┐
///                      └──────── without the duplicates ────┘
/// ```
///
/// Duplicates are rare, and a round trip costs as much as a hundred rows: nothing waits for the claim's answer.
pub(super) async fn write(client: &Client, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    let statements = Prepared::on(client).await?;
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
    // Sent in this order, which is that of the locks.
    let (_, free, ..) = try_join!(
        client.batch_execute("begin"),
        claim(client, &statements.claim, payloads),
        receipts(client, &statements.receipts, payloads),
        readings(client, &statements.new_rows, payloads),
        marks(client, &statements.marks, payloads),
        letters(client, &statements.dead_letters, payloads),
        seen(client, &statements.seen, payloads),
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

/// Statements that every batch may need, prepared once a connection.
struct Prepared {
    claim: Statement,
    receipts: Statement,
    new_rows: Statement,
    marks: Statement,
    dead_letters: Statement,
    seen: Statement,
}

impl Prepared {
    async fn on(client: &Client) -> Result<Self, Error> {
        let (claim, receipts, new_rows, marks, dead_letters, seen) = try_join!(
            client.prepare_cached(statements::CLAIM),
            client.prepare_cached(statements::RECEIPTS),
            client.prepare_cached(statements::NEW_ROWS),
            client.prepare_cached(statements::MARKS),
            client.prepare_cached(statements::DEAD_LETTERS),
            client.prepare_cached(statements::SEEN),
        )?;
        Ok(Self { claim, receipts, new_rows, marks, dead_letters, seen })
    }
}

async fn claim(
    client: &Client,
    statement: &Statement,
    payloads: &[&Payload],
) -> Result<HashSet<Uuid>, Error> {
    let claims = || payloads.iter().map(|payload| &payload.claim);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let sources: Vec<&str> = claims().map(|claim| claim.source.as_str()).collect();
    let keys: Vec<&str> = claims().map(|claim| claim.key.as_str()).collect();
    let received: Vec<Timestamp> = receipts().map(|receipt| receipt.received_at).collect();
    let expiries: Vec<Timestamp> = claims().map(|claim| claim.expires_at).collect();
    let ids: Vec<Uuid> = receipts().map(|receipt| receipt.id).collect();
    let outcomes: Vec<&str> = receipts().map(|receipt| receipt.outcome.as_str()).collect();
    let rows = client.query(statement, &[&sources, &keys, &received, &expiries, &ids, &outcomes]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn receipts(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let records = || receipts().map(|receipt| receipt.request.record());
    let texts = |f: fn(&Receipt) -> &str| receipts().map(f).collect::<Vec<&str>>();
    client
        .execute(
            statement,
            &[
                &receipts().map(|receipt| receipt.received_at).collect::<Vec<_>>(),
                &receipts().map(|receipt| receipt.id).collect::<Vec<_>>(),
                &payloads.iter().map(|payload| payload.claim.source.as_str()).collect::<Vec<_>>(),
                &texts(|receipt| &receipt.event_id),
                &texts(|receipt| &receipt.format),
                &receipts().map(|receipt| receipt.traceparent.as_deref()).collect::<Vec<_>>(),
                &texts(|receipt| receipt.outcome.as_str()),
                &receipts().map(|receipt| count(receipt.readings)).collect::<Vec<_>>(),
                &receipts().map(|receipt| count(receipt.problems)).collect::<Vec<_>>(),
                &receipts().map(|receipt| receipt.request.bytes()).collect::<Vec<_>>(),
                &records().map(|record| record.map(|record| &*record.topic)).collect::<Vec<_>>(),
                &records().map(|record| record.map(|record| record.partition)).collect::<Vec<_>>(),
                &records().map(|record| record.map(|record| record.offset)).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// Inserts what is new. What is there is locked, merged, and written again only where that changes it.
async fn readings(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let rows = batch::rows(payloads);
    if rows.is_empty() {
        return Ok(());
    }
    let inserted = client.query(statement, &[&rows]).await?;
    if inserted.len() == rows.len() {
        return Ok(());
    }
    let inserted: HashSet<(i32, Timestamp)> =
        inserted.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Error>>()?;
    let known: Vec<ReadingRow> = rows.into_iter().filter(|row| !inserted.contains(&row.key())).collect();
    revise(client, &known).await
}

/// Its statements are planned afresh each time: a plan that is kept from when the tables were small would read them whole.
async fn revise(client: &Client, rows: &[ReadingRow]) -> Result<(), Error> {
    let (streams, moments): (Vec<i32>, Vec<Timestamp>) = rows.iter().map(ReadingRow::key).unzip();
    let existing = client.query(statements::EXISTING_ROWS, &[&streams, &moments]).await?;
    let mut revised = Vec::new();
    let mut rows = rows.iter();
    for existing in &existing {
        let existing = ReadingRow::read(existing)?;
        // Both are in key order, and no row has gone meanwhile that its conflict saw: what is skipped was never here.
        let Some(row) = rows.find(|row| row.key() == existing.key()) else { break };
        let merged = existing.merged_with(row);
        if !merged.says_the_same_as(&existing) {
            revised.push(merged);
        }
    }
    if revised.is_empty() {
        return Ok(());
    }
    client.execute(statements::REVISE_ROWS, &[&revised]).await?;
    Ok(())
}

async fn marks(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let marks = batch::marks(payloads);
    if marks.is_empty() {
        return Ok(());
    }
    let streams: Vec<i32> = marks.iter().map(|mark| mark.stream_id).collect();
    let from: Vec<Timestamp> = marks.iter().map(|mark| mark.from_at).collect();
    let traces: Vec<Option<&str>> = marks.iter().map(|mark| mark.traceparent).collect();
    client.execute(statement, &[&streams, &from, &traces]).await?;
    Ok(())
}

async fn letters(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let letters = batch::letters(payloads);
    if letters.is_empty() {
        return Ok(());
    }
    let texts = |f: fn(&DeadLetter) -> &str| letters.values().map(|letter| f(letter)).collect::<Vec<&str>>();
    client
        .execute(
            statement,
            &[
                &letters.keys().collect::<Vec<_>>(),
                &texts(|letter| &letter.event.source),
                &texts(|letter| &letter.event.id),
                &texts(|letter| &letter.event.event_type),
                &texts(|letter| &letter.stage),
                &texts(|letter| letter.cause.as_str()),
                &texts(|letter| &letter.reason),
                &letters.values().map(|letter| Json(&letter.problems)).collect::<Vec<_>>(),
                &letters.values().map(|letter| Json(&letter.event.attributes)).collect::<Vec<_>>(),
                &letters.values().map(|letter| letter.event.data.as_deref()).collect::<Vec<_>>(),
                &letters.values().map(|letter| letter.at).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

async fn seen(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let (devices, times): (Vec<i32>, Vec<Timestamp>) = batch::seen(payloads).into_iter().unzip();
    if devices.is_empty() {
        return Ok(());
    }
    client.execute(statement, &[&devices, &times]).await?;
    Ok(())
}
