//! One row of `reading`: one moment of one stream, and how two accounts of a moment become one.

use event_model::{Quality, Reading};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

/// A moment of a stream: the values at their metrics' positions.
#[derive(Debug, Clone, PartialEq)]
pub struct MomentRow {
    /// The stream.
    pub stream_id: i32,
    /// The moment.
    pub observed_at: Timestamp,
    /// When the newest payload that gave one of its values was received.
    pub received_at: Timestamp,
    /// That payload's receipt.
    pub receipt_id: Uuid,
    /// When a payload was received that gave a value other than one before.
    pub revised_at: Option<Timestamp>,
    /// Numbers, and flags as 0 and 1.
    pub values: Vec<Option<f64>>,
    /// Texts, and bytes in hexadecimal; `None` where there are none.
    pub texts: Option<Vec<Option<String>>>,
    /// [`Quality::code`] of each value; `None` where all are good.
    pub quality: Option<Vec<Option<i16>>>,
    /// When each value was received; `None` where all came with `receipt_id`.
    pub received_ats: Option<Vec<Option<Timestamp>>>,
    /// The receipt of each value; `None` where all came with `receipt_id`.
    pub receipt_ids: Option<Vec<Option<Uuid>>>,
}

/// What stands at one position.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    number: Option<f64>,
    text: Option<String>,
    quality: i16,
    /// When it was received, and with which payload: what decides between two.
    origin: (Timestamp, Uuid),
}

impl Cell {
    fn has_the_value_of(&self, other: &Self) -> bool {
        (self.number, &self.text) == (other.number, &other.text)
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.has_the_value_of(other) && self.quality == other.quality
    }
}

impl MomentRow {
    /// A moment of which nothing is known yet.
    pub fn new(stream_id: i32, observed_at: Timestamp, received_at: Timestamp, receipt_id: Uuid) -> Self {
        Self {
            stream_id,
            observed_at,
            received_at,
            receipt_id,
            revised_at: None,
            values: Vec::new(),
            texts: None,
            quality: None,
            received_ats: None,
            receipt_ids: None,
        }
    }

    /// What rows are ordered and told apart by.
    pub fn key(&self) -> (i32, Timestamp) {
        (self.stream_id, self.observed_at)
    }

    /// Puts a reading at its metric's position; what was there before is forgotten.
    pub fn set(&mut self, position: usize, reading: &Reading) {
        let (number, text) = (reading.value.as_number(), reading.value.as_text());
        let origin = (self.received_at, self.receipt_id);
        self.put(position, Cell { number, text, quality: reading.quality.code(), origin });
    }

    /// Two accounts of the same moment as one. Position by position the one that was received later wins (the
    /// larger receipt id where they came at once), in whichever order they are merged.
    #[must_use]
    pub fn merged_with(&self, other: &Self) -> Self {
        let mut revised_at = self.revised_at.max(other.revised_at);
        let width = self.width().max(other.width());
        let cells = (0..width).map(|position| match (self.cell(position), other.cell(position)) {
            (Some(one), Some(another)) => {
                let (earlier, later) =
                    if one.origin <= another.origin { (one, another) } else { (another, one) };
                if !later.has_the_value_of(&earlier) {
                    revised_at = revised_at.max(Some(later.origin.0));
                }
                // What was only said again keeps its first origin.
                Some(if later.says_the_same_as(&earlier) { earlier } else { later })
            }
            (one, another) => one.or(another),
        });
        let cells: Vec<Option<Cell>> = cells.collect();
        Self { revised_at, ..self.of_cells(cells) }
    }

    /// Whether both say the same of the moment, whoever said it.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let width = self.width().max(other.width());
        self.revised_at == other.revised_at
            && (0..width).all(|position| match (self.cell(position), other.cell(position)) {
                (Some(one), Some(another)) => one.says_the_same_as(&another),
                (one, another) => one.is_none() && another.is_none(),
            })
    }

    pub(crate) fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            stream_id: row.try_get(0)?,
            observed_at: row.try_get(1)?,
            received_at: row.try_get(2)?,
            receipt_id: row.try_get(3)?,
            revised_at: row.try_get(4)?,
            values: row.try_get(5)?,
            texts: row.try_get(6)?,
            quality: row.try_get(7)?,
            received_ats: row.try_get(8)?,
            receipt_ids: row.try_get(9)?,
        })
    }

    /// How many values it has.
    pub(crate) fn readings(&self) -> usize {
        (0..self.width()).filter(|position| self.cell(*position).is_some()).count()
    }

    fn width(&self) -> usize {
        self.values.len().max(self.texts.as_ref().map_or(0, Vec::len))
    }

    fn cell(&self, position: usize) -> Option<Cell> {
        let number = self.values.get(position).copied().flatten();
        let text = self.texts.as_ref().and_then(|texts| texts.get(position).cloned().flatten());
        if number.is_none() && text.is_none() {
            return None;
        }
        let quality = self.quality.as_ref().and_then(|codes| codes.get(position).copied().flatten());
        let received_at = self.received_ats.as_ref().and_then(|times| times.get(position).copied().flatten());
        let receipt_id = self.receipt_ids.as_ref().and_then(|ids| ids.get(position).copied().flatten());
        Some(Cell {
            number,
            text,
            quality: quality.unwrap_or(Quality::Good.code()),
            origin: (received_at.unwrap_or(self.received_at), receipt_id.unwrap_or(self.receipt_id)),
        })
    }

    /// The row of the same moment with these cells.
    fn of_cells(&self, cells: Vec<Option<Cell>>) -> Self {
        let origins: Vec<_> = cells.iter().map(|cell| cell.as_ref().map(|cell| cell.origin)).collect();
        let own = (self.received_at, self.receipt_id);
        let newest = origins.iter().copied().flatten().max().unwrap_or(own);
        let mut row = Self::new(self.stream_id, self.observed_at, newest.0, newest.1);
        if origins.iter().flatten().any(|origin| *origin != newest) {
            row.received_ats = Some(origins.iter().map(|origin| origin.map(|(at, _)| at)).collect());
            row.receipt_ids = Some(origins.iter().map(|origin| origin.map(|(_, id)| id)).collect());
        }
        for (position, cell) in cells.into_iter().enumerate() {
            if let Some(cell) = cell {
                row.put(position, cell);
            }
        }
        row
    }

    fn put(&mut self, position: usize, cell: Cell) {
        if cell.number.is_some() || position < self.values.len() {
            place(&mut self.values, position, cell.number);
        }
        match &mut self.texts {
            Some(texts) => place(texts, position, cell.text),
            None if cell.text.is_some() => place(self.texts.insert(Vec::new()), position, cell.text),
            None => {}
        }
        let is_good = cell.quality == Quality::Good.code();
        match &mut self.quality {
            Some(codes) => place(codes, position, Some(cell.quality)),
            None if !is_good => place(self.quality.insert(Vec::new()), position, Some(cell.quality)),
            None => {}
        }
    }
}

