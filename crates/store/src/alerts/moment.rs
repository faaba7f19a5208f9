use std::collections::BTreeMap;

use event_model::{CLOCK_SKEW, Quality};
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

/// A part of a stream's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Moments after this one,
    pub after: Timestamp,
    /// up to and with this one; `None`: all.
    pub until: Option<Timestamp>,
}

/// What would stand at one position of a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangedCell {
    /// The moment.
    pub at: Timestamp,
    /// The series within its stream.
    pub position: i16,
    /// The number, not a number where it is a text, and how far it can be trusted; `None` where nothing would stand there.
    pub reading: Option<(f64, Quality)>,
}

/// The moments of each stream in the spans beside it, which are in order and apart, that are not more than [`CLOCK_SKEW`] ahead
/// of their receive time; where they are more than `most` in all, the first of those, and `false`.
///
/// # Errors
/// Those of the database.
pub async fn moments(
    transaction: &Transaction<'_>,
    spans: &[(i32, Span)],
    most: usize,
) -> Result<(BTreeMap<i32, Moments>, bool), StoreError> {
    // `offset 0` keeps the planner from joining the table as a whole: a stream is a look into its index.
    let sql = r#"
        select w.stream_id, m.*
        from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as w (stream_id, since, until)
        cross join lateral (
            select observed_at, "values", texts, quality from moment
            where stream_id = w.stream_id and observed_at > w.since and observed_at <= coalesce(w.until, 'infinity')
              and observed_at <= received_at + make_interval(secs => $5)
            order by observed_at offset 0) as m
        limit $4"#;
    let streams: Vec<i32> = spans.iter().map(|(stream, _)| *stream).collect();
    let since: Vec<Timestamp> = spans.iter().map(|(_, span)| span.after).collect();
    let until: Vec<Option<Timestamp>> = spans.iter().map(|(_, span)| span.until).collect();
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let rows = transaction.query(sql, &[&streams, &since, &until, &limit, &CLOCK_SKEW.as_secs_f64()]).await?;
    let is_all = rows.len() <= most;
    let mut moments = BTreeMap::<i32, Moments>::new();
    // They come span by span, each in order of time, so that the first ones of a stream are its oldest.
    for row in rows.into_iter().take(most) {
        moments.entry(row.try_get(0)?).or_default().push(&row, 1)?;
    }
    for Moments(moments) in moments.values_mut() {
        moments.sort_by_key(|moment| moment.at);
    }
    Ok((moments, is_all))
}

impl Moments {
    /// The series at `position`: readings of good quality. A text is a sign of life without a number.
    pub fn series(&self, position: i16) -> Vec<Point> {
        self.points(position).filter_map(|(point, is_good)| is_good.then_some(point)).collect()
    }

    /// Every reading of the series at `position`, of whatever quality, by which its device is not silent. What is not good is a
    /// sign of life without a number.
    pub fn signs_of_life(&self, position: i16) -> Vec<Point> {
        let sign =
            |(Point { at, value }, is_good)| Point { at, value: if is_good { value } else { f64::NAN } };
        self.points(position).map(sign).collect()
    }

    /// The time of the last one.
    pub fn newest(&self) -> Option<Timestamp> {
        self.0.last().map(|moment| moment.at)
    }

