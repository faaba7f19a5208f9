//! Measures Freshet and prints one table of medians; `make bench` builds and runs it.

use std::path::{Path, PathBuf};

use bench::database::Database;
use bench::table::Table;
use bench::{echo, footprint, ingest, kafka, rules, start, write_path};

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1) {
        Some(role) => echo::serve(&role, std::env::args().nth(2)),
        None => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(measure()),
    }
}

/// In turn: all of it but the spike, which takes the machine for minutes, or what the names in `FRESHET_BENCH` ask for.
async fn measure() -> std::io::Result<()> {
    let pipeline = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/pipeline.yaml"));
    let chosen = std::env::var("FRESHET_BENCH").ok();
    let wants = |name: &str| chosen.as_ref().is_none_or(|chosen| chosen.split(',').any(|one| one == name));
    let mut table = Table::default();
    if chosen.as_deref() == Some("spike") {
        bench::spike::in_each_mode(&mut table, &pipeline).await;
        return table.close_as(Path::new("target/bench/spike.json"));
    }
    let database = Database::start();
    if wants("footprint") {
        footprint::image(&mut table);
        footprint::memory(&mut table, &database.url(), &pipeline).await;
    }
    if wants("start") {
        start::to_listening(&mut table, &database.url(), &pipeline);
        start::to_first_row(&mut table, &database.url(), &pipeline).await;
    }
    if wants("rules") {
        rules::readings_per_second(&mut table);
    }
    if wants("ingest") {
        ingest::beside_an_echo(&mut table, &database.url(), &pipeline).await;
    }
    if wants("transform") {
        write_path::beside_the_bare_upsert(&mut table, &database, &pipeline).await;
    }
    if wants("kafka") {
        kafka::beside_the_bare_upsert(&mut table, &database, &pipeline).await;
    }
    if wants("pipeline") {
        bench::pipeline::webhook_to_row(&mut table, &pipeline).await;
    }
    if wants("watched") {
        let watched = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/watched.yaml"));
        bench::pipeline::watched(&mut table, &pipeline, &watched).await;
    }
    if wants("burst") {
        bench::burst::real_tables(&mut table).await;
    }
    table.close(Path::new("target/bench"))
}
