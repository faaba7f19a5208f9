use deadpool_postgres::GenericClient;
use event_model::Quality;
use jiff::Timestamp;
use rules::Point;
use tokio_postgres::{Error, Row};

use super::query;

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

/// The moments after `since` that are not more than 5 minutes ahead of their receive time.
///
/// # Errors
/// Those of the database.
pub async fn moments(
    transaction: &impl GenericClient,
    stream: i32,
    since: Timestamp,
) -> Result<Moments, Error> {
    let sql = r#"
        select observed_at, "values", texts, quality from moment
        where stream_id = $1 and observed_at > $2 and observed_at <= received_at + interval '5 minutes'
        order by observed_at"#;
    let rows = query(transaction, sql, &[&stream, &since]).await?;
    Ok(Moments(rows.iter().map(Moment::read).collect::<Result<_, _>>()?))
}

impl Moments {
    /// The series at `position`: readings of good quality. A text is a sign of life without a number.
    pub fn series(&self, position: i16) -> Vec<Point> {
        let Ok(position) = usize::try_from(position) else { return Vec::new() };
        self.0.iter().filter_map(|moment| moment.point(position)).collect()
    }
}

impl Moment {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            at: row.try_get(0)?,
            values: row.try_get(1)?,
            texts: row.try_get(2)?,
            quality: row.try_get(3)?,
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
