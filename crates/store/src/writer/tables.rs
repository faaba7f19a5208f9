//! What is sent to each table.

use std::borrow::Cow;
use std::collections::HashSet;

use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use super::payload::{Payload, Receipt};
use super::{batch, statements};
use crate::MomentRow;
use crate::sent::{Instant, SentRow};

/// Takes the keys; the receipts whose keys were free, where the statement returns them.
pub(super) async fn keys(
    client: &Client,
    statement: &Statement,
    payloads: &[&Payload],
) -> Result<HashSet<Uuid>, Error> {
    let mut payloads = payloads.to_vec();
    payloads.sort_unstable_by_key(|payload| payload.key.identity());
    let taken = || payloads.iter().map(|payload| &payload.key);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let sources: Vec<&str> = taken().map(|key| key.source.as_str()).collect();
    let keys: Vec<&str> = taken().map(|key| key.key.as_str()).collect();
    let received: Vec<Instant> = receipts().map(|receipt| Instant(receipt.received_at)).collect();
    let expiries: Vec<Instant> = taken().map(|key| Instant(key.expires_at)).collect();
    let ids: Vec<Uuid> = receipts().map(|receipt| receipt.id).collect();
    let outcomes: Vec<&str> = receipts().map(|receipt| receipt.outcome.as_str()).collect();
    let rows = client.query(statement, &[&sources, &keys, &received, &expiries, &ids, &outcomes]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

pub(super) async fn receipts(
    client: &Client,
    statement: &Statement,
    payloads: &[&Payload],
) -> Result<(), Error> {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let receipts = || payloads.iter().map(|payload| &payload.receipt);
    let records = || receipts().map(|receipt| receipt.request.record());
    let texts = |f: fn(&Receipt) -> &str| receipts().map(f).collect::<Vec<&str>>();
    client
        .execute(
            statement,
            &[
                &receipts().map(|receipt| Instant(receipt.received_at)).collect::<Vec<_>>(),
                &receipts().map(|receipt| receipt.id).collect::<Vec<_>>(),
                &payloads.iter().map(|payload| payload.key.source.as_str()).collect::<Vec<_>>(),
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
                &receipts().map(|receipt| receipt.pipeline).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// Inserts rows of which none is there yet.
pub(super) async fn fresh_moments(
    client: &Client,
    statement: &Statement,
    rows: &[Cow<'_, MomentRow>],
) -> Result<(), Error> {
    if !rows.is_empty() {
        client.execute(statement, &[&sent(rows)]).await?;
    }
    Ok(())
}

/// Inserts what is new. What is there is locked, merged, and written again only where that changes it.
pub(super) async fn moments(
    client: &Client,
    statement: &Statement,
    rows: &[Cow<'_, MomentRow>],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let inserted = client.query(statement, &[&sent(rows)]).await?;
    if inserted.len() == rows.len() {
        return Ok(());
    }
    let inserted: HashSet<(i32, Timestamp)> =
        inserted.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Error>>()?;
    let known: Vec<&MomentRow> =
        rows.iter().map(AsRef::as_ref).filter(|row: &&MomentRow| !inserted.contains(&row.key())).collect();
    revise(client, &known).await
}

fn sent<'a>(rows: &'a [Cow<'_, MomentRow>]) -> Vec<SentRow<'a>> {
    rows.iter().map(|row| SentRow::from(row.as_ref())).collect()
}

/// Its statements are planned afresh each time: a plan that is kept from when the tables were small would read them whole.
async fn revise(client: &Client, rows: &[&MomentRow]) -> Result<(), Error> {
    let (streams, moments): (Vec<i32>, Vec<Instant>) =
        rows.iter().map(|row| (row.stream_id, Instant(row.observed_at))).unzip();
    let existing = client.query(statements::EXISTING_ROWS, &[&streams, &moments]).await?;
    let mut revised = Vec::new();
    let mut rows = rows.iter();
    for existing in &existing {
        let existing = MomentRow::read(existing)?;
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
    let revised: Vec<SentRow<'_>> = revised.iter().map(SentRow::from).collect();
    client.execute(statements::REVISE_ROWS, &[&revised]).await?;
    Ok(())
}

pub(super) async fn evaluation_requests(
    client: &Client,
    statement: &Statement,
    payloads: &[&Payload],
) -> Result<(), Error> {
    let requests = batch::evaluation_requests(payloads);
    if requests.is_empty() {
        return Ok(());
    }
    let streams: Vec<i32> = requests.iter().map(|request| request.stream_id).collect();
    let from: Vec<Timestamp> = requests.iter().map(|request| request.from_at).collect();
    let traces: Vec<Option<&str>> = requests.iter().map(|request| request.traceparent).collect();
    client.execute(statement, &[&streams, &from, &traces]).await?;
    Ok(())
}

pub(super) async fn seen(client: &Client, statement: &Statement, payloads: &[&Payload]) -> Result<(), Error> {
    let (devices, times): (Vec<i32>, Vec<Timestamp>) = batch::seen(payloads).into_iter().unzip();
    if devices.is_empty() {
        return Ok(());
    }
    client.execute(statement, &[&devices, &times]).await?;
    Ok(())
}
