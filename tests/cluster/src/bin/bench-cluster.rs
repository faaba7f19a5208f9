//! `make bench-cluster`: one table, also in `target/bench/cluster.json`.

use std::path::Path;
use std::process::ExitCode;

use bench::table::Table;
use cluster_tests::Failure;
use cluster_tests::settings::Settings;
use cluster_tests::stand::Stand;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let stand = Stand::prepare(Settings::from_env()?).await?;
    let mut table = Table::default();
    let measured = cluster_tests::measure::run(&stand, &mut table).await;
    // What was measured before a failure is written all the same.
    table.close_as(Path::new("target/bench/cluster.json"))?;
    measured.and(stand.clear().await)
}
