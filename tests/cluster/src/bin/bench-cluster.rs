//! `make bench-cluster`: one table, also in `target/bench/cluster.json`. Its arguments are the modes to measure; all where there
//! is none.

use std::path::Path;
use std::process::ExitCode;

use bench::table::Table;
use cluster_tests::Failure;
use cluster_tests::settings::Settings;
use cluster_tests::stand::Stand;
use topology::Mode;

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
    let modes = modes()?;
    let stand = Stand::prepare(Settings::from_env()?).await?;
    let mut table = Table::default();
    let measured = cluster_tests::measure::run(&stand, &mut table, &modes).await;
    // What was measured before a failure is written all the same.
    table.close_as(Path::new("target/bench/cluster.json"))?;
    measured.and(stand.clear().await)
}

fn modes() -> Result<Vec<Mode>, Failure> {
    let named = std::env::args().skip(1).map(|word| {
        let mode = Mode::ALL.into_iter().find(|mode| mode.word() == word);
        mode.ok_or_else(|| format!("{word} is no mode").into())
    });
    let named = named.collect::<Result<Vec<_>, Failure>>()?;
    Ok(if named.is_empty() { Mode::ALL.to_vec() } else { named })
}
