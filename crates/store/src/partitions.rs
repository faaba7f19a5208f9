//! One partition a month, made before the write that needs it. Times far from the receive time stay in the default partition.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Client;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tokio_postgres::Error;

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
}

/// The months that are known to be there.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    known: Mutex<HashSet<Month>>,
}

impl Partitions {
    /// Makes what is missing of `months`, each in a transaction of its own.
    pub(crate) async fn ensure(&self, client: &Client, months: &BTreeSet<Month>) -> Result<(), Error> {
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

/// In a transaction of its own, in which rows of its month leave the default partition. One that is there already stays as it is.
async fn make(client: &Client, Month { table, first_day }: Month) -> Result<(), Error> {
    let row = client.query_one("select make_month($1, $2)", &[&table.name(), &first_day]).await?;
    if row.try_get(0)? {
        tracing::info!(table = table.name(), %first_day, "made a partition");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Month, Table, Timestamp};

    fn month(at: &str, received_at: &str) -> Option<String> {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        Month::of(Table::Moment, time(at), time(received_at)).map(|month| month.first_day.to_string())
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