    /// Has these cells take the place of what stands there; moments that are not among them are added.
    pub fn lay_over(&mut self, cells: impl IntoIterator<Item = ChangedCell>) {
        let mut new = BTreeMap::<Timestamp, Moment>::new();
        for ChangedCell { at, position, reading } in cells {
            let Ok(position) = usize::try_from(position) else { continue };
            match self.0.binary_search_by_key(&at, |moment| moment.at) {
                Ok(found) => self.0[found].put(position, reading),
                Err(_) => new.entry(at).or_insert_with(|| Moment::of(at)).put(position, reading),
            }
        }
        if !new.is_empty() {
            self.0.extend(new.into_values());
            self.0.sort_by_key(|moment| moment.at);
        }
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the moment whose columns begin at `first`; none where they are null.
    pub(super) fn push(&mut self, row: &Row, first: usize) -> Result<(), tokio_postgres::Error> {
        self.0.extend(Moment::read(row, first)?);
        Ok(())
    }

    /// Each reading of the series at `position`, and whether its quality is good.
    fn points(&self, position: i16) -> impl Iterator<Item = (Point, bool)> {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        self.0.iter().filter_map(move |moment| Some((moment.point(position)?, moment.is_good(position))))
    }
}

impl Moment {
    const fn of(at: Timestamp) -> Self {
        Self { at, values: Vec::new(), texts: None, quality: None }
    }

    fn put(&mut self, position: usize, reading: Option<(f64, Quality)>) {
        fn place<T: Clone>(cells: &mut Vec<Option<T>>, position: usize, cell: Option<T>) {
            if cells.len() <= position {
                cells.resize(position + 1, None);
            }
            cells[position] = cell;
        }
        place(&mut self.values, position, reading.map(|(value, _)| value));
        if let Some(text) = self.texts.as_mut().and_then(|texts| texts.get_mut(position)) {
            *text = None;
        }
        let quality = reading.map(|(_, quality)| quality.code());
        place(self.quality.get_or_insert_default(), position, quality);
    }

    fn read(row: &Row, first: usize) -> Result<Option<Self>, tokio_postgres::Error> {
        let Some(at) = row.try_get(first)? else { return Ok(None) };
        Ok(Some(Self {
            at,
            values: row.try_get(first + 1)?,
            texts: row.try_get(first + 2)?,
            quality: row.try_get(first + 3)?,
        }))
    }

    fn is_good(&self, position: usize) -> bool {
        let quality = self.quality.as_ref().and_then(|codes| codes.get(position).copied().flatten());
        quality.is_none_or(|quality| quality == Quality::Good.code())
    }

    fn point(&self, position: usize) -> Option<Point> {
        let value = self.values.get(position).copied().flatten();
        let text = || self.texts.as_ref()?.get(position)?.as_ref().map(|_| f64::NAN);
        value.or_else(text).map(|value| Point { at: self.at, value })
    }
}

#[cfg(test)]
mod tests {
    use event_model::Quality;
    use jiff::Timestamp;

    use super::{ChangedCell, Moment, Moments};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn moment(second: i64, values: &[Option<f64>], text: Option<&str>) -> Moment {
        let texts = text.map(|text| vec![Some(text.to_owned())]);
        Moment { values: values.to_vec(), texts, ..Moment::of(at(second)) }
    }

    #[test]
    fn changed_cells_take_the_place_of_what_was_read_and_new_moments_stand_in_order() {
        let mut moments = Moments(vec![
            moment(1, &[Some(1.0), Some(2.0)], None),
            moment(2, &[], Some("open")),
            moment(4, &[Some(4.0)], None),
        ]);
        let cell = |second, position, reading| ChangedCell { at: at(second), position, reading };
        moments.lay_over([
            cell(1, 0, Some((10.0, Quality::Good))),
            cell(2, 0, None),
            cell(4, 0, Some((40.0, Quality::Bad))),
            cell(3, 1, Some((30.0, Quality::Good))),
            cell(3, 0, Some((3.0, Quality::Good))),
        ]);
        let series = |position| {
            let points = moments.series(position).into_iter();
            points.map(|point| (point.at.as_second(), point.value)).collect::<Vec<_>>()
        };
        assert_eq!((series(0), series(1)), (vec![(1, 10.0), (3, 3.0)], vec![(1, 2.0), (3, 30.0)]));
        let signs: Vec<_> = moments.signs_of_life(0).iter().map(|point| point.at.as_second()).collect();
        assert_eq!(signs, [1, 3, 4]);
        assert_eq!(moments.len(), 4);
    }
}
