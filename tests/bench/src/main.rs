//! Measures Freshet and prints one table of medians; `make bench` builds and runs it.

use std::path::{Path, PathBuf};

use bench::database::Database;
use bench::table::Table;
use bench::{echo, footprint, ingest, rules, start, write_path};

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1) {
        Some(role) => echo::serve(&role),
        None => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(measure()),
    }
}

async fn measure() -> std::io::Result<()> {
    let pipeline = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/pipeline.yaml"));
    let mut table = Table::default();
    let database = Database::start();
    footprint::image(&mut table);
    start::to_listening(&mut table, &database.url(), &pipeline);
    start::to_first_row(&mut table, &database.url(), &pipeline).await;
    footprint::memory(&mut table, &database.url(), &pipeline).await;
    rules::readings_per_second(&mut table);
    ingest::beside_an_echo(&mut table, &database.url(), &pipeline).await;
    write_path::beside_the_bare_upsert(&mut table, &database, &pipeline).await;
    table.close(Path::new("target/bench"))
}
