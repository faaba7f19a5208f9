//! What statements cost, by `pg_stat_statements`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use testkit::OwnPostgres;
use tokio_postgres::Client;

use crate::burst::Phase;

/// Pages that a statement may look at in a full database: so many times those in a small one, so many beside, and so many for
/// each row that it gives or writes. The rows of a small table lie in a few pages, which one look reads whole; those of a large
/// one lie apart, each below an index that is one level deeper.
const MOST: Bound = Bound { factor: 3.0, beside: 250.0, each_row: 4.0 };

struct Bound {
    factor: f64,
    beside: f64,
    each_row: f64,
}

/// A server that counts what each statement costs; `None` where there is none, or it lacks the extension.
pub async fn counting_server() -> Option<OwnPostgres> {
    let mut server = testkit::own_postgres().await?;
    let client = server.database().connect().await;
    let there = "select count(*) from pg_available_extensions where name = 'pg_stat_statements'";
    if client.query_one(there, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        testkit::report_skipped(
            "the growth of statements",
            "PostgreSQL's extension pg_stat_statements was not found",
        );
        return None;
    }
    for setting in
        ["shared_preload_libraries = 'pg_stat_statements'", "autovacuum = off", "max_wal_size = '8GB'"]
    {
        client.batch_execute(&format!("alter system set {setting}")).await.unwrap();
    }
    tokio::task::block_in_place(|| server.instance.restart().unwrap());
    // Each new database has it.
    let client = server.named("template1").connect().await;
    client.batch_execute("create extension pg_stat_statements").await.unwrap();
    Some(server)
}

/// What a statement came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// How often it was sent.
    pub calls: i64,
    /// Pages that one of them looked at, in the cache or not.
    pub pages: f64,
    /// Rows that one of them gave or wrote.
    pub rows: f64,
}

/// Costs by phase and statement.
pub type Costs = BTreeMap<(Phase, String), Cost>;

/// Reads what was sent in this database since the counters were set to naught, and does so again.
pub async fn take(client: &Client, phase: Phase, costs: &mut Costs) {
    let sql = "
        select query, calls, (shared_blks_hit + shared_blks_read)::float8 / calls,
               rows::float8 / calls
        from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database()) and toplevel
          and query !~* '^\\s*(begin|commit|rollback|vacuum|set|start)' and query !~ 'pg_stat_statements|refinery'";
    for row in client.query(sql, &[]).await.unwrap() {
        let statement: String = row.get::<_, &str>(0).split_whitespace().collect::<Vec<_>>().join(" ");
        let cost = Cost { calls: row.get(1), pages: row.get(2), rows: row.get(3) };
        costs.insert((phase, statement), cost);
    }
    reset(client).await;
}

/// Sets the counters to naught.
pub async fn reset(client: &Client) {
    client.execute("select pg_stat_statements_reset()", &[]).await.unwrap();
}

/// A line a statement, those that grew most first; and those that grew too much.
pub fn compare(small: &Costs, large: &Costs) -> (String, Vec<String>) {
    let mut lines = Vec::new();
    let mut too_much = Vec::new();
    for (key @ (phase, statement), cost) in large {
        let Some(before) = small.get(key) else { continue };
        let growth = cost.pages / before.pages.max(1.0);
        let shown: String = statement.chars().take(96).collect();
        let line = format!("{:>9.1} {:>9.1} {growth:>6.2}  {phase:?}: {shown}", before.pages, cost.pages);
        if cost.pages > before.pages * MOST.factor + MOST.beside + cost.rows * MOST.each_row {
            too_much.push(line.clone());
        }
        lines.push((growth, line));
    }
    lines.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let mut table = "    small     large growth  statement\n".to_owned();
    for (_, line) in lines {
        let _ = writeln!(table, "{line}");
    }
    (table, too_much)
}
