//! Real tables, whole, through `freshet send` into a running `freshet up`: how long until every row is stored, and
//! whether every series sums up as its file does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::real_tables::{self, PIPELINE, RIVER, Table as Rows, WEATHER};
use tokio_postgres::Client;

use crate::binaries;
use crate::pipeline::Up;
use crate::table::Table;

/// Rows in one request.
const BATCH: &str = "20";
/// For what was sent to be stored.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Sends both tables, twice; the second pass stores nothing.
///
/// # Panics
/// If a series comes to something else than its file, or the second pass changed a row.
pub async fn real_tables(table: &mut Table) {
    let Some(folder) = real_tables::folder() else {
        eprintln!("  skipped: real tables: FRESHET_BURST names no folder");
        return;
    };
    let own = tempfile::tempdir().expect("a temporary directory can be made");
    let pipeline = own.path().join("freshet.yaml");
    std::fs::write(&pipeline, PIPELINE).expect("the directory takes a file");
    let up = Up::up(&pipeline).await;
    let client = up.connect().await;
    let tables = [(WEATHER, folder.join(WEATHER.file)), (RIVER, folder.join(RIVER.file))];
    for pass in ["first pass", "second pass"] {
        let before = receipts(&client).await;
        let begin = Instant::now();
        let mut rows = 0;
        let mut requests = 0;
        for (source, file) in &tables {
            let lines =
                std::fs::read_to_string(file).expect("the folder holds the table").lines().count() - 1;
            rows += lines;
            requests += lines.div_ceil(BATCH.parse().expect("a number"));
            send(&up, &pipeline, source, file);
        }
        until_received(&client, before + requests).await;
        let seconds = begin.elapsed().as_secs_f64();
        for (source, file) in &tables {
            let differences = real_tables::differences(&source.computed(file), &source.stored(&client).await);
            assert!(differences.is_empty(), "{}: {}", source.file, differences.join("; "));
        }
        table.tell(format!("real tables, {rows} rows, {pass}"), seconds, "s");
        table.tell(format!("real tables, {pass}"), rows as f64 / seconds, "rows/s");
    }
    let revised = "select count(*) from moment where revised_at is not null";
    assert_eq!(count(&client, revised).await, 0, "the second pass changed rows");
}

fn send(up: &Up, pipeline: &Path, source: &Rows, file: &PathBuf) {
    let sent = Command::new(binaries::path("freshet"))
        .arg("send")
        .arg(file)
        .args(["--source", source.source, "--batch", BATCH, "--to", &format!("http://{}", up.webhook)])
        .arg("--pipeline")
        .arg(pipeline)
        .env("STAND_KEY", "bench-key")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("freshet is built");
    assert!(sent.success(), "freshet send did not send all of {}", source.file);
}

async fn until_received(client: &Client, wanted: usize) {
    let begin = Instant::now();
    while receipts(client).await < wanted {
        assert!(begin.elapsed() < LIMIT, "what was sent is not stored");
        tokio::time::sleep(POLL).await;
    }
}

async fn receipts(client: &Client) -> usize {
    count(client, "select count(*) from receipt").await
}

async fn count(client: &Client, statement: &str) -> usize {
    let row = client.query_one(statement, &[]).await.expect("the database answers");
    usize::try_from(row.get::<_, i64>(0)).unwrap_or(0)
}
