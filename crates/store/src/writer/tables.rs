//! What is sent to each table.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use deadpool_postgres::{Client, GenericClient};
use futures_util::try_join;
use jiff::Timestamp;
use tokio_postgres::{Error, Row, Statement};
use uuid::Uuid;

use super::batch::{self, ExpiredRow, RequestRow};
use super::payload::{Payload, Receipt, ReceiptKey};
use super::receipt_row::SentReceipt;
use super::{Premises, statements};
use crate::sent::{Instant, SentRow};
use crate::{EvaluationRequest, MomentRow, StoreError, Transaction};

/// Takes the keys; the receipts whose keys were not free, where the statement returns those that were.
pub(super) async fn keys(
    client: &Client,
    statement: &Statement,
    payloads: &[&Payload],
) -> Result<HashSet<Uuid>, Error> {
    let keyed = payloads.iter().filter_map(|payload| Some((payload.key.as_ref()?, &payload.receipt)));
    let mut keyed: Vec<(&ReceiptKey, &Receipt)> = keyed.collect();
    if keyed.is_empty() {
        return Ok(HashSet::new());
    }
    keyed.sort_unstable_by_key(|(key, receipt)| (receipt.source.as_str(), key.key.as_str()));
    let receipts = || keyed.iter().map(|(_, receipt)| receipt);
    let sources: Vec<&str> = receipts().map(|receipt| receipt.source.as_str()).collect();
    let keys: Vec<&str> = keyed.iter().map(|(key, _)| key.key.as_str()).collect();
    let received: Vec<Instant> = receipts().map(|receipt| Instant(receipt.received_at)).collect();
    let expiries: Vec<Instant> = keyed.iter().map(|(key, _)| Instant(key.expires_at)).collect();
    let ids: Vec<Uuid> = receipts().map(|receipt| receipt.id).collect();
    let outcomes: Vec<&str> = receipts().map(|receipt| receipt.outcome.as_str()).collect();
    let rows = client.query(statement, &[&sources, &keys, &received, &expiries, &ids, &outcomes]).await?;
    let mut taken: HashSet<Uuid> = ids.into_iter().collect();
    for row in &rows {
        taken.remove(&row.try_get(0)?);
    }
    Ok(taken)
}

