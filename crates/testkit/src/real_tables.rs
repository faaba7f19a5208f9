//! Real data: what a table's series must come to, computed straight from the file, beside what is in the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio_postgres::Client;

/// The pipeline file for these tables; its sources' key is in `STAND_KEY`.
pub const PIPELINE: &str = include_str!("../real_tables.yaml");
/// How far two sums of doubles may be apart, relative to the larger.
const TOLERANCE: f64 = 1e-9;

/// A column: its name in the file, the metric, and the file's unit in the canonical one.
type Column = (&'static str, &'static str, fn(f64) -> f64);

/// A table of the folder.
pub struct Table {
    /// The file.
    pub file: &'static str,
    /// The source of [`PIPELINE`].
    pub source: &'static str,
    /// The column of the device; the device is the source's name where there is none.
    device: Option<&'static str>,
    columns: &'static [Column],
}

/// NOAA's hourly weather at New York's airports in 2013: 26,115 rows.
pub const WEATHER: Table = Table {
    file: "nycflights13_weather.csv",
    source: "weather",
    device: Some("origin"),
    columns: &[
        ("temp", "temperature", |fahrenheit| (fahrenheit - 32.0) * 5.0 / 9.0),
        ("dewp", "dew_point", |fahrenheit| (fahrenheit - 32.0) * 5.0 / 9.0),
        ("humid", "relative_humidity", |percent| percent),
        ("wind_dir", "wind_direction", |degrees| degrees),
        ("wind_speed", "wind_speed", |miles_per_hour| miles_per_hour * 0.44704),
        ("wind_gust", "wind_gust", |miles_per_hour| miles_per_hour * 0.44704),
        ("precip", "precipitation", |inches| inches * 25.4),
        ("pressure", "pressure", |millibars| millibars),
        ("visib", "visibility", |miles| miles * 1609.344),
    ],
};

/// The flow of a river in litres a second, hourly: 1,268 rows.
pub const RIVER: Table = Table {
    file: "water-flow.csv",
    source: "river",
    device: None,
    columns: &[("Water flow [l/s]", "flow", |litres| litres)],
};

/// What the values of a series come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum {
    /// How many there are.
    pub count: i64,
    /// All of them together.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Sums by device and metric.
pub type Sums = BTreeMap<(String, String), Sum>;

/// The folder of the tables: `FRESHET_BURST`, else `burst` beside the folder `FRESHET_CORPUS`.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("FRESHET_BURST").map(PathBuf::from);
    named.or_else(|| {
        let beside = Path::new(&std::env::var_os("FRESHET_CORPUS")?).parent()?.join("burst");
        beside.is_dir().then_some(beside)
    })
}

impl Table {
    /// The sums of the table in `file`, from its text alone. No two rows of these tables share device and moment.
    ///
    /// # Panics
    /// Where the file is another.
    pub fn computed(&self, file: &Path) -> Sums {
        let mut reader = csv::Reader::from_path(file).expect("the folder holds the table");
        let names = reader.headers().expect("the table has a header").clone();
        let position =
            |name: &str| names.iter().position(|other| other == name).expect("the table has the column");
        let device = self.device.map(position);
        let mut sums = Sums::new();
        for row in reader.records() {
            let row = row.expect("the table is whole");
            let device = device.map_or(self.source, |at| &row[at]);
            for (column, metric, convert) in self.columns {
                let text = &row[position(column)];
                if text == "NA" {
                    continue;
                }
                let value = convert(text.parse().expect("a value is a number"));
                let sum = sums.entry((device.to_owned(), (*metric).to_owned())).or_insert(Sum {
                    count: 0,
                    sum: 0.0,
                    min: value,
                    max: value,
                });
                *sum = Sum {
                    count: sum.count + 1,
                    sum: sum.sum + value,
                    min: sum.min.min(value),
                    max: sum.max.max(value),
                };
            }
        }
        sums
    }

    /// The sums of the source in the database.
    ///
    /// # Panics
    /// Where the database does not answer.
    pub async fn stored(&self, client: &Client) -> Sums {
        let statement = "select device, metric, count(*), sum(value), min(value), max(value)
                         from readings where source = $1 group by 1, 2";
        let rows = client.query(statement, &[&self.source]).await.expect("the database answers");
        rows.iter()
            .map(|row| {
                let sum = Sum { count: row.get(2), sum: row.get(3), min: row.get(4), max: row.get(5) };
                ((row.get(0), row.get(1)), sum)
            })
            .collect()
    }
}

/// Where two sets of sums differ; empty where they are equal.
pub fn differences(computed: &Sums, stored: &Sums) -> Vec<String> {
    let keys = computed.keys().chain(stored.keys().filter(|key| !computed.contains_key(*key)));
    keys.filter(|key| match (computed.get(*key), stored.get(*key)) {
        (Some(computed), Some(stored)) => !computed.equals(stored),
        _ => true,
    })
    .map(|key| format!("{key:?}: computed {:?}, stored {:?}", computed.get(key), stored.get(key)))
    .collect()
}

impl Sum {
    fn equals(&self, other: &Self) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs());
        self.count == other.count
            && close(self.sum, other.sum)
            && close(self.min, other.min)
            && close(self.max, other.max)
    }
}
