//! What a command prints to standard output: a table for people, JSON for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use runtime::Failure;
use serde::Serialize;

/// How data are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// Columns for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
    /// A CSV table, of `freshet readings`.
    Csv,
    /// JSON objects, one a line, of `freshet readings`.
    Ndjson,
}

/// How every command prints data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for people.
    Table,
    /// JSON for programs.
    Json,
}

/// How any number of lines is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// A CSV table with a header.
    Csv,
    /// JSON objects, one a line.
    Ndjson,
}

/// Whether data are gathered before they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printing {
    /// All at once.
    Whole(Format),
    /// Line by line.
    Lines(LineFormat),
}

impl OutputFormat {
    /// How it is printed.
    pub const fn printing(self) -> Printing {
        match self {
            Self::Table => Printing::Whole(Format::Table),
            Self::Json => Printing::Whole(Format::Json),
            Self::Csv => Printing::Lines(LineFormat::Csv),
            Self::Ndjson => Printing::Lines(LineFormat::Ndjson),
        }
    }
}

/// A line of a table.
pub trait Row: Serialize {
    /// The names of the columns.
    const HEADINGS: &'static [&'static str];

    /// The texts of the columns, as many as headings.
    fn cells(&self) -> Vec<String>;
}

/// Prints `rows`: a table, or a JSON list.
///
/// # Errors
/// Where standard output cannot be written.
pub fn rows<R: Row>(format: Format, rows: &[R]) -> Result<(), Failure> {
    match format {
        Format::Table => write_line(&table(rows)),
        Format::Json => json(&rows),
    }
}

/// Prints `value` as JSON.
///
/// # Errors
/// Where standard output cannot be written.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(
        serde_json::to_writer_pretty(&mut out, value)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n")),
    )
}

/// Prints `value` as JSON in one line, so that it stands out among the lines of a log.
///
/// # Errors
/// Where standard output cannot be written.
pub fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(
        serde_json::to_writer(&mut out, value).map_err(io::Error::from).and_then(|()| out.write_all(b"\n")),
    )
}

/// Prints a line.
///
/// # Errors
/// Where standard output cannot be written.
pub fn write_line(line: &str) -> Result<(), Failure> {
    written(writeln!(io::stdout().lock(), "{line}"))
}

/// What came of writing to standard output.
///
/// # Errors
/// Where it cannot be written.
pub fn written<T>(result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::output(&error))
}

/// Rows as aligned columns without lines between them, so that `grep`, `awk` and `cut` can read them.
pub fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(R::HEADINGS.iter().copied());
    for row in rows {
        table.add_row(row.cells().iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A text that cannot steer a terminal: what is not printable is shown as `\u{..}`.
pub fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if !event_model::name::is_printable(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::{Row, printable, table};

    #[derive(Serialize)]
    struct Device(&'static str, u32);

    impl Row for Device {
        const HEADINGS: &'static [&'static str] = &["DEVICE", "READINGS"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    #[test]
    fn columns_are_aligned_and_have_no_lines() {
        assert_eq!(
            table(&[Device("gh-1", 3), Device("greenhouse-12", 40)]),
            "DEVICE         READINGS\ngh-1           3\ngreenhouse-12  40"
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mé"), "a\\u{1b}[31mé");
    }
}