/// The receipts that were not there, or not stored whole, and are written now, with their requests.
pub(super) async fn receipts(
    client: &Client,
    [receipts, requests]: &[Statement; 2],
    payloads: &[&Payload],
) -> Result<HashSet<Uuid>, Error> {
    let sent = sent_receipts(payloads);
    let keep = async {
        if batch::keep_requests(payloads) {
            client.execute(requests, &[&sent]).await?;
        }
        Ok(())
    };
    let (rows, ()) = try_join!(async { client.query(receipts, &[&sent]).await }, keep)?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The statements of [`receipts`].
pub(super) async fn prepare_receipts(client: &Client) -> Result<[Statement; 2], Error> {
    let prepared =
        try_join!(client.prepare_cached(statements::RECEIPTS), client.prepare_cached(statements::REQUESTS))?;
    Ok(prepared.into())
}

/// Inserts receipts and rows of which none is there yet.
pub(super) async fn fresh(
    client: &Client,
    statement: &Statement,
    (payloads, rows, premises): (&[&Payload], &[Cow<'_, MomentRow>], Premises),
) -> Result<(), Error> {
    let Premises { until, registry } = premises;
    client.execute(statement, &[&sent_receipts(payloads), &sent(rows), &Instant(until), &registry]).await?;
    Ok(())
}

/// Inserts rows of which none is there yet, and whose receipts are.
pub(super) async fn fresh_moments(
    client: &Client,
    statement: &Statement,
    (rows, Premises { until, registry }): (&[Cow<'_, MomentRow>], Premises),
) -> Result<(), Error> {
    if !rows.is_empty() || registry.is_some() {
        client.execute(statement, &[&sent(rows), &Instant(until), &registry]).await?;
    }
    Ok(())
}

/// Inserts what is new. What is there is locked, merged, and written again only where that changes it.
pub(crate) async fn moments(
    client: &impl GenericClient,
    statement: &Statement,
    (rows, Premises { until, registry }): (&[Cow<'_, MomentRow>], Premises),
) -> Result<(), Error> {
    if rows.is_empty() && registry.is_none() {
        return Ok(());
    }
    let inserted = client.query(statement, &[&sent(rows), &Instant(until), &registry]).await?;
    if inserted.len() == rows.len() {
        return Ok(());
    }
    let inserted = keys_of(&inserted)?;
    let known: Vec<&MomentRow> =
        rows.iter().map(AsRef::as_ref).filter(|row: &&MomentRow| !inserted.contains(&row.key())).collect();
    revise(client, &known).await
}

/// The streams and times that rows begin with.
pub(crate) fn keys_of(rows: &[Row]) -> Result<HashSet<(i32, Timestamp)>, Error> {
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn sent_receipts<'a>(payloads: &[&'a Payload]) -> Vec<SentReceipt<'a>> {
    payloads.iter().map(|payload| SentReceipt::from(&payload.receipt)).collect()
}

fn sent<'a>(rows: &'a [Cow<'_, MomentRow>]) -> Vec<SentRow<'a>> {
    rows.iter().map(|row| SentRow::from(row.as_ref())).collect()
}

/// Its statements are planned afresh each time: a plan that is kept from when the tables were small would read them whole.
async fn revise(client: &impl GenericClient, rows: &[&MomentRow]) -> Result<(), Error> {
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

/// Writes the evaluation requests that something asks for, each with its trace.
pub(crate) async fn request_evaluation<'a>(
    transaction: &Transaction<'_>,
    asked: impl Iterator<Item = (Option<&'a str>, &'a [EvaluationRequest])>,
) -> Result<(), StoreError> {
    let statement = transaction.0.prepare_cached(statements::EVALUATION_REQUESTS).await?;
    Ok(evaluation_requests(&transaction.0, &statement, &batch::evaluation_requests(asked)).await?)
}

/// Requests the evaluation of streams, each from a time on: the two columns of `rows`.
pub(crate) async fn request_evaluation_of(
    transaction: &Transaction<'_>,
    rows: &[Row],
) -> Result<(), StoreError> {
    let request = |row: &Row| Ok(EvaluationRequest { stream_id: row.try_get(0)?, from_at: row.try_get(1)? });
    let requests: Vec<_> = rows.iter().map(request).collect::<Result<_, Error>>()?;
    request_evaluation(transaction, std::iter::once((None, requests.as_slice()))).await
}

pub(super) async fn evaluation_requests(
    client: &impl GenericClient,
    statement: &Statement,
    requests: &[RequestRow<'_>],
) -> Result<(), Error> {
    if requests.is_empty() {
        return Ok(());
    }
    let streams: Vec<i32> = requests.iter().map(|request| request.stream_id).collect();
    let from: Vec<Timestamp> = requests.iter().map(|request| request.from_at).collect();
    let traces: Vec<Option<&str>> = requests.iter().map(|request| request.traceparent).collect();
    client.execute(statement, &[&streams, &from, &traces]).await?;
    Ok(())
}

/// Notes with their receipts how many readings of payloads were not stored.
pub(super) async fn expired(
    client: &Client,
    statement: &Statement,
    expired: &[ExpiredRow],
) -> Result<(), Error> {
    if expired.is_empty() {
        return Ok(());
    }
    let received: Vec<Instant> = expired.iter().map(|row| Instant(row.received_at)).collect();
    let ids: Vec<Uuid> = expired.iter().map(|row| row.receipt_id).collect();
    let readings: Vec<i32> = expired.iter().map(|row| row.readings).collect();
    client.execute(statement, &[&received, &ids, &readings]).await?;
    Ok(())
}

pub(super) async fn seen(
    client: &Client,
    statement: &Statement,
    seen: &BTreeMap<i32, Timestamp>,
) -> Result<(), Error> {
    if seen.is_empty() {
        return Ok(());
    }
    let (devices, times): (Vec<i32>, Vec<Timestamp>) = seen.iter().map(|(device, at)| (*device, *at)).unzip();
    client.execute(statement, &[&devices, &times]).await?;
    Ok(())
}
