//! `freshet readings -o csv` and `-o ndjson`: a line a value, page by page.

use std::io::{self, BufWriter, Write};

use runtime::Failure;
use serde::Serialize;
use store::Client;
use store::export::{Export, Line, PageSize, Selection};

use crate::database;
use crate::output::{self, LineFormat};

/// What is written at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// Prints what is selected, up to a limit, and says how many lines that was.
///
/// # Errors
/// Where the database cannot be asked, or standard output cannot be written. What was printed before stays.
pub(super) async fn run(
    client: &mut Client,
    selection: Selection,
    (limit, format): (Option<u32>, LineFormat),
) -> Result<u64, Failure> {
    let mut export = Export::new(selection, PageSize::default());
    let mut lines = output::written(LineWriter::new(io::stdout().lock(), (&Line::COLUMNS, format)))?;
    let mut left = limit.map_or(u64::MAX, u64::from);
    let mut printed = 0;
    while left > 0 {
        let page = export.next_page(client).await.map_err(|error| database::failed(&error.into()))?;
        let Some(page) = page else { break };
        let before = printed;
        for line in page.lines().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            output::written(lines.write(&line))?;
            printed += 1;
        }
        left -= printed - before;
    }
    output::written(lines.finish())?;
    Ok(printed)
}

/// Writes lines of one form.
pub(super) enum LineWriter<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Ndjson(BufWriter<W>),
}

impl<W: Write> LineWriter<W> {
    /// Begins; a table with its header.
    pub(super) fn new(out: W, (columns, format): (&[&str], LineFormat)) -> io::Result<Self> {
        match format {
            LineFormat::Csv => {
                let mut builder = csv::WriterBuilder::new();
                let mut table = builder.has_headers(false).buffer_capacity(BUFFER).from_writer(out);
                table.write_record(columns).map_err(cause)?;
                Ok(Self::Csv(Box::new(table)))
            }
            LineFormat::Ndjson => Ok(Self::Ndjson(BufWriter::with_capacity(BUFFER, out))),
        }
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        match self {
            Self::Csv(table) => table.serialize(line).map_err(cause),
            Self::Ndjson(out) => {
                serde_json::to_writer(&mut *out, line)?;
                out.write_all(b"\n")
            }
        }
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(table) => table.flush(),
            Self::Ndjson(out) => out.flush(),
        }
    }
}

/// What the system said of a table that could not be written.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => cause,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use jiff::Timestamp;
    use store::export::Line;

    use super::LineWriter;
    use crate::output::LineFormat;

    fn line() -> Line<'static> {
        Line {
            source: "yard",
            device: "d",
            channel: "",
            metric: "m",
            observed_at: "2026-01-15T11:00:00.000001Z".parse().unwrap(),
            value: Some(0.1),
            text: None,
            unit: Some("Cel"),
            kind: "number",
            quality: "good",
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn written(format: LineFormat, lines: &[Line<'_>]) -> String {
        let mut out = Vec::new();
        let mut writer = LineWriter::new(&mut out, (&Line::COLUMNS, format)).unwrap();
        lines.iter().for_each(|line| writer.write(line).unwrap());
        writer.finish().unwrap();
        drop(writer);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_has_its_header_even_where_it_is_empty() {
        let header = "source,device,channel,metric,observed_at,value,text,unit,kind,quality,received_at\n";
        assert_eq!(written(LineFormat::Csv, &[]), header);
        assert_eq!(written(LineFormat::Ndjson, &[]), "");
        let text = Line { value: None, text: Some("a,\"b\"\n"), unit: None, kind: "text", ..line() };
        let rows = "yard,d,,m,2026-01-15T11:00:00.000001Z,0.1,,Cel,number,good,1970-01-01T00:00:00Z\n\
                    yard,d,,m,2026-01-15T11:00:00.000001Z,,\"a,\"\"b\"\"\n\",,text,good,1970-01-01T00:00:00Z\n";
        assert_eq!(written(LineFormat::Csv, &[line(), text]), format!("{header}{rows}"));
    }

    #[test]
    fn numbers_are_written_so_that_they_are_read_as_the_same() {
        for value in [0.1 + 0.2, 5e-324, f64::MAX, -0.0, 1e22, 9_007_199_254_740_993_f64, 100.0] {
            let line = Line { value: Some(value), ..line() };
            let csv = written(LineFormat::Csv, &[line]);
            let cell: f64 = csv.lines().nth(1).unwrap().split(',').nth(5).unwrap().parse().unwrap();
            let json: serde_json::Value =
                serde_json::from_str(&written(LineFormat::Ndjson, &[line])).unwrap();
            let member: f64 = json["value"].to_string().parse().unwrap();
            assert_eq!((cell.to_bits(), member.to_bits()), (value.to_bits(), value.to_bits()), "{value}");
        }
    }

    /// The other end of a pipe that nothing reads any more.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_seen_as_one() {
        for format in [LineFormat::Csv, LineFormat::Ndjson] {
            let mut writer = LineWriter::new(Closed, (&Line::COLUMNS, format)).unwrap();
            let failed = (0..10_000).find_map(|_| writer.write(&line()).err()).unwrap();
            assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe, "{format:?}");
        }
    }
}
