//! One transaction for a batch of payloads.

use std::collections::HashSet;

use deadpool_postgres::{Client, Transaction};
use futures_util::try_join;
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::payload::{Payload, Receipt};
use super::{Written, batch, statements};
use crate::ReadingRow;
use crate::dead_letters::DeadLetter;

/// Writes the payloads, whose claims differ; what became of each, in their order.
///
/// After the claim nothing waits for the answer of what was sent before: the statements travel together.
pub(super) async fn write(client: &mut Client, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    let transaction = client.transaction().await?;
    let written = claim(&transaction, payloads).await?;
    let fresh: Vec<&Payload> = payloads
        .iter()
        .zip(&written)
        .filter(|(_, written)| **written == Written::Stored)
        .map(|(payload, _)| *payload)
        .collect();
    if !fresh.is_empty() {
        try_join!(
            receipts(&transaction, &fresh),
            readings(&transaction, &fresh),
            marks(&transaction, &fresh),
            letters(&transaction, &fresh),
            seen(&transaction, &fresh),
        )?;
    }
    transaction.commit().await?;
    Ok(written)
}

async fn claim(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<Vec<Written>, Error> {
    let statement = transaction.prepare_cached(statements::CLAIM).await?;
    let claims = || payloads.iter().map(|payload| &payload.claim);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let sources: Vec<&str> = claims().map(|claim| claim.source.as_str()).collect();
    let keys: Vec<&str> = claims().map(|claim| claim.key.as_str()).collect();
    let expiries: Vec<Timestamp> = claims().map(|claim| claim.expires_at).collect();
    let received: Vec<Timestamp> = receipts().map(|receipt| receipt.received_at).collect();
    let ids: Vec<Uuid> = receipts().map(|receipt| receipt.id).collect();
    let outcomes: Vec<&str> = receipts().map(|receipt| receipt.outcome.as_str()).collect();
    let rows =
        transaction.query(&statement, &[&sources, &keys, &expiries, &received, &ids, &outcomes]).await?;
    let mut written = vec![Written::Duplicate; payloads.len()];
    for row in rows {
        let place: i64 = row.try_get(0)?;
        // Ordinality counts from 1.
        let index = usize::try_from(place - 1).ok();
        if let Some(written) = index.and_then(|index| written.get_mut(index)) {
            *written = Written::Stored;
        }
    }
    Ok(written)
}

async fn receipts(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<(), Error> {
    let statement = transaction.prepare_cached(statements::RECEIPTS).await?;
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let texts = |f: fn(&Receipt) -> &str| receipts().map(f).collect::<Vec<&str>>();
    transaction
        .execute(
            &statement,
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
                &receipts().map(|receipt| receipt.request.as_slice()).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// Inserts what is new. What is there is locked, merged, and written again only where that changes it.
async fn readings(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<(), Error> {
    let rows = batch::rows(payloads);
    if rows.is_empty() {
        return Ok(());
    }
    let statement = transaction.prepare_cached(statements::NEW_ROWS).await?;
    let inserted = transaction.query(&statement, &[&rows]).await?;
    if inserted.len() == rows.len() {
        return Ok(());
    }
    let inserted: HashSet<(i32, Timestamp)> =
        inserted.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Error>>()?;
    let known: Vec<ReadingRow> = rows.into_iter().filter(|row| !inserted.contains(&row.key())).collect();
    revise(transaction, &known).await
}

/// Its statements are planned afresh each time: a plan that is kept from when the tables were small would read them whole.
async fn revise(transaction: &Transaction<'_>, rows: &[ReadingRow]) -> Result<(), Error> {
    let (streams, moments): (Vec<i32>, Vec<Timestamp>) = rows.iter().map(ReadingRow::key).unzip();
    let existing = transaction.query(statements::EXISTING_ROWS, &[&streams, &moments]).await?;
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
    transaction.execute(statements::REVISE_ROWS, &[&revised]).await?;
    Ok(())
}

async fn marks(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<(), Error> {
    let marks = batch::marks(payloads);
    if marks.is_empty() {
        return Ok(());
    }
    let statement = transaction.prepare_cached(statements::MARKS).await?;
    let streams: Vec<i32> = marks.iter().map(|mark| mark.stream_id).collect();
    let from: Vec<Timestamp> = marks.iter().map(|mark| mark.from_at).collect();
    let traces: Vec<Option<&str>> = marks.iter().map(|mark| mark.traceparent).collect();
    transaction.execute(&statement, &[&streams, &from, &traces]).await?;
    Ok(())
}

async fn letters(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<(), Error> {
    let letters = batch::letters(payloads);
    if letters.is_empty() {
        return Ok(());
    }
    let statement = transaction.prepare_cached(statements::DEAD_LETTERS).await?;
    let texts = |f: fn(&DeadLetter) -> &str| letters.values().map(|letter| f(letter)).collect::<Vec<&str>>();
    transaction
        .execute(
            &statement,
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

async fn seen(transaction: &Transaction<'_>, payloads: &[&Payload]) -> Result<(), Error> {
    let (devices, times): (Vec<i32>, Vec<Timestamp>) = batch::seen(payloads).into_iter().unzip();
    if devices.is_empty() {
        return Ok(());
    }
    let statement = transaction.prepare_cached(statements::SEEN).await?;
    transaction.execute(&statement, &[&devices, &times]).await?;
    Ok(())
}
