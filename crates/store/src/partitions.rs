//! Partitions by month or by day, made before the write that needs them. Times far from the receive time stay in the default partition.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Client;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tokio_postgres::Error;

use crate::{StoreError, Transaction};

/// How many months before its receive time a moment may be to get a month of its own: what a payload can make is bounded by it.
const PAST_MONTHS: i64 = 24;
/// How many days ahead of its receive time.
const LEAD_DAYS: i64 = 1;

/// A partitioned table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    /// By month.
    Moment,
    /// By month.
    Receipt,
    /// By day.
    Request,
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Moment => "moment",
            Self::Receipt => "receipt",
            Self::Request => "request",
        }
    }

    /// How the first day of a partition is written in its name.
    const fn format(self) -> &'static str {
        match self {
            Self::Moment | Self::Receipt => "%Y_%m",
            Self::Request => "%Y_%m_%d",
        }
    }
}

/// A partition of a table, by its first day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    pub(crate) table: Table,
    pub(crate) first_day: Date,
}

impl Partition {
    /// The one that a moment at `at`, received at `received_at`, asks for; `None` where it is far from its receive time: such a moment
    /// goes to its month where that is there, else to the default partition.
    pub(crate) fn of_moment(at: Timestamp, received_at: Timestamp) -> Option<Self> {
        let first_day = day(at).first_of_month();
        let latest = received_at.checked_add(Span::new().hours(24 * LEAD_DAYS)).ok()?;
        let earliest = day(received_at).first_of_month().checked_sub(Span::new().months(PAST_MONTHS)).ok()?;
        (first_day >= earliest && at <= latest).then_some(Self { table: Table::Moment, first_day })
    }

    /// That of a receipt.
    pub(crate) fn of_receipt(received_at: Timestamp) -> Self {
        Self { table: Table::Receipt, first_day: day(received_at).first_of_month() }
    }

    /// That of a request.
    pub(crate) fn of_request(received_at: Timestamp) -> Self {
        Self { table: Table::Request, first_day: day(received_at) }
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.table.name(), self.first_day.strftime(self.table.format()))
    }
}

/// The partitions of a table that are named by their first days, with the bytes that each takes on disk.
pub(crate) async fn existing(
    transaction: &Transaction<'_>,
    table: Table,
) -> Result<Vec<(Partition, u64)>, StoreError> {
    let sql = "
        select c.relname, pg_total_relation_size(c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = $1::text::regclass order by 1";
    let mut partitions = Vec::new();
    for row in transaction.query(sql, &[&table.name()]).await? {
        let (name, bytes): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let first_day = name.strip_prefix(table.name()).and_then(|rest| rest.strip_prefix('_'));
        let first_day = first_day.and_then(|rest| first_day_of(rest, table.format()));
        let partition = first_day.map(|first_day| Partition { table, first_day });
        partitions.extend(partition.map(|partition| (partition, bytes.unsigned_abs())));
    }
    Ok(partitions)
}

/// The day that `text` names; a month names its first.
fn first_day_of(text: &str, format: &str) -> Option<Date> {
    let mut read = jiff::fmt::strtime::parse(format, text).ok()?;
    read.set_day(read.day().or(Some(1))).ok()?;
    read.to_date().ok()
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The partitions that are known to be there.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    known: Mutex<HashSet<Partition>>,
}

impl Partitions {
    /// Makes what is missing of `partitions`, each in a transaction of its own.
    pub(crate) async fn ensure(
        &self,
        client: &Client,
        partitions: &BTreeSet<Partition>,
    ) -> Result<(), Error> {
        for partition in partitions {
            if !self.known().contains(partition) {
                make(client, *partition).await?;
                self.known().insert(*partition);
            }
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Partition>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a transaction of its own, in which rows of its time leave the default partition. One that is there already stays as it is.
async fn make(client: &Client, Partition { table, first_day }: Partition) -> Result<(), Error> {
    let row = client.query_one("select make_partition($1, $2)", &[&table.name(), &first_day]).await?;
    if row.try_get(0)? {
        tracing::info!(table = table.name(), %first_day, "made a partition");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Partition, Table, Timestamp, first_day_of};

    fn month(at: &str, received_at: &str) -> Option<String> {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        Partition::of_moment(time(at), time(received_at)).map(|month| month.first_day.to_string())
    }

    #[test]
    fn a_partition_is_known_by_its_name() {
        for (table, name) in [(Table::Moment, "2024_02"), (Table::Request, "2024_02_29")] {
            let first_day = first_day_of(name, table.format()).unwrap();
            assert_eq!(Partition { table, first_day }.to_string(), format!("{}_{name}", table.name()));
        }
        for other in ["default", "2024_13", "2024_02_29", "mine"] {
            assert_eq!(first_day_of(other, Table::Moment.format()), None, "{other}");
        }
    }

    #[test]
    fn a_row_belongs_to_its_month_in_utc() {
        let received = "2024-03-01T00:00:00Z";
        assert_eq!(month("2024-02-29T23:59:59.999999Z", received).as_deref(), Some("2024-02-01"));
        assert_eq!(month("2024-03-01T01:00:00+02:00", received).as_deref(), Some("2024-02-01"));
    }

    #[test]
    fn times_far_from_the_receive_time_have_no_month() {
        assert_eq!(month("2022-02-28T23:59:59Z", "2024-03-31T00:00:00Z"), None);
        assert_eq!(month("2022-03-01T00:00:00Z", "2024-03-31T00:00:00Z").as_deref(), Some("2022-03-01"));
        assert_eq!(month("2024-03-02T00:00:01Z", "2024-03-01T00:00:00Z"), None);
        assert_eq!(month("2024-03-02T00:00:00Z", "2024-03-01T00:00:00Z").as_deref(), Some("2024-03-01"));
    }
}
