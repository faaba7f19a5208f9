//! Devices from a table, such as LoRaWAN network servers export.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use runtime::Failure;
use serde_json::{Map, Value};
use store::{Transaction, registry};

use super::super::Done;
use super::entries::{is_label, text_or_null};
use crate::database;
use crate::state_directory::StateDirectory;

/// Say what a table says of the devices of a source, sent or not
///
/// A line a device, with a heading; separated by commas, semicolons or tabs. Columns, whatever their case: `dev_eui`, `device` or `id`
/// names the device as its readings do, `name`, `site`, `expected`, `model`, `model_id` or `device_profile`, and `label.NAME`, `tags.NAME` or
/// `tags` (a JSON object) for labels. Other columns, keys among them, are not read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The table
    file: PathBuf,
    /// The source whose devices they are
    #[arg(long, value_name = "NAME")]
    source: String,
    #[command(flatten)]
    state: StateDirectory,
}

/// The most devices of a table.
const MOST: usize = 1_000_000;
/// As many are registered in one statement.
const AT_ONCE: usize = 1000;

/// What a column says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    /// The device; the lower number is taken where several do.
    Device {
        rank: u8,
        is_eui: bool,
    },
    Fact(&'static str),
    Label(String),
    Labels,
    Other,
}

impl Column {
    fn of(heading: &str) -> Self {
        let heading = heading.trim();
        let plain: String =
            heading.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let label = ["label.", "labels.", "tag.", "tags."].iter().find_map(|head| {
            let (own, name) = heading.split_at_checked(head.len())?;
            own.eq_ignore_ascii_case(head).then_some(name)
        });
        match plain.as_str() {
            _ if label.is_some_and(is_label) => Self::Label(label.unwrap_or_default().to_owned()),
            "deveui" | "eui" | "deviceeui" => Self::Device { rank: 0, is_eui: true },
            "device" => Self::Device { rank: 1, is_eui: false },
            "deviceid" => Self::Device { rank: 2, is_eui: false },
            "id" => Self::Device { rank: 3, is_eui: false },
            "name" | "devicename" => Self::Fact("name"),
            "site" => Self::Fact("site"),
            "expected" => Self::Fact("expected"),
            "model" | "modelid" | "deviceprofile" | "deviceprofilename" | "profile" => Self::Fact("model"),
            "labels" | "tags" => Self::Labels,
            _ => Self::Other,
        }
    }
}

/// What is said of each device.
type Facts = BTreeMap<(String, String), Map<String, Value>>;

/// Registers what the table says, wholly or not at all.
///
/// # Errors
/// Where the table cannot be read, or the database cannot be asked.
pub(super) async fn run(args: &Args) -> Result<Done, Failure> {
    let facts = read(&args.file, &args.source)?;
    let mut client = database::client(&args.state).await?;
    let registered = async {
        let transaction = Transaction::begin(&mut client).await?;
        let mut left = facts.iter().map(|(key, facts)| (key.clone(), facts.clone())).peekable();
        while left.peek().is_some() {
            registry::register(&transaction, &left.by_ref().take(AT_ONCE).collect()).await?;
        }
        transaction.commit().await
    };
    registered.await.map_err(|error| database::failed(&error))?;
    eprintln!("{} devices of {}", facts.len(), args.source);
    Ok(Done::Well)
}

