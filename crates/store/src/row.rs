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
    /// The receipt of each value; `None` where all came with `receipt_id`. One without a value has emptied the position.
    pub receipt_ids: Option<Vec<Option<Uuid>>>,
    /// The generation of the mapping that gave the values that came with `receipt_id`; 0 where it is not known.
    pub generation: i32,
    /// The generation of each value; `None` where all are of `generation`.
    pub generations: Option<Vec<Option<i32>>>,
}

/// What stands at one position.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    number: Option<f64>,
    text: Option<String>,
    quality: i16,
    origin: Origin,
}

/// When it was received, by which mapping it was read, and with which payload it came: what decides between two, in this order.
type Origin = (Timestamp, i32, Uuid);

impl Cell {
    /// One that says that there is no value.
    const fn emptied(origin: Origin) -> Self {
        Self { number: None, text: None, quality: 0, origin }
    }

    const fn is_empty(&self) -> bool {
        self.number.is_none() && self.text.is_none()
    }

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
            generation: 0,
            generations: None,
        }
    }

    /// What rows are ordered and told apart by.
    pub fn key(&self) -> (i32, Timestamp) {
        (self.stream_id, self.observed_at)
    }

    /// Puts a reading at its metric's position; what was there before is forgotten.
    pub fn set(&mut self, position: usize, reading: &Reading) {
        let (number, text) = (reading.value.as_number(), reading.value.as_text());
        let origin = self.origin();
        self.put(position, Cell { number, text, quality: reading.quality.code(), origin });
    }

    const fn origin(&self) -> Origin {
        (self.received_at, self.generation, self.receipt_id)
    }

    /// Two accounts of the same moment as one. Position by position the one that was received later wins (that of the later mapping where
    /// they came at once, and then the larger receipt id), in whichever order they are merged.
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
            generation: row.try_get::<_, Option<i32>>(10)?.unwrap_or_default(),
            generations: row.try_get(11)?,
        })
    }

    /// How many values it has.
    pub(crate) fn readings(&self) -> usize {
        (0..self.width()).filter(|position| self.cell(*position).is_some_and(|cell| !cell.is_empty())).count()
    }

    fn width(&self) -> usize {
        let of_texts = self.texts.as_ref().map_or(0, Vec::len);
        let of_receipts = self.receipt_ids.as_ref().map_or(0, Vec::len);
        self.values.len().max(of_texts).max(of_receipts)
    }

    fn cell(&self, position: usize) -> Option<Cell> {
        let number = self.values.get(position).copied().flatten();
        let text = self.texts.as_ref().and_then(|texts| texts.get(position).cloned().flatten());
        let receipt_id = self.receipt_ids.as_ref().and_then(|ids| ids.get(position).copied().flatten());
        // Only what has a receipt of its own was emptied.
        if number.is_none() && text.is_none() && receipt_id.is_none() {
            return None;
        }
        let quality = self.quality.as_ref().and_then(|codes| codes.get(position).copied().flatten());
        let received_at = self.received_ats.as_ref().and_then(|times| times.get(position).copied().flatten());
        let generation = self.generations.as_ref().and_then(|all| all.get(position).copied().flatten());
        let generation = match (generation, &self.generations) {
            (None, Some(_)) => 0,
            (generation, _) => generation.unwrap_or(self.generation),
        };
        Some(Cell {
            number,
            text,
            quality: quality.unwrap_or(Quality::Good.code()),
            origin: (
                received_at.unwrap_or(self.received_at),
                generation,
                receipt_id.unwrap_or(self.receipt_id),
            ),
        })
    }

    /// The row of the same moment with these cells.
    fn of_cells(&self, cells: Vec<Option<Cell>>) -> Self {
        let origins: Vec<_> = cells.iter().map(|cell| cell.as_ref().map(|cell| cell.origin)).collect();
        let newest = origins.iter().copied().flatten().max().unwrap_or(self.origin());
        let mut row = Self::new(self.stream_id, self.observed_at, newest.0, newest.2);
        row.generation = newest.1;
        let is_emptied = |cell: &Cell| cell.is_empty();
        if origins.iter().flatten().any(|origin| *origin != newest) || cells.iter().flatten().any(is_emptied)
        {
            row.received_ats = Some(origins.iter().map(|origin| origin.map(|(at, ..)| at)).collect());
            row.receipt_ids = Some(origins.iter().map(|origin| origin.map(|(.., id)| id)).collect());
        }
        if origins.iter().flatten().any(|origin| origin.1 != newest.1) {
            row.generations =
                Some(origins.iter().map(|origin| origin.map(|(_, generation, _)| generation)).collect());
        }
        for (position, cell) in cells.into_iter().enumerate() {
            if let Some(cell) = cell.filter(|cell| !cell.is_empty()) {
                row.put(position, cell);
            }
        }
        row
    }

    /// The same of another stream, where what stands at a position of this one has that of `positions`.
    pub(crate) fn moved(&self, stream_id: i32, positions: &[usize]) -> Self {
        let width = positions.iter().map(|position| position + 1).max().unwrap_or_default();
        let mut cells = vec![None; width];
        for (position, to) in positions.iter().enumerate() {
            cells[*to] = self.cell(position);
        }
        Self { stream_id, revised_at: self.revised_at, ..self.of_cells(cells) }
    }

    /// The row without the values that came with a receipt of `receipts` and are not in `kept`: they stay emptied by the account of `by`, of
    /// this generation and with this receipt, which counts as received when each of them was. `None` where there is none.
    pub(crate) fn emptied(&self, receipts: &[Uuid], kept: Option<&Self>, by: (i32, Uuid)) -> Option<Self> {
        let mut revised_at = None;
        let cells = (0..self.width()).map(|position| {
            let cell = self.cell(position)?;
            let is_kept = kept.is_some_and(|kept| kept.cell(position).is_some());
            let origin = (cell.origin.0, by.0, by.1);
            if cell.is_empty() || is_kept || !receipts.contains(&cell.origin.2) || cell.origin > origin {
                return Some(cell);
            }
            revised_at = revised_at.max(Some(origin.0));
            Some(Cell::emptied(origin))
        });
        let cells: Vec<Option<Cell>> = cells.collect();
        revised_at
            .is_some()
            .then(|| Self { revised_at: self.revised_at.max(revised_at), ..self.of_cells(cells) })
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

    fn by(generation: i32, row: MomentRow) -> MomentRow {
        MomentRow { generation, ..row }
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
    fn of_two_received_at_once_the_later_mapping_wins_and_a_later_receipt_wins_over_both() {
        let (old, new) = (by(4, row(1, 9, &[Some(1.0), Some(3.0)])), by(5, row(1, 1, &[Some(2.0)])));
        let merged = merged_both_ways(&old, &new);
        assert_eq!(merged.values, [Some(2.0), Some(3.0)]);
        assert_eq!((merged.generation, &merged.generations), (5, &Some(vec![Some(5), Some(4)])));
        let corrected = merged_both_ways(&merged, &by(4, row(2, 2, &[Some(7.0)])));
        assert_eq!(corrected.values, [Some(7.0), Some(3.0)]);
        assert_eq!(merged_both_ways(&corrected, &by(6, row(1, 3, &[Some(8.0)]))).values, corrected.values);
    }

    #[test]
    fn what_is_emptied_is_not_filled_again_by_an_older_mapping() {
        let old = by(4, row(1, 9, &[Some(1.0), Some(3.0)]));
        let new = by(5, row(1, 1, &[Some(2.0)]));
        let emptied =
            old.emptied(&[old.receipt_id], Some(&new), (5, new.receipt_id)).unwrap().merged_with(&new);
        assert_eq!((&emptied.values[..], emptied.readings()), (&[Some(2.0)][..], 1));
        assert_eq!(
            emptied.emptied(&[old.receipt_id], Some(&new), (5, new.receipt_id)),
            None,
            "there is nothing left"
        );
        let again = merged_both_ways(&emptied, &old);
        assert!(again.says_the_same_as(&emptied), "{again:?}");
        let sent_later = merged_both_ways(&emptied, &by(4, row(3, 3, &[None, Some(4.0)])));
        assert_eq!(sent_later.values, [Some(2.0), Some(4.0)]);
        // What another payload has said stays.
        assert_eq!(
            by(4, row(1, 8, &[Some(1.0)])).emptied(&[old.receipt_id], None, (5, new.receipt_id)),
            None
        );
    }

    #[test]
    fn a_row_that_moves_keeps_what_is_known_of_each_value() {
        let (old, new) = (by(4, row(1, 9, &[Some(1.0), Some(3.0)])), by(5, row(2, 1, &[Some(2.0)])));
        let merged = old.merged_with(&new);
        let moved = merged.moved(7, &[2, 0]);
        assert_eq!((moved.key().0, &moved.values[..]), (7, &[Some(3.0), None, Some(2.0)][..]));
        assert_eq!((moved.revised_at, moved.generation), (merged.revised_at, 5));
        assert_eq!(moved.receipt_ids, Some(vec![Some(Uuid::from_u128(9)), None, Some(Uuid::from_u128(1))]));
        // Back again it is what it was.
        assert!(moved.moved(1, &[1, 2, 0]).says_the_same_as(&merged));
        // What was emptied stays so.
        let emptied = old.emptied(&[old.receipt_id], None, (5, new.receipt_id)).unwrap().moved(7, &[1, 0]);
        assert_eq!(emptied.readings(), 0);
        assert!(emptied.says_the_same_as(&emptied.merged_with(&old.moved(7, &[1, 0]))));
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
