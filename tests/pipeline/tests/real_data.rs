//! Real tables through `freshet send` into the running pipeline, twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;

use pipeline_tests::stand::{KEY, Plan, Stand, binaries};
use testkit::real_tables::{self, PIPELINE, RIVER, Table, WEATHER};
use tokio::process::Command;

/// One row in so many of the weather is sent: a part that has all three airports and the whole year.
const EVERY: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn every_series_sums_up_as_its_file_does_and_a_second_pass_stores_nothing() {
    let Some(folder) = real_tables::folder() else {
        println!(
            "skipped: every_series_sums_up_as_its_file_does_and_a_second_pass_stores_nothing: FRESHET_BURST names no folder"
        );
        return;
    };
    let Some(stand) = Stand::up(Plan::new(PIPELINE)).await else { return };
    let part = stand.folder.path().join(WEATHER.file);
    write_part(&folder.join(WEATHER.file), &part);
    let tables = [(WEATHER, part), (RIVER, folder.join(RIVER.file))];
    let database = stand.database().await;
    let mut rows_before = None;
    for _ in 0..2 {
        for (table, file) in &tables {
            send(&stand, table, file).await;
        }
        stand.rest().await;
        for (table, file) in &tables {
            let computed = table.computed(file);
            assert!(computed.values().all(|sum| sum.count > 0) && !computed.is_empty());
            let differences = real_tables::differences(&computed, &table.stored(&database).await);
            assert!(differences.is_empty(), "{}", differences.join("\n"));
        }
        let counts = "select (select count(*) from moment), (select count(*) from moment where revised_at is not null),
                             (select count(*) from dead_letter)";
        let row = database.query_one(counts, &[]).await.unwrap();
        let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
        assert_eq!(counts[1..], [0, 0], "revised rows and dead letters");
        assert_eq!(*rows_before.get_or_insert(counts[0]), counts[0], "the second pass stored something");
    }
    stand.down().await;
}

/// Copies the header and every tenth row.
fn write_part(from: &Path, to: &Path) {
    let text = std::fs::read_to_string(from).unwrap();
    let mut part = std::fs::File::create(to).unwrap();
    for line in text.lines().take(1).chain(text.lines().skip(1).step_by(EVERY)) {
        writeln!(part, "{line}").unwrap();
    }
}

async fn send(stand: &Stand, table: &Table, file: &Path) {
    let output = Command::new(binaries().join("freshet"))
        .arg("send")
        .arg(file)
        .args(["--source", table.source, "--batch", "20", "--to"])
        .arg(stand.running.service_url("ingest").unwrap())
        .arg("--pipeline")
        .arg(stand.folder.path().join("freshet.yaml"))
        .env("STAND_KEY", KEY)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
