//! `ingest` with 1 kB of JSON and an acknowledging sink, beside a bare actix-web echo of the same body, and beside a bare
//! actix-web server that does no more than post the body on to the same sink: what the second exchange alone costs.

use std::path::Path;
use std::time::Duration;

use crate::binaries::{Running, stage};
use crate::cpu::{Shares, Spent};
use crate::echo;
use crate::load::{self, post};
use crate::table::{Table, median};

const RUNS: usize = 5;
const TIME: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 64;

/// Measures both in turn, so that a change of the machine's speed hits both.
pub async fn beside_an_echo(table: &mut Table, database_url: &str, pipeline: &Path) {
    let sink = Running::start(echo::command("acknowledge"));
    sink.wait_until_listening();
    let ingest =
        Running::start(stage("ingest", database_url, pipeline, &format!("http://{}/", sink.address)));
    let bare = Running::start(echo::command("echo"));
    let mut forwarding = echo::command("forward");
    forwarding.arg(format!("http://{}/", sink.address));
    let forwarder = Running::start(forwarding);
    for server in [&ingest, &bare, &forwarder] {
        server.wait_until_listening();
    }
    let (mut rates, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut forwards, mut to_forwards) = (Vec::new(), Vec::new());
    let mut shares = Shares::default();
    for _ in 0..RUNS {
        let spent = Spent::since_now(&[bare.pid()]);
        let echoed = load::run(bare.address, CONNECTIONS, TIME, request).await;
        let floor = echoed.rate();
        shares.add(&["the echo"], &spent.per_request(echoed.accepted));
        let spent = Spent::since_now(&[forwarder.pid()]);
        let forwarded = load::run(forwarder.address, CONNECTIONS, TIME, request).await;
        shares.add(&["the bare forwarder"], &spent.per_request(forwarded.accepted));
        let spent = Spent::since_now(&[ingest.pid(), sink.pid(), std::process::id()]);
        let queued = load::run(ingest.address, CONNECTIONS, TIME, request).await;
        let rate = queued.rate();
        shares.add(&["ingest", "its sink", "the load on ingest"], &spent.per_request(queued.accepted));
        floors.push(floor);
        rates.push(rate);
        ratios.push(rate / floor);
        forwards.push(forwarded.rate() / floor);
        to_forwards.push(rate / forwarded.rate());
    }
    table.tell("bare echo, 1 kB", median(floors), "requests/s");
    table.tell("ingest, 1 kB JSON to an acknowledged sink", median(rates), "requests/s");
    table.at_least("ingest beside the echo", median(ratios), "x", 0.5);
    table.tell("a bare forwarder to the same sink beside the echo", median(forwards), "x");
    table.tell("ingest beside the bare forwarder", median(to_forwards), "x");
    shares.tell(table);
}

fn request(number: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"device":"bench-{}","time":{},"temperature":21.5,"note":"{}"}}"#,
        number % 500,
        1_760_000_000 + number,
        "x".repeat(930)
    );
    post("/hooks/bench", &[("content-type", "application/json"), ("x-api-key", "bench-key")], body.as_bytes())
}