fn place<T: Clone>(cells: &mut Vec<Option<T>>, position: usize, value: Option<T>) {
    if cells.len() <= position {
        cells.resize(position + 1, None);
    }
    cells[position] = value;
}

#[cfg(test)]
mod tests {
    use super::{MomentRow, Timestamp, Uuid};

    fn row(received_at: i64, receipt: u128, values: &[Option<f64>]) -> MomentRow {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut row = MomentRow::new(1, at(0), at(received_at), Uuid::from_u128(receipt));
        row.values = values.to_vec();
        row
    }

    fn merged_both_ways(a: &MomentRow, b: &MomentRow) -> MomentRow {
        let merged = a.merged_with(b);
        assert!(merged.says_the_same_as(&b.merged_with(a)), "{merged:?}");
        assert!(
            merged.says_the_same_as(&merged.merged_with(a))
                && merged.says_the_same_as(&merged.merged_with(b))
        );
        merged
    }

    #[test]
    fn positions_of_two_payloads_stand_side_by_side() {
        let merged = merged_both_ways(&row(1, 1, &[Some(1.0)]), &row(2, 2, &[None, Some(2.0)]));
        assert_eq!(merged.values, [Some(1.0), Some(2.0)]);
        assert_eq!((merged.revised_at, merged.receipt_id), (None, Uuid::from_u128(2)));
    }

    #[test]
    fn the_later_received_value_wins_and_marks_the_row_revised() {
        let merged = merged_both_ways(&row(2, 1, &[Some(2.0)]), &row(1, 2, &[Some(1.0)]));
        assert_eq!(merged.values, [Some(2.0)]);
        assert_eq!(merged.revised_at, Some(Timestamp::from_second(2).unwrap()));
    }

    #[test]
    fn each_value_is_weighed_by_when_it_came_itself() {
        let rows = [row(1, 1, &[Some(1.0)]), row(2, 2, &[Some(2.0)]), row(3, 3, &[None, Some(3.0)])];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let merged = rows[order[0]].merged_with(&rows[order[1]]).merged_with(&rows[order[2]]);
            assert_eq!(merged.values, [Some(2.0), Some(3.0)], "{order:?}");
            assert_eq!(merged.receipt_ids, Some(vec![Some(Uuid::from_u128(2)), Some(Uuid::from_u128(3))]));
        }
    }

    #[test]
    fn of_two_received_at_once_the_larger_receipt_id_wins() {
        let merged = merged_both_ways(&row(1, 2, &[Some(2.0)]), &row(1, 1, &[Some(1.0)]));
        assert_eq!(merged.values, [Some(2.0)]);
    }

    #[test]
    fn the_same_values_again_say_nothing_new() {
        let first = row(1, 1, &[Some(1.0), None]);
        let merged = merged_both_ways(&first, &row(2, 2, &[Some(1.0)]));
        assert!(merged.says_the_same_as(&first));
    }

    #[test]
    fn quality_goes_with_the_value_that_wins() {
        let mut bad = row(1, 1, &[Some(1.0), Some(5.0)]);
        bad.quality = Some(vec![Some(2), Some(1)]);
        let merged = merged_both_ways(&bad, &row(2, 2, &[Some(1.5)]));
        assert_eq!(merged.quality, Some(vec![None, Some(1)]), "none is good");
    }

    #[test]
    fn a_text_beside_numbers_keeps_its_position() {
        let mut text = row(2, 2, &[]);
        text.texts = Some(vec![None, Some("open".to_owned())]);
        let merged = merged_both_ways(&row(1, 1, &[Some(1.0)]), &text);
        assert_eq!(merged.values, [Some(1.0)]);
        assert_eq!(merged.texts, Some(vec![None, Some("open".to_owned())]));
    }
}
