//! What a payload would change if it were stored now, by the pipeline of now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cloudevents::Event;
use codecs::Codecs;
use evaluate::{ReadingChange, ReadingEffect};
use event_model::reading::ValueKind;
use event_model::{Name, Quality, Reading, Sample};
use jiff::Timestamp;
use payload::{Accepted, Carried};
use pipeline_config::Pipeline;
use serde::Serialize;
use store::queries::{self, StoredValue, ValueKey};
use store::reprocess::GivenBefore;
use store::{Client, StoreError, floors};

use crate::database;
use crate::output::Row;
use runtime::Failure;

/// What a payload comes to.
#[derive(Debug)]
pub struct Given {
    source: String,
    received_at: Timestamp,
    samples: Vec<Sample>,
    /// Each a device, a tag and its value.
    tags: Vec<(Name, String, String)>,
    /// Each a place and a reason.
    problems: Vec<(String, String)>,
}

impl Given {
    /// What an event comes to that is delivered at `now`.
    pub async fn of_event(event: Event, (pipeline, codecs): (&Pipeline, &Codecs), now: Timestamp) -> Self {
        let carried = Carried::new(event);
        let accepted = match Accepted::of_event(&carried, pipeline, now) {
            Ok(acceptance) => codecs.complete(acceptance).await,
            Err(refusal) => Err(refusal.into()),
        };
        match accepted {
            Ok(accepted) => Self::of_accepted(accepted),
            Err(refusal) => Self::nothing(refusal.to_string()),
        }
    }

    /// What a request comes to; none where its form makes no sense.
    pub fn of_request(accepted: Option<Accepted<'_>>) -> Self {
        accepted.map_or_else(|| Self::nothing("the request cannot be read".to_owned()), Self::of_accepted)
    }

    fn nothing(problem: String) -> Self {
        Self {
            source: String::new(),
            received_at: Timestamp::UNIX_EPOCH,
            samples: Vec::new(),
            tags: Vec::new(),
            problems: vec![(String::new(), problem)],
        }
    }

    fn of_accepted(accepted: Accepted<'_>) -> Self {
        let problems = accepted.decoded.problems.iter();
        Self {
            source: accepted.origin.name.to_owned(),
            received_at: accepted.received_at,
            problems: problems.map(|problem| (problem.place.clone(), problem.reason.clone())).collect(),
            samples: accepted.decoded.samples,
            tags: accepted.decoded.tags,
        }
    }

    /// The source; empty where the payload cannot be read.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Tags that it gives: (device, tag, value).
    pub fn tags(&self) -> &[(Name, String, String)] {
        &self.tags
    }

    /// How many lines [`of`] makes of it.
    pub fn lines(&self) -> usize {
        self.problems.len() + self.readings().count()
    }

    fn readings(&self) -> impl Iterator<Item = (&Sample, &Reading)> {
        self.samples.iter().flat_map(|sample| sample.readings.iter().map(move |reading| (sample, reading)))
    }
}

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It makes no sense, and is not stored.
    Problem,
    /// It lies below the floor of its source, and is not stored.
    Expired,
    /// It is stored, and begins a device.
    NewDevice,
    /// It is stored.
    New,
    /// It is stored beside what was said of the moment in another unit.
    Unit,
    /// It takes the place of another value.
    Changed,
    /// It is not made any more, and there is no value in its place.
    Emptied,
    /// It is stored already.
    Same,
    /// What came later says something else, and stays.
    Superseded,
    /// It is stored; nobody has looked at what is there.
    Unseen,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Expired => "expired",
            Self::NewDevice => "new device",
            Self::New => "new",
            Self::Unit => "other unit",
            Self::Changed => "changed",
            Self::Emptied => "emptied",
            Self::Same => "same",
            Self::Superseded => "superseded",
            Self::Unseen => "stored",
        }
    }
}

/// A reading, or a problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it is of.
    id: String,
    change: Change,
    device: Name,
    channel: Name,
    /// The metric, or where the problem is.
    metric: String,
    observed_at: Option<Timestamp>,
    before: Option<String>,
    /// The value, or the problem.
    after: String,
    /// `None` of a problem.
    #[serde(skip)]
    reading: Option<SeriesReading>,
}

