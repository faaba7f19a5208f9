//! One partition a month, made before the write that needs it. Times far from the receive time stay in the default partition.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Client;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tokio_postgres::{Error, Transaction};

/// The class of the locks under which partitions are made; the other half is the month.
const LOCK_CLASS: i32 = 0x4652_0002;
/// How long to wait for the default partition: whoever comes later waits behind us.
const LOCK_TIMEOUT_MS: u32 = 2_000;
/// How many months before its receive time a moment may be to get a month of its own: what a payload can make is bounded by it.
const PAST_MONTHS: i64 = 24;
/// How many days ahead of its receive time.
const LEAD_DAYS: i64 = 1;

/// A partitioned table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Moment,
    Receipt,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Moment => "moment",
            Self::Receipt => "receipt",
        }
    }

    const fn time_column(self) -> &'static str {
        match self {
            Self::Moment => "observed_at",
            Self::Receipt => "received_at",
        }
    }
}

/// A month of a table, by its first day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month {
    table: Table,
    first_day: Date,
}

impl Month {
    /// The month that a row at `at`, received at `received_at`, asks for; `None` where it is far from its receive time: such a row
    /// goes to its month where that is there, else to the default partition.
    pub(crate) fn of(table: Table, at: Timestamp, received_at: Timestamp) -> Option<Self> {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let first_day = day(at).first_of_month();
        let latest = received_at.checked_add(Span::new().hours(24 * LEAD_DAYS)).ok()?;
        let earliest = day(received_at).first_of_month().checked_sub(Span::new().months(PAST_MONTHS)).ok()?;
        (first_day >= earliest && at <= latest).then_some(Self { table, first_day })
    }

    fn partition(self) -> String {
        format!("{}_{:04}_{:02}", self.table.name(), self.first_day.year(), self.first_day.month())
    }

    /// The bounds as SQL literals, the second exclusive.
    fn bounds(self) -> (String, String) {
        let next = self.first_day.last_of_month().tomorrow().unwrap_or(Date::MAX);
        (format!("'{} 00:00:00+00'", self.first_day), format!("'{next} 00:00:00+00'"))
    }

    fn lock_key(self) -> i32 {
        let month = i32::from(self.first_day.year()) * 12 + i32::from(self.first_day.month());
        month * 2 + i32::from(self.table == Table::Receipt)
    }
}

/// The months that are known to be there.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    known: Mutex<HashSet<Month>>,
}

impl Partitions {
    /// Makes what is missing of `months`, each in a transaction of its own.
    pub(crate) async fn ensure(&self, client: &mut Client, months: &BTreeSet<Month>) -> Result<(), Error> {
        for month in months {
            if !self.known().contains(month) {
                make(client, *month).await?;
                self.known().insert(*month);
            }
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Month>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds the partition detached, moves rows of its month out of the default partition, and attaches it.
async fn make(client: &mut Client, month: Month) -> Result<(), Error> {
    let transaction = client.build_transaction().start().await?;
    let lock = "select pg_advisory_xact_lock($1, $2)";
    transaction.execute(lock, &[&LOCK_CLASS, &month.lock_key()]).await?;
    if !is_there(&transaction, month).await? {
        let (table, partition, column) = (month.table.name(), month.partition(), month.table.time_column());
        let (from, until) = month.bounds();
        // The default partition is locked first and at once: a weaker lock that grows would meet its like.
        let statements = format!(
            "set local lock_timeout = {LOCK_TIMEOUT_MS};
             create table {partition} (like {table} including all);
             lock table {table}_default in access exclusive mode;
             with moved as (
                 delete from {table}_default where {column} >= {from} and {column} < {until} returning *)
             insert into {partition} select * from moved;
             alter table {table} attach partition {partition} for values from ({from}) to ({until});"
        );
        transaction.batch_execute(&statements).await?;
        tracing::info!(partition, "made a partition");
    }
    transaction.commit().await
}

/// Whether a table of the partition's name is there. One that an operator has detached stays detached, and what comes for its
/// month stays in the default partition.
async fn is_there(transaction: &Transaction<'_>, month: Month) -> Result<bool, Error> {
    let sql = "select to_regclass($1::text) is not null";
    transaction.query_one(sql, &[&month.partition()]).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use super::{Month, Table, Timestamp};

    fn month(at: &str, received_at: &str) -> Option<String> {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        Month::of(Table::Moment, time(at), time(received_at)).map(Month::partition)
    }

    #[test]
    fn a_row_belongs_to_its_month_in_utc() {
        let received = "2024-03-01T00:00:00Z";
        assert_eq!(month("2024-02-29T23:59:59.999999Z", received).as_deref(), Some("moment_2024_02"));
        assert_eq!(month("2024-03-01T01:00:00+02:00", received).as_deref(), Some("moment_2024_02"));
    }

    #[test]
    fn times_far_from_the_receive_time_have_no_month() {
        assert_eq!(month("2022-02-28T23:59:59Z", "2024-03-31T00:00:00Z"), None);
        assert_eq!(month("2022-03-01T00:00:00Z", "2024-03-31T00:00:00Z").as_deref(), Some("moment_2022_03"));
        assert_eq!(month("2024-03-02T00:00:01Z", "2024-03-01T00:00:00Z"), None);
        assert_eq!(month("2024-03-02T00:00:00Z", "2024-03-01T00:00:00Z").as_deref(), Some("moment_2024_03"));
    }

    #[test]
    fn december_ends_where_the_next_year_begins() {
        let at: Timestamp = "2023-12-31T12:00:00Z".parse().unwrap();
        let bounds = Month::of(Table::Receipt, at, at).unwrap().bounds();
        assert_eq!(bounds, ("'2023-12-01 00:00:00+00'".into(), "'2024-01-01 00:00:00+00'".into()));
    }
}