fn read(path: &Path, source: &str) -> Result<Facts, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let head = file.fill_buf().map_err(|error| failed(&error))?;
    let head = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let separator = [b';', b'\t', b','].into_iter().find(|byte| head.contains(byte)).unwrap_or(b',');
    let mut table = csv::ReaderBuilder::new().delimiter(separator).from_reader(file);
    let columns: Vec<Column> = table
        .headers()
        .map_err(|error| failed(&error))?
        .iter()
        .map(|heading| Column::of(heading.trim_start_matches('\u{feff}')))
        .collect();
    let device = columns.iter().enumerate().filter_map(|(at, column)| match column {
        Column::Device { rank, is_eui } => Some((*rank, at, *is_eui)),
        _ => None,
    });
    let Some((_, device, is_eui)) = device.min() else {
        return Err(failed(&"no column names the device: one is called dev_eui, device or id"));
    };
    let mut facts = Facts::new();
    for row in table.records() {
        let row = row.map_err(|error| failed(&error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let wrong = |reason: &dyn std::fmt::Display| failed(&format!("line {line}: {reason}"));
        let name = row.get(device).unwrap_or_default();
        let name = if is_eui { name.to_ascii_lowercase() } else { name.to_owned() };
        let name = decoders::device::normalise(&name).map_err(|reason| wrong(&reason))?;
        let said = facts_of(&columns, &row).map_err(|reason| wrong(&reason))?;
        if facts.insert((source.to_owned(), name.clone()), said).is_some() {
            return Err(wrong(&format!("{name} stands in the table twice")));
        }
        if facts.len() > MOST {
            return Err(wrong(&format!("a table has at most {MOST} devices")));
        }
    }
    Ok(facts)
}

/// What a line says; empty cells say nothing.
fn facts_of(columns: &[Column], row: &csv::StringRecord) -> Result<Map<String, Value>, String> {
    let text = |text: &str| text_or_null(text).map_err(|failure| failure.message().to_owned());
    let (mut facts, mut labels) = (Map::new(), Map::new());
    for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.trim().is_empty()) {
        match column {
            Column::Fact("expected") => {
                let expected = pipeline_config::parse_duration(cell.trim());
                let seconds = expected.ok_or("expected: a duration such as 15m or 1h is expected")?.as_secs();
                facts.insert("expected".to_owned(), Value::String(format!("{seconds}s")));
            }
            Column::Fact(fact) => {
                facts.insert((*fact).to_owned(), text(cell)?);
            }
            Column::Label(name) => {
                labels.insert(name.clone(), text(cell)?);
            }
            Column::Labels => {
                let all: Map<String, Value> = serde_json::from_str(cell)
                    .map_err(|_| "labels: a JSON object such as {\"row\": \"3\"} is expected".to_owned())?;
                for (name, value) in all.into_iter().filter(|(name, _)| is_label(name)) {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    labels.insert(name, text(&value)?);
                }
            }
            Column::Device { .. } | Column::Other => {}
        }
    }
    if !labels.is_empty() {
        facts.insert("labels".to_owned(), Value::Object(labels));
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::{Facts, read};

    fn table(text: &str) -> Result<Facts, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path(), "lora").map_err(|failure| failure.message().split_once(": ").unwrap().1.to_owned())
    }

    fn said(text: &str, device: &str) -> serde_json::Value {
        json!(table(text).unwrap()[&("lora".to_owned(), device.to_owned())])
    }

    #[test]
    fn a_table_of_the_things_stack() {
        // thethingsindustries.com/docs/hardware/devices/adding-devices/adding-devices-in-bulk/device-csv
        let text = "id;dev_eui;join_eui;name;frequency_plan_id;model_id;app_key\n\
                    tomatoes-1;A84041000181C061;0000000000000000;Tomatoes, row 3;EU_863_870;lht65;00112233445566778899AABBCCDDEEFF\n";
        assert_eq!(said(text, "a84041000181c061"), json!({"name": "Tomatoes, row 3", "model": "lht65"}));
    }

    #[test]
    fn a_table_with_labels() {
        let text = "DevEUI,Name,Device profile,Tags,label.row,site,expected\n\
                    0011223344556677,Roof,WS301,\"{\"\"hall\"\": \"\"B\"\", \"\"floor\"\": 2}\",3,north,15m\n";
        assert_eq!(
            said(text, "0011223344556677"),
            json!({"name": "Roof", "model": "WS301", "site": "north", "expected": "900s",
                   "labels": {"hall": "B", "floor": "2", "row": "3"}})
        );
    }

    #[test]
    fn an_empty_cell_says_nothing() {
        assert_eq!(said("device,name,label.row\nattic,,\n", "attic"), json!({}));
    }

    #[test]
    fn mistakes_name_their_line() {
        assert!(table("name,site\nRoof,north\n").unwrap_err().starts_with("no column names the device"));
        assert_eq!(table("device\nattic\nattic\n").unwrap_err(), "line 3: attic stands in the table twice");
        assert_eq!(table("device,name\n,Roof\n").unwrap_err(), "line 2: the device's name is empty");
        assert!(
            table("device,expected\nattic,soon\n").unwrap_err().starts_with("line 2: expected: a duration")
        );
        assert!(
            table("device,tags\nattic,row 3\n").unwrap_err().starts_with("line 2: labels: a JSON object")
        );
    }
}
