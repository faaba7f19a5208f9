//! Rows of a table as JSON payloads, one or several in a request.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use super::input::{Input, InputError, Item};

/// A row as JSON, and the line of its file that it begins at.
pub type Row = (u64, String);

/// The rows of a CSV table, each a JSON object of its header's names; every value is a text, as it stands in the file.
pub struct CsvRows<R> {
    path: PathBuf,
    names: csv::StringRecord,
    rows: csv::StringRecordsIntoIter<R>,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`InputError::Row`] where there is none.
    pub fn new(path: PathBuf, reader: R) -> Result<Self, InputError> {
        let mut table = csv::Reader::from_reader(reader);
        match table.headers() {
            Ok(names) => {
                let names = names.clone();
                Ok(Self { path, names, rows: table.into_records() })
            }
            Err(error) => Err(InputError::Row { path, reason: error.to_string() }),
        }
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => {
                return Some(Err(InputError::Row { path: self.path.clone(), reason: error.to_string() }));
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let object: serde_json::Map<String, serde_json::Value> =
            self.names.iter().zip(&row).map(|(name, value)| (name.to_owned(), value.into())).collect();
        Some(Ok((line, serde_json::Value::Object(object).to_string())))
    }
}

/// The lines of an NDJSON file; empty lines are passed over. Lines go out as they are, so that broken ones can be sent too.
pub struct LineRows<R> {
    path: PathBuf,
    lines: std::io::Lines<R>,
    number: u64,
}

impl<R: BufRead> LineRows<R> {
    /// Begins at the reader's next line.
    pub fn new(path: PathBuf, reader: R) -> Self {
        Self { path, lines: reader.lines(), number: 0 }
    }
}

impl<R: BufRead> Iterator for LineRows<R> {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            match self.lines.next()? {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => return Some(Ok((self.number, line))),
                Err(error) => {
                    let reason = format!("line {}: {error}", self.number);
                    return Some(Err(InputError::Row { path: self.path.clone(), reason }));
                }
            }
        }
    }
}

/// Joins rows into request bodies: one row as it is, several as a JSON array.
pub struct RowBatches<I> {
    path: PathBuf,
    rows: I,
    size: usize,
}

impl<I> RowBatches<I> {
    /// `size` rows of the table `path` a request; 0 counts as 1.
    pub fn new(path: PathBuf, rows: I, size: usize) -> Self {
        Self { path, rows, size: size.max(1) }
    }
}

impl<I: Iterator<Item = Result<Row, InputError>>> Iterator for RowBatches<I> {
    type Item = Result<Input, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        // What is asked for may be more than the table holds.
        let mut batch = Vec::with_capacity(self.size.min(1024));
        let mut lines: Option<(u64, u64)> = None;
        for row in self.rows.by_ref().take(self.size) {
            match row {
                Ok((line, row)) => {
                    lines = Some((lines.map_or(line, |(first, _)| first), line));
                    batch.push(row);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let body = match (batch.as_slice(), self.size) {
            ([], _) => return None,
            ([row], 1) => row.clone(),
            (rows, _) => format!("[{}]", rows.join(",")),
        };
        let path = self.path.display();
        let place = match lines {
            Some((first, last)) if first != last => format!("{path}:{first}-{last}"),
            Some((line, _)) => format!("{path}:{line}"),
            None => path.to_string(),
        };
        let item = Item::Body { content_type: "application/json", bytes: body.into_bytes() };
        Some(Ok(Input { place, item }))
    }
}

#[cfg(test)]
mod tests {
    use super::{CsvRows, LineRows, Row, RowBatches};
    use crate::send::input::{Input, InputError, Item};

    /// What each request holds, after where it stands.
    fn bodies(rows: impl Iterator<Item = Result<Row, InputError>>, size: usize) -> Vec<String> {
        RowBatches::new("t".into(), rows, size)
            .map(|input| match input.unwrap() {
                Input { place, item: Item::Body { bytes, .. } } => {
                    format!("{place} {}", String::from_utf8(bytes).unwrap())
                }
                Input { item: Item::Request(_), .. } => panic!("rows are bodies"),
            })
            .collect()
    }

    #[test]
    fn csv_rows_are_objects_of_texts() {
        let rows = CsvRows::new("t.csv".into(), "time,Water flow [l/s]\n1,NA\n2,3.5\n".as_bytes()).unwrap();
        assert_eq!(
            bodies(rows, 2),
            [r#"t:2-3 [{"Water flow [l/s]":"NA","time":"1"},{"Water flow [l/s]":"3.5","time":"2"}]"#]
        );
    }

    #[test]
    fn a_short_last_batch_is_sent_too() {
        let rows = LineRows::new("t.ndjson".into(), "1\n\n2\n3\n".as_bytes());
        assert_eq!(bodies(rows, 2), ["t:1-3 [1,2]", "t:4 [3]"]);
    }

    #[test]
    fn single_rows_go_without_an_array() {
        assert_eq!(bodies(LineRows::new("t.ndjson".into(), "{}\n".as_bytes()), 1), ["t:1 {}"]);
    }
}
