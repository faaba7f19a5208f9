//! Rows and times on their way to PostgreSQL.

use std::error::Error;

use jiff::Timestamp;
use postgres_types::private::BytesMut;
use postgres_types::{IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

use crate::MomentRow;

/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// A `timestamptz`. jiff's own conversion goes by way of a span that it rounds, which is a good part of what it costs to
/// write a row; here what is below a microsecond is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&(self.0.as_microsecond() - EPOCH).to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// A row of `moment` as it is sent.
#[derive(Debug, ToSql)]
#[postgres(name = "moment_account")]
pub(crate) struct SentRow<'a> {
    stream_id: i32,
    observed_at: Instant,
    received_at: Instant,
    receipt_id: Uuid,
    revised_at: Option<Instant>,
    values: &'a [Option<f64>],
    texts: Option<&'a [Option<String>]>,
    quality: Option<&'a [Option<i16>]>,
    received_ats: Option<Vec<Option<Instant>>>,
    receipt_ids: Option<&'a [Option<Uuid>]>,
    generation: Option<i32>,
    generations: Option<&'a [Option<i32>]>,
}

impl<'a> From<&'a MomentRow> for SentRow<'a> {
    fn from(row: &'a MomentRow) -> Self {
        let instants = |times: &Vec<Option<Timestamp>>| times.iter().map(|at| at.map(Instant)).collect();
        Self {
            stream_id: row.stream_id,
            observed_at: Instant(row.observed_at),
            received_at: Instant(row.received_at),
            receipt_id: row.receipt_id,
            revised_at: row.revised_at.map(Instant),
            values: &row.values,
            texts: row.texts.as_deref(),
            quality: row.quality.as_deref(),
            received_ats: row.received_ats.as_ref().map(instants),
            receipt_ids: row.receipt_ids.as_deref(),
            generation: (row.generation != 0).then_some(row.generation),
            generations: row.generations.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use postgres_types::private::BytesMut;
    use postgres_types::{ToSql as _, Type};

    use super::Instant;

    #[test]
    fn an_instant_is_written_as_jiff_writes_it() {
        for text in ["2000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2026-03-01T10:00:00.25Z"] {
            let at: Timestamp = text.parse().unwrap();
            let (mut own, mut its) = (BytesMut::new(), BytesMut::new());
            Instant(at).to_sql(&Type::TIMESTAMPTZ, &mut own).unwrap();
            at.to_sql(&Type::TIMESTAMPTZ, &mut its).unwrap();
            assert_eq!(own, its, "{text}");
        }
    }
}