/// What a reading is of beside device, channel, metric and moment, and its value.
#[derive(Debug, Clone, PartialEq)]
struct SeriesReading {
    unit: Option<Name>,
    kind: ValueKind,
    value: Option<f64>,
    quality: Quality,
    received_at: Timestamp,
}

impl SeriesReading {
    fn of(reading: &Reading, received_at: Timestamp) -> Self {
        let Reading { unit, value, quality, .. } = reading;
        let (unit, kind, value) = (unit.clone(), value.kind(), value.as_number());
        Self { unit, kind, value, quality: *quality, received_at }
    }
}

impl Line {
    /// Whether anything changes by it.
    pub const fn changes(&self) -> bool {
        !matches!(self.change, Change::Same | Change::Superseded | Change::Expired)
    }

    /// What becomes of the reading; `None` of a problem, and where nobody has looked at what is there.
    pub fn reading(&self) -> Option<ReadingChange<'_>> {
        let reading = self.reading.as_ref()?;
        let effect = match self.change {
            Change::Problem | Change::Unseen => return None,
            Change::NewDevice | Change::New | Change::Unit | Change::Changed => {
                ReadingEffect::Stored(reading.value, reading.quality)
            }
            Change::Emptied => ReadingEffect::Emptied,
            Change::Expired | Change::Same | Change::Superseded => ReadingEffect::Kept,
        };
        Some(ReadingChange {
            device: &self.device,
            channel: &self.channel,
            metric: &self.metric,
            unit: reading.unit.as_deref().unwrap_or_default(),
            kind: reading.kind,
            observed_at: self.observed_at?,
            received_at: reading.received_at,
            effect,
        })
    }

    /// Whether it is not stored because it makes no sense.
    pub fn is_problem(&self) -> bool {
        self.change == Change::Problem
    }
}

/// What `given`, which is of `id`, would change of what the database holds.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn of(client: Option<&Client>, given: &Given, id: &str) -> Result<Vec<Line>, Failure> {
    let problem = |(place, reason): &(String, String)| Line {
        id: id.to_owned(),
        change: Change::Problem,
        device: Name::default(),
        channel: Name::default(),
        metric: place.clone(),
        observed_at: None,
        before: None,
        after: reason.clone(),
        reading: None,
    };
    let mut lines: Vec<Line> = given.problems.iter().map(problem).collect();
    let stored = match client {
        Some(client) => Some(Stored::of(client, given).await.map_err(|error| database::failed(&error))?),
        None => None,
    };
    for (number, (sample, reading)) in given.readings().enumerate() {
        let (change, before) = match &stored {
            Some(stored) => stored.change(given, number, (sample, reading)),
            None => (Change::Unseen, None),
        };
        lines.push(Line {
            id: id.to_owned(),
            change,
            device: sample.device.clone(),
            channel: sample.channel.clone(),
            metric: reading.metric.to_string(),
            observed_at: Some(sample.observed_at),
            before: before.map(|value| {
                shown(value.value, value.text.as_deref(), value.unit.as_deref(), &value.quality)
            }),
            after: after(reading),
            reading: Some(SeriesReading::of(reading, given.received_at)),
        });
    }
    Ok(lines)
}

/// What is there of a payload's readings.
struct Stored {
    devices: BTreeSet<String>,
    floor: Option<Timestamp>,
    /// By the reading's number.
    values: BTreeMap<usize, Vec<StoredValue>>,
}

impl Stored {
    async fn of(client: &Client, given: &Given) -> Result<Self, StoreError> {
        let keys: Vec<ValueKey<'_>> = given
            .readings()
            .map(|(sample, reading)| ValueKey {
                device: &sample.device,
                channel: &sample.channel,
                metric: &reading.metric,
                observed_at: sample.observed_at,
            })
            .collect();
        Ok(Self {
            devices: queries::devices_of(client, &given.source, &keys).await?,
            floor: floors::of(client, &given.source).await?,
            values: queries::stored_values(client, &given.source, &keys).await?,
        })
    }

