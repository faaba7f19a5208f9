//! A burst in one mode or the other; what each stage used for it.

use std::ops::Range;
use std::time::{Duration, Instant};

use bench::table::Table;
use bench::write_path::bare_upsert;
use futures_util::{StreamExt as _, stream};
use topology::Mode;

use super::usage::Usage;
use crate::Failure;
use crate::stand::Stand;
use crate::wait::until;

const PAYLOADS: u64 = 4000;
/// Payloads before those that count.
const WARM_UP: u64 = 400;
const DEVICES: u64 = 200;
const AT_ONCE: usize = 32;
/// Events a transaction of the bare upsert; `make bench` finds the best of several.
const BATCH: usize = 1024;

/// Measures events a second, and what they cost.
pub(super) async fn measure(stand: &Stand, table: &mut Table, mode: Mode) -> Result<f64, Failure> {
    // Each mode begins with processes that run.
    sent_and_stored(stand, mode, 0..WARM_UP).await?;
    let used_before = Usage::read(&stand.cluster).await?;
    let begin = Instant::now();
    sent_and_stored(stand, mode, WARM_UP..WARM_UP + PAYLOADS).await?;
    let rate = PAYLOADS as f64 / begin.elapsed().as_secs_f64();
    let used = Usage::read(&stand.cluster).await?;
    let mode = mode.word();
    for (stage, seconds, bytes) in used.since(&used_before) {
        table.tell(format!("{mode} mode: {stage}, memory of the largest pod"), bytes / 1e6, "MB");
        table.tell(format!("{mode} mode: {stage}, CPU of a payload"), seconds * 1e6 / PAYLOADS as f64, "us");
    }
    table.tell(format!("{mode} mode: webhook -> row"), rate, "events/s");
    Ok(rate)
}

/// The bare upsert of such rows, from outside the cluster, beside each of `rates`.
pub(super) async fn beside_the_bare_upsert(stand: &Stand, table: &mut Table, rates: &[(Mode, f64)]) {
    let bare = bare_upsert(&stand.database.url(), BATCH).await;
    table.tell("bare upsert of such rows, from outside", bare, "events/s");
    for (mode, rate) in rates {
        table.tell(format!("bare upsert beside {} mode", mode.word()), bare / rate, "x");
    }
}

async fn sent_and_stored(stand: &Stand, mode: Mode, numbers: Range<u64>) -> Result<(), Failure> {
    let receipts = "select coalesce(sum(coalesce(records, 1)), 0)::bigint from receipt";
    let goal = stand.database.number(receipts).await? + i64::try_from(numbers.end - numbers.start)?;
    send(stand, mode, numbers).await?;
    until(Duration::from_secs(300), "the burst's rows", async || {
        Ok((stand.database.number(receipts).await? >= goal).then_some(()))
    })
    .await
}

async fn send(stand: &Stand, mode: Mode, numbers: Range<u64>) -> Result<(), Failure> {
    let (client, base) = stand.client_of(&stand.service("ingest")).await?;
    let url = format!("{base}/hooks/bench");
    // Devices of its own: no reading of one mode is there already in the other.
    let fleet = mode.word();
    let answers = stream::iter(numbers).map(|number| {
        let body = format!(
            r#"{{"device":"rate-{fleet}-{}","temperature":{:.1},"humidity":{},"time":{}}}"#,
            number % DEVICES,
            20.0 + (number % 90) as f64 / 10.0,
            40 + number % 20,
            1_767_225_600 + number / DEVICES,
        );
        let request = client.post(&url).header("x-api-key", &stand.key);
        let request = request.header("content-type", "application/json").body(body);
        async move { request.send().await.and_then(reqwest::Response::error_for_status) }
    });
    let mut answers = answers.buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}
