//! No statement's cost grows with what it does not touch.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use growth_tests::burst::Phase;
use growth_tests::cost::{self, Costs};
use growth_tests::fill::fill;
use growth_tests::stages::{Stages, now};
use testkit::OwnPostgres;
use tokio_postgres::Client;

/// Devices of the small database.
const SMALL: u32 = 1000;
/// Devices of the large one, where `FRESHET_LONG` does not say.
const LARGE: u32 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_costs_more_in_a_full_database_than_in_a_small_one() {
    let Some(server) = cost::counting_server().await else { return };
    let large = std::env::var("FRESHET_LONG").map_or(LARGE, |size| size.parse().unwrap());
    let (before, after) = (costs(&server, "small", SMALL).await, costs(&server, "large", large).await);
    assert!(after.len() > 40, "{} statements were seen", after.len());
    let (table, too_much) = cost::compare(&before, &after);
    println!("Devices: {SMALL} and {large}.\n{table}");
    assert!(too_much.is_empty(), "these grew:\n{}", too_much.join("\n"));
}

async fn costs(server: &OwnPostgres, name: &str, size: u32) -> Costs {
    let admin = server.database().connect().await;
    admin.batch_execute(&format!("create database {name}")).await.unwrap();
    let database = server.named(name);
    let stages = Stages::over(&database).await;
    let client: Client = database.connect().await;
    let begun = Instant::now();
    fill(&client, size, &stages.pipeline, now()).await;
    let filled = begun.elapsed();
    let mut costs = Costs::new();
    cost::reset(&client).await;
    for phase in Phase::ALL {
        phase.run(&stages, &client, size).await;
        cost::take(&client, phase, &mut costs).await;
    }
    let seconds = |time: std::time::Duration| time.as_secs_f64();
    println!(
        "{size} devices: filled in {:.1} s, the burst took {:.1} s",
        seconds(filled),
        seconds(begun.elapsed() - filled)
    );
    costs
}
