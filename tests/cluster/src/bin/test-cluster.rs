//! `make test-cluster`: the scenarios, one after the other. Arguments are parts of the names of those that are wanted.

use std::process::ExitCode;

use cluster_tests::settings::Settings;
use cluster_tests::stand::Stand;
use cluster_tests::{Failure, scenarios};

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match run(&wanted).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("{failed} scenarios failed");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: &[String]) -> Result<usize, Failure> {
    let settings = Settings::from_env()?;
    let keep = settings.keep;
    let stand = Stand::prepare(settings).await?;
    println!("namespace {}", stand.cluster.namespace);
    let failed = scenarios::run(&stand, wanted).await;
    if keep && !matches!(failed, Ok(0)) {
        println!("kept: namespace {}, database {}", stand.cluster.namespace, stand.database.url());
        return failed;
    }
    stand.clear().await?;
    failed
}
