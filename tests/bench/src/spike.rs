//! From ten requests a second to ten thousand and back, in each mode, over a `freshet up` whose stages are at zero: all are
//! answered, what is accepted is stored once, nobody's memory passes its limit, and soon nothing waits any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::Client;
use topology::Mode;

use crate::limits::{self, Watch};
use crate::load::latency;
use crate::open_loop::{self, Phase, Sent};
use crate::pipeline::{Up, payload};
use crate::table::Table;

/// Before a spike.
pub const BEFORE: Phase = Phase { rate: 10, time: Duration::from_secs(5) };
/// Its seconds are those of `FRESHET_SPIKE`, where that is set.
const SPIKE: Phase = Phase { rate: 10_000, time: Duration::from_secs(20) };
/// After it.
pub const AFTER: Phase = Phase { rate: 10, time: Duration::from_secs(10) };
/// For what was accepted to be stored, from the last answer of the spike.
pub const DRAIN: Duration = Duration::from_secs(60);
/// For the stages to be at zero before the first request.
const REST: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const DEVICES: u64 = 500;
/// The first of their moments, in milliseconds since 1970.
const EPOCH: i64 = 1_767_225_600_000;

/// Measures each mode; topic mode where there is a Kafka.
///
/// # Panics
/// If one of them does not hold what it promises.
pub async fn in_each_mode(table: &mut Table, pipeline: &Path) {
    for mode in Mode::ALL {
        let arguments = ["--mode", mode.word(), "--idle", "2s"];
        let up = if mode == Mode::Topic {
            let Some(kafka) = testkit::kafka().await else { continue };
            let (topic, servers) = (kafka.unique("spike"), kafka.bootstrap());
            let arguments = [&arguments[..], &["--topic", &topic]].concat();
            Up::run(pipeline, &arguments, &[("KAFKA_BOOTSTRAP_SERVERS", servers)]).await
        } else {
            Up::run(pipeline, &arguments, &[]).await
        };
        spike(table, &up, mode).await;
    }
}

async fn spike(table: &mut Table, up: &Up, mode: Mode) {
    at_zero(up).await;
    let watch = Watch::start(up.pid());
    let client = up.connect().await;
    let seconds =
        std::env::var("FRESHET_SPIKE").ok().map(|text| text.parse().expect("FRESHET_SPIKE is seconds"));
    let spike = Phase { time: seconds.map_or(SPIKE.time, Duration::from_secs), ..SPIKE };

    let before = open_loop::run(up.webhook, BEFORE, 0, request).await;
    let begin = Instant::now();
    let during = open_loop::run(up.webhook, spike, before.len() as u64, request).await;
    let (answered, ended) = (begin.elapsed(), Instant::now());
    let first = (before.len() + during.len()) as u64;
    let wanted = accepted(&before).count() + accepted(&during).count();
    let (after, drained) = tokio::join!(
        open_loop::run(up.webhook, AFTER, first, request),
        drained(&client, i64::try_from(first).unwrap_or(i64::MAX), wanted, ended)
    );
    let sent: Vec<Sent> = [before, during.clone(), after].concat();
    stored_once(&client, &sent).await;

    let name = |what: &str| format!("spike, {} mode: {what}", mode.word());
    tell(table, name, &during);
    table.tell(name("time until all were answered"), answered.as_secs_f64(), "s");
    table.at_most(name("time to drain"), drained.as_secs_f64(), "s", DRAIN.as_secs_f64());
    for (stage, peak) in watch.peaks() {
        let limit = limits::of(&stage);
        table.at_most(name(&format!("memory of {stage} at most")), peak, "MiB", limit);
        assert!(peak <= limit, "{stage} held {peak:.0} MiB of the {limit:.0} that the chart gives it");
    }
}

