//! What it takes to drop a month, whatever it holds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use jiff::civil::date;
use retention::Step;
use store::rollups::{self, RolledTo};
use store::{Database, DatabaseSettings, Transaction, floors, retention as rows};

/// Readings, ten a moment, where `FRESHET_LONG` does not say that the test may take long.
const FEW: i64 = 1_000_000;
const MANY: i64 = 100_000_000;

/// $1 moments of a thousand streams within June.
const FILL: &str = "
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select n::integer % 1000 + 1, '2026-06-01Z'::timestamptz + (n / 1000) * interval '200 ms', '2026-06-01Z', '00000000-0000-0000-0000-000000000000',
           '{1,2,3,4,5,6,7,8,9,10}'
    from generate_series(0, $1::bigint - 1) n";

#[tokio::test]
async fn a_month_is_dropped_whatever_it_holds() {
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    store::migrate(&settings).await.unwrap();
    let readings = if std::env::var_os("FRESHET_LONG").is_some() { MANY } else { FEW };
    let client = database.connect().await;
    client.batch_execute("select make_partition('moment', '2026-06-01')").await.unwrap();
    let statement = client.prepare(FILL).await.unwrap();
    assert_eq!(
        client.execute(&statement, &[&(readings / 10)]).await.unwrap(),
        (readings / 10).unsigned_abs()
    );
    client.batch_execute("analyze moment").await.unwrap();
    let step = Step::Readings { month: date(2026, 6, 1) };
    let mut pooled = Database::new(&settings).client().await.unwrap();
    let transaction = Transaction::begin(&mut pooled).await.unwrap();
    let (planned, bytes) = rows::count(&transaction, &step).await.unwrap();
    let floor = "2026-07-01T00:00:00Z".parse().unwrap();
    floors::move_to(&transaction, "", floor).await.unwrap();
    // No stream is known, so that nothing is to be rolled up.
    rollups::set_rolled_to(&transaction, RolledTo { hours: Some(floor), days: None }).await.unwrap();
    assert!(rollups::freeze(&transaction).await.unwrap());
    transaction.commit().await.unwrap();
    let began = Instant::now();
    let transaction = Transaction::begin(&mut pooled).await.unwrap();
    let taken = rows::take_away(&transaction, &step, None).await.unwrap();
    transaction.commit().await.unwrap();
    let took = began.elapsed();
    println!("{readings} readings in {planned} moments, {} MiB: dropped in {took:?}", bytes >> 20);
    assert_eq!(i64::try_from(taken.rows).unwrap(), planned);
    let left: i64 = client
        .query_one("select count(*) from pg_class where relname like 'moment_2026%'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}
