//! What there is to send: files, folders and standard input, one item after another.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use event_model::RecordedRequest;
use thiserror::Error;

use super::rows::{CsvRows, LineRows, RowBatches};

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A recorded request: its own method, target and header fields.
    Request(RecordedRequest),
    /// A body alone, and what it is.
    Body {
        /// The media type that its file name or its rows tell.
        content_type: &'static str,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// An item and where it stands, for people: `FILE`, or `FILE:LINE` where the file holds several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file, and the line or lines of it.
    pub place: String,
    /// What is sent.
    pub item: Item,
}

/// Why an input cannot be read.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file or folder is not readable.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A row of a table cannot be read.
    #[error("{}: {reason}", path.display())]
    Row {
        /// The table.
        path: PathBuf,
        /// Which row and why.
        reason: String,
    },
    /// A `.http` file holds no recorded request.
    #[error("{}: {cause}", path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: event_model::request::RequestError,
    },
}

/// How inputs are cut into items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutting {
    /// Rows of a table in one request; more than one go as a JSON array.
    pub batch: usize,
}

/// An iterator over the items of an input.
pub type Items = Box<dyn Iterator<Item = Result<Input, InputError>> + Send>;

/// The items of `path`: a folder (its files in the order of their names, folders within it too), a `.http` file,
/// a `.csv`, `.ndjson` or `.jsonl` table, any other file as one body; `-` is NDJSON on standard input.
///
/// # Errors
/// [`InputError::Unreadable`] where `path` cannot be opened; what is wrong further in comes with its item.
pub fn items(path: &Path, cutting: Cutting) -> Result<Items, InputError> {
    if path == Path::new("-") {
        return Ok(lines(PathBuf::from("standard input"), BufReader::new(io::stdin()), cutting));
    }
    let unreadable = |cause| InputError::Unreadable { path: path.to_owned(), cause };
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
            .map_err(unreadable)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(unreadable)?;
        entries.sort();
        let nested: Vec<Items> =
            entries.iter().map(|entry| items(entry, cutting)).collect::<Result<_, _>>()?;
        return Ok(Box::new(nested.into_iter().flatten()));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    Ok(match extension(path).as_str() {
        "csv" => {
            let rows = CsvRows::new(path.to_owned(), file)?;
            Box::new(RowBatches::new(path.to_owned(), rows, cutting.batch))
        }
        "ndjson" | "jsonl" => lines(path.to_owned(), BufReader::new(file), cutting),
        "http" => {
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(unreadable)?;
            Box::new(recorded_requests(path, &text).into_iter())
        }
        other => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(unreadable)?;
            let item = Item::Body { content_type: media_type(other), bytes };
            Box::new(std::iter::once(Ok(Input { place: path.display().to_string(), item })))
        }
    })
}

fn lines(path: PathBuf, reader: impl BufRead + Send + 'static, cutting: Cutting) -> Items {
    Box::new(RowBatches::new(path.clone(), LineRows::new(path, reader), cutting.batch))
}

/// The requests of a `.http` file; a line that begins with `###` parts two of them, as editors write it.
fn recorded_requests(path: &Path, text: &[u8]) -> Vec<Result<Input, InputError>> {
    let parts = split_at_separators(text);
    let is_one = parts.len() == 1;
    let input = |(line, part): (usize, &[u8])| {
        let place = if is_one { path.display().to_string() } else { format!("{}:{line}", path.display()) };
        RecordedRequest::parse(part)
            .map(|request| Input { place, item: Item::Request(request) })
            .map_err(|cause| InputError::Request { path: path.to_owned(), cause })
    };
    parts.into_iter().map(input).collect()
}

/// The parts, each after the number of its first line.
fn split_at_separators(text: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut part, mut from) = ((1, 0), 0);
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.starts_with(b"###") {
            parts.push((part.0, &text[part.1..from]));
            part = (index + 2, from + line.len());
        }
        from += line.len();
    }
    parts.push((part.0, &text[part.1..]));
    parts.retain(|(_, part)| !part.trim_ascii().is_empty());
    parts
}

fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn media_type(extension: &str) -> &'static str {
    match extension {
        "json" => "application/json",
        "senml" | "senmlj" => "application/senml+json",
        "form" => "application/x-www-form-urlencoded",
        "lp" | "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Cutting, Input, Item, items, split_at_separators};

    #[test]
    fn a_folder_gives_its_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.json"), "{}").unwrap();
        std::fs::write(
            folder.path().join("a.http"),
            "POST /hooks/x HTTP/1.1\n\n1\n### next\nPOST /hooks/y HTTP/1.1\n\n2\n",
        )
        .unwrap();
        let found: Vec<Input> =
            items(folder.path(), Cutting { batch: 1 }).unwrap().map(Result::unwrap).collect();
        let places: Vec<_> =
            found.iter().map(|input| input.place.rsplit('/').next().unwrap_or_default()).collect();
        assert_eq!(places, ["a.http:1", "a.http:5", "b.json"]);
        let items: Vec<_> = found.into_iter().map(|input| input.item).collect();
        let [Item::Request(first), Item::Request(second), Item::Body { content_type, .. }] = items.as_slice()
        else {
            panic!("{items:?}");
        };
        assert_eq!((first.path.as_str(), second.path.as_str()), ("/hooks/x", "/hooks/y"));
        assert_eq!(*content_type, "application/json");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = items(Path::new("/no/such/file.csv"), Cutting { batch: 1 }).err().unwrap();
        assert!(error.to_string().starts_with("/no/such/file.csv: "), "{error}");
    }

    #[test]
    fn hashes_within_a_line_part_nothing() {
        assert_eq!(split_at_separators(b"a ### b\n").len(), 1);
    }
}
