use std::collections::BTreeMap;

use event_model::Quality;
use jiff::Timestamp;
use rules::Point;
use tokio_postgres::Row;

use crate::{StoreError, Transaction};

/// Moments of one stream, in order: those whose readings may move a checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Moments(Vec<Moment>);

#[derive(Debug, Clone)]
struct Moment {
    at: Timestamp,
    values: Vec<Option<f64>>,
    texts: Option<Vec<Option<String>>>,
    quality: Option<Vec<Option<i16>>>,
}

/// The moments of each stream after the time beside it that are not more than 5 minutes ahead of their receive time; `None`
/// where they are more than `most` in all.
///
/// # Errors
/// Those of the database.
pub async fn moments(
    transaction: &Transaction<'_>,
    since: &[(i32, Timestamp)],
    most: Option<usize>,
) -> Result<Option<BTreeMap<i32, Moments>>, StoreError> {
    // `offset 0` keeps the planner from joining the table as a whole: a stream is a look into its index.
    let sql = r#"
        select w.stream_id, m.*
        from unnest($1::integer[], $2::timestamptz[]) as w (stream_id, since)
        cross join lateral (
            select observed_at, "values", texts, quality from moment
            where stream_id = w.stream_id and observed_at > w.since
              and observed_at <= received_at + interval '5 minutes'
            order by observed_at offset 0) as m
        limit $3"#;
    let (streams, times): (Vec<_>, Vec<_>) = since.iter().copied().unzip();
    let limit = most.map(|most| i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let rows = transaction.query(sql, &[&streams, &times, &limit]).await?;
    if most.is_some_and(|most| rows.len() > most) {
        return Ok(None);
    }
    let mut moments = BTreeMap::<i32, Moments>::new();
    for row in rows {
        moments.entry(row.try_get(0)?).or_default().0.push(Moment::read(&row)?);
    }
    Ok(Some(moments))
}

impl Moments {
    /// The series at `position`: readings of good quality. A text is a sign of life without a number.
    pub fn series(&self, position: i16) -> Vec<Point> {
        let Ok(position) = usize::try_from(position) else { return Vec::new() };
        self.0.iter().filter_map(|moment| moment.point(position)).collect()
    }
}

impl Moment {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            at: row.try_get(1)?,
            values: row.try_get(2)?,
            texts: row.try_get(3)?,
            quality: row.try_get(4)?,
        })
    }

    fn point(&self, position: usize) -> Option<Point> {
        let quality = self.quality.as_ref().and_then(|codes| codes.get(position).copied().flatten());
        if quality.is_some_and(|code| code != Quality::Good.code()) {
            return None;
        }
        let value = self.values.get(position).copied().flatten();
        let text = || self.texts.as_ref()?.get(position)?.as_ref().map(|_| f64::NAN);
        value.or_else(text).map(|value| Point { at: self.at, value })
    }
}