    fn change(
        &self,
        given: &Given,
        number: usize,
        (sample, reading): (&Sample, &Reading),
    ) -> (Change, Option<&StoredValue>) {
        let values = self.values.get(&number).map_or(&[][..], Vec::as_slice);
        let unit = reading.unit.as_deref();
        let of_unit = values.iter().find(|value| value.unit.as_deref() == unit);
        let change = match of_unit {
            _ if self.floor.is_some_and(|floor| sample.observed_at < floor) => Change::Expired,
            Some(value) if says_the_same(value, reading) => Change::Same,
            Some(value) if value.received_at > given.received_at => Change::Superseded,
            Some(_) => Change::Changed,
            None if !self.devices.contains(sample.device.as_str()) => Change::NewDevice,
            None if values.is_empty() => Change::New,
            None => Change::Unit,
        };
        (change, of_unit.or_else(|| values.first()))
    }
}

fn says_the_same(stored: &StoredValue, reading: &Reading) -> bool {
    let value = &reading.value;
    stored.value == value.as_number()
        && stored.text == value.as_text()
        && stored.quality == reading.quality.as_str()
}

fn after(reading: &Reading) -> String {
    let Reading { value, unit, quality, .. } = reading;
    shown(value.as_number(), value.as_text().as_deref(), unit.as_deref(), quality.as_str())
}

/// `21.5 Cel`, with its quality where that is not good.
fn shown(number: Option<f64>, text: Option<&str>, unit: Option<&str>, quality: &str) -> String {
    let value = number.map_or_else(|| text.unwrap_or_default().to_owned(), |number| number.to_string());
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let quality = if quality == "good" { String::new() } else { format!(" ({quality})") };
    format!("{value}{unit}{quality}")
}

/// What a receipt's payloads have given before, and do not give now.
pub fn emptied(given: &[Given], id: &str, before: Vec<GivenBefore>) -> Vec<Line> {
    let made: BTreeSet<_> = given
        .iter()
        .flat_map(Given::readings)
        .map(|(sample, reading)| {
            let series = (&*reading.metric, reading.unit.as_deref(), reading.value.kind());
            (&*sample.device, &*sample.channel, series, sample.observed_at)
        })
        .collect();
    let is_gone = |one: &GivenBefore| {
        let series = (&*one.metric, one.value.unit.as_deref(), one.kind);
        !made.contains(&(&*one.device, &*one.channel, series, one.observed_at))
    };
    let line = |GivenBefore { device, channel, metric, observed_at, kind, value }| Line {
        id: id.to_owned(),
        change: Change::Emptied,
        device: Name::from(&*device),
        channel: Name::from(&*channel),
        metric,
        observed_at: Some(observed_at),
        before: Some(shown(value.value, value.text.as_deref(), value.unit.as_deref(), &value.quality)),
        after: String::new(),
        reading: Some(SeriesReading {
            unit: value.unit.as_deref().map(Name::from),
            kind,
            value: value.value,
            quality: Quality::default(),
            received_at: value.received_at,
        }),
    };
    before.into_iter().filter(is_gone).map(line).collect()
}

/// How many readings come to what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts(BTreeMap<Change, u64>);

impl Counts {
    /// Counts these too.
    pub fn add(&mut self, lines: &[Line]) {
        for line in lines {
            *self.0.entry(line.change).or_default() += 1;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing would be stored");
        }
        let counts: Vec<_> =
            self.0.iter().map(|(change, count)| format!("{} {count}", change.as_str())).collect();
        f.write_str(&counts.join(", "))
    }
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] =
        &["OF", "CHANGE", "DEVICE", "CHANNEL", "METRIC", "OBSERVED", "BEFORE", "AFTER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.change.as_str().to_owned(),
            self.device.to_string(),
            self.channel.to_string(),
            self.metric.clone(),
            self.observed_at.map(|at| at.to_string()).unwrap_or_default(),
            self.before.clone().unwrap_or_default(),
            self.after.clone(),
        ]
    }
}
