//! What an export holds in memory, and what its pages look at.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use growth_tests::cost;
use store::DatabaseSettings;
use testkit::TestDatabase;

/// Readings, ten a moment, where `FRESHET_LONG` does not say that the test may take long.
const FEW: i64 = 100_000;
const MANY: i64 = 10_000_000;
/// As many more are texts, of the longest that there are, a thousand a moment.
const TEXTS: i64 = 10_000;
/// The most that the process may hold, in KiB.
const BOUND: u64 = 64 * 1024;

/// $1 moments within two months, half of them of one stream, in no order of streams; and a stream of a thousand long texts.
const FILL: &str = "
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select case n % 2 when 0 then 1 else n / 2 % 99 + 2 end, '2026-06-15Z'::timestamptz + n * interval '2 seconds', '2026-06-01Z',
           '00000000-0000-0000-0000-000000000000', array[n, 0.1, 2.25, -3, 4e-7, 5, 6, 7.5, 8, 9]::float8[]
    from generate_series(0, $1::integer - 1) n";
const SERIES: &str = "
    select make_partition('moment', '2026-06-01'), make_partition('moment', '2026-07-01');
    insert into device (source, name, first_seen_at, last_seen_at) select 'plant', 'device-' || n, now(), now() from generate_series(1, 101) n;
    insert into stream (device_id, channel) select id, '' from device order by id;
    insert into metric (stream_id, position, name, unit, kind)
    select s.id, n, 'metric_' || n, 'Cel', 'number' from stream s, generate_series(0, 9) n where s.id <= 100;
    insert into metric (stream_id, position, name, unit, kind) select 101, n, 'text_' || n, '', 'text' from generate_series(0, 999) n;";
const WIDE: &str = "
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\", texts)
    select 101, '2026-06-15Z'::timestamptz + n * interval '2 seconds', '2026-06-01Z', '00000000-0000-0000-0000-000000000000', '{}',
           array_fill(repeat('x', 4096), array[1000])
    from generate_series(1, $1::integer / 1000) n";

/// What an export came to.
struct Exported {
    lines: i64,
    bytes: u64,
    /// The most that its process held, in KiB.
    held: u64,
}

/// The command that was built with the tests.
fn freshet() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("freshet");
    assert!(path.exists(), "{} is not built: run `make build-test`, which builds it", path.display());
    path
}

fn export(database: &TestDatabase, format: &str) -> Exported {
    let mut command = Command::new(freshet());
    command.args(["readings", "--all", "-o", format]).env_clear().env("DATABASE_URL", database.url());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut exported = Exported { lines: 0, bytes: 0, held: 0 };
    let mut chunk = vec![0; 64 * 1024];
    loop {
        // While the last chunk is not read yet, the process is there.
        exported.held = exported.held.max(held(&child).unwrap_or_default());
        let length = out.read(&mut chunk).unwrap();
        if length == 0 {
            break;
        }
        exported.bytes += length as u64;
        exported.lines += chunk[..length].iter().filter(|byte| **byte == b'\n').count() as i64;
    }
    assert!(child.wait().unwrap().success());
    exported
}

/// The memory of its own that a process holds, in KiB (proc(5)); `None` where it has ended. The pages of its binary, of which a debug build has many, are not its
/// own: the kernel takes them back.
fn held(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_any_size_is_written_in_little_memory_by_the_keys_alone() {
    let Some(server) = cost::counting_server().await else { return };
    let database = server.database();
    store::migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    let readings = if std::env::var_os("FRESHET_LONG").is_some() { MANY } else { FEW };
    let moments = i32::try_from(readings / 10).unwrap();
    let client = database.connect().await;
    client.batch_execute("create extension pg_stat_statements").await.unwrap();
    client.batch_execute(SERIES).await.unwrap();
    client.execute(FILL, &[&moments]).await.unwrap();
    client.execute(WIDE, &[&i32::try_from(TEXTS).unwrap()]).await.unwrap();
    for (format, headers) in [("csv", 1), ("ndjson", 0)] {
        cost::reset(&client).await;
        let began = Instant::now();
        let exported = tokio::task::block_in_place(|| export(&database, format));
        println!(
            "{readings} readings and {TEXTS} texts as {format}: {} MiB in {:.1} s, the process held {:.1} MiB",
            exported.bytes >> 20,
            began.elapsed().as_secs_f64(),
            exported.held as f64 / 1024.0
        );
        assert_eq!(exported.lines, readings + TEXTS + headers);
        assert!(exported.held > 0 && exported.held < BOUND, "{} KiB", exported.held);
        let sql = "
            select calls, rows, shared_blks_hit + shared_blks_read from pg_stat_statements
            where toplevel and query ~ 'cross join lateral' and query ~ 'from moment'";
        let [row] = &client.query(sql, &[]).await.unwrap()[..] else { panic!("one statement reads moments") };
        let (calls, rows, pages): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        // What lies behind the end of a full page is read once more: where moments become wider, or there are more of them than before.
        assert!(rows < i64::from(moments) * 5 / 4 + 3 * 4096, "{rows} rows");
        // A page for each moment, those of its index, and the way to the first of each month of each stream.
        assert!(pages < rows * 2 + (calls + 101) * 40, "{pages} pages for {rows} rows in {calls} statements");
    }
}