/// What came of the requests of a spike, each figure under its `name`.
pub fn tell(table: &mut Table, name: impl Fn(&str) -> String, during: &[Sent]) {
    let mut took: Vec<Duration> = accepted(during).map(|one| one.took).collect();
    table.tell(name("requests"), during.len() as f64, "requests");
    table.tell(name("answered 2xx"), took.len() as f64, "requests");
    table.tell(name("told to wait, 429 or 503"), (during.len() - took.len()) as f64, "requests");
    for (share, word) in [(0.5, "p50"), (0.99, "p99")] {
        let took = latency(&mut took, share).as_secs_f64();
        table.tell(name(&format!("answered 2xx after, {word}")), took * 1e3, "ms");
    }
}

/// Those that were answered 2xx.
pub fn accepted(sent: &[Sent]) -> impl Iterator<Item = &Sent> {
    sent.iter().filter(|one| one.status.is_some_and(|status| (200..300).contains(&status)))
}

/// One that was answered with neither 2xx nor 429 nor 503.
pub fn strange(sent: &[Sent]) -> Option<&Sent> {
    sent.iter().find(|one| !matches!(one.status, Some(200..=299 | 429 | 503)))
}

/// Waits until nothing runs that payloads wake. On one machine nothing stands before `ingest` that would start it.
async fn at_zero(up: &Up) {
    let begin = Instant::now();
    while limits::running(up.pid(), "transform") > 0 {
        assert!(begin.elapsed() < REST, "a stage that nothing was sent to runs");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until `wanted` of the moments of the requests below `first` are stored; the time since `ended`.
async fn drained(client: &Client, first: i64, wanted: usize, ended: Instant) -> Duration {
    let below = moment(first);
    loop {
        let row = client.query_one("select count(*) from moment where observed_at < $1", &[&below]).await;
        let stored: i64 = row.expect("PostgreSQL answers").get(0);
        let took = ended.elapsed();
        if usize::try_from(stored).is_ok_and(|stored| stored >= wanted) {
            return took;
        }
        assert!(
            took < DRAIN,
            "{stored} of {wanted} payloads are stored {} s after the spike",
            took.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
}

/// What was accepted is a row, and has one receipt; what is stored was sent.
async fn stored_once(client: &Client, sent: &[Sent]) {
    let strange = strange(sent);
    assert!(strange.is_none(), "a request was answered with neither 2xx nor 429 nor 503: {strange:?}");
    let accepted: BTreeSet<u64> = accepted(sent).map(|one| one.number).collect();
    let begin = Instant::now();
    loop {
        let rows = client.query("select observed_at from moment", &[]).await.expect("PostgreSQL answers");
        let stored: BTreeSet<u64> = rows.iter().map(|row| number(row.get(0))).collect();
        if accepted.is_subset(&stored) {
            let receipts =
                "select coalesce(sum(coalesce(records, 1)), 0)::bigint from receipt where outcome = 'stored'";
            let receipts: i64 = client.query_one(receipts, &[]).await.expect("PostgreSQL answers").get(0);
            assert_eq!(rows.len(), stored.len(), "no moment is stored twice");
            assert_eq!(receipts, stored.len() as i64, "each payload has one receipt, or is counted in one");
            assert!(stored.last() < Some(&(sent.len() as u64)), "only what was sent is stored");
            return;
        }
        let lost = accepted.difference(&stored).count();
        assert!(begin.elapsed() < DRAIN, "{lost} of {} accepted payloads are not stored", accepted.len());
        tokio::time::sleep(POLL).await;
    }
}

/// The n-th reading, whose moment no other has.
fn request(number: u64) -> Vec<u8> {
    payload(&format!(
        r#"{{"device":"bench-{}","time":{},"temperature":{:.1},"humidity":{},"battery_voltage":3.6}}"#,
        number % DEVICES,
        EPOCH + number as i64,
        20.0 + (number % 100) as f64 / 10.0,
        40 + number % 20,
    ))
}

fn moment(number: i64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH + number).expect("a moment of this year is one")
}

fn number(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millisecond() - EPOCH).expect("none is older")
}
