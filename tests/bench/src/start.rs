//! How long a stage takes from its start to its first answer.

use std::path::Path;
use std::time::Instant;

use crate::binaries::{Running, STAGES, stage};
use crate::load::{Connection, post};
use crate::table::{Table, median};

const RUNS: usize = 21;

/// Process start to listening, for each stage.
pub fn to_listening(table: &mut Table, database_url: &str, pipeline: &Path) {
    for name in STAGES {
        let times = (0..RUNS)
            .map(|_| {
                let begin = Instant::now();
                let running = Running::start(stage(name, database_url, pipeline, "http://127.0.0.1:1/"));
                running.wait_until_listening();
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        table.at_most(format!("start to listening: {name}"), median(times), "ms", 10.0);
    }
}

/// Start of `transform` to its first event stored, PostgreSQL warm.
///
/// # Panics
/// If the event is not stored.
pub async fn to_first_row(table: &mut Table, database_url: &str, pipeline: &Path) {
    let mut times = Vec::new();
    for run in 0..RUNS {
        let begin = Instant::now();
        let running = Running::start(stage("transform", database_url, pipeline, "http://127.0.0.1:1/"));
        running.wait_until_listening();
        let request = crate::write_path::delivery(run as u64, "start");
        let status =
            Connection::open(running.address).await.exchange(&request).await.expect("transform answers");
        assert!((200..300).contains(&status), "transform answered {status}");
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    table.at_most("start to first event stored: transform", median(times), "ms", 40.0);
}

/// Sends one request to a stage so that it has done something before its memory is read.
pub async fn warm(running: &Running) {
    let request = post("/", &[("content-type", "text/plain")], b"x");
    // Whatever it answers, it has served a request.
    let _ = Connection::open(running.address).await.exchange(&request).await;
}
