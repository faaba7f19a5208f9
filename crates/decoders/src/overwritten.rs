//! Values that take each other's place: one series has one value at one time.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use event_model::reading::ValueKind;
use event_model::{Reading, Sample, Value};

use crate::decode::{Decoded, Problem, Problems};
use crate::names::cut;

/// Where a reading is: its sample, and its place in the sample.
pub(crate) type Position = (usize, usize);

/// The most bytes of a text value that a problem shows.
const SHOWN: usize = 40;

/// Readings that are compared each with each.
const FEW: usize = 8;

/// What makes two readings of one stream and moment values of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// The metric's name.
    Name,
    /// Its name, unit and kind, as the database tells series apart.
    NameUnitAndKind,
}

impl Series {
    /// What tells a reading from another one of the same name.
    fn beside_name(self, reading: &Reading) -> Option<(Option<&str>, ValueKind)> {
        (self == Self::NameUnitAndKind).then(|| (reading.unit.as_deref(), reading.value.kind()))
    }
}

/// Several values of one series at one time that differ.
struct Conflict {
    first: Position,
    last: Position,
    count: usize,
}

impl Decoded {
    /// The reading at a position.
    pub(crate) fn at(&self, (sample, reading): Position) -> &Reading {
        &self.samples[sample].readings[reading]
    }

    /// The position of the reading that was pushed last.
    pub(crate) fn last_position(&self) -> Option<Position> {
        let sample = self.samples.len().checked_sub(1)?;
        Some((sample, self.samples[sample].readings.len().checked_sub(1)?))
    }

    /// Keeps the last value of each device, channel, series and time. Where an earlier one differs from it, that is a problem.
    pub(crate) fn report_overwritten(&mut self, series: Series) {
        if self.is_one_moment_of_few() {
            return;
        }
        let (overwritten, conflicts) = self.overwritten(series);
        let mut problems = Problems::default();
        conflicts.iter().for_each(|conflict| problems.note(|| self.problem_of(conflict)));
        self.problems.append(problems);
        self.leave_out(&overwritten);
    }

    /// Takes readings out, and the samples that hold no other.
    pub(crate) fn leave_out(&mut self, positions: &HashSet<Position>) {
        if positions.is_empty() {
            return;
        }
        for (sample, Sample { readings, .. }) in self.samples.iter_mut().enumerate() {
            let mut index = 0..;
            readings.retain(|_| index.next().is_none_or(|reading| !positions.contains(&(sample, reading))));
        }
        self.samples.retain(|sample| !sample.readings.is_empty());
    }

    /// Whether there is one moment at most, and few readings, each of another metric: what most payloads hold.
    fn is_one_moment_of_few(&self) -> bool {
        let readings = match self.samples.as_slice() {
            [] => return true,
            [Sample { readings, .. }] if readings.len() <= FEW => readings,
            _ => return false,
        };
        let is_other = |at: usize| readings[..at].iter().all(|before| before.metric != readings[at].metric);
        (1..readings.len()).all(is_other)
    }

    fn overwritten(&self, series: Series) -> (HashSet<Position>, Vec<Conflict>) {
        let (mut overwritten, mut conflicts) = (HashSet::new(), Vec::<Conflict>::new());
        let mut moments = HashMap::with_capacity(self.samples.len());
        // The last position of each series at each time, and its conflict.
        // Large enough from the start: growing it would hash each name again.
        let readings = self.samples.iter().map(|sample| sample.readings.len()).sum();
        let mut last: HashMap<_, (Position, Option<usize>)> = HashMap::with_capacity(readings);
        for (sample, of) in self.samples.iter().enumerate() {
            let moment = *moments.entry((&*of.device, &*of.channel, of.observed_at)).or_insert(sample);
            for (index, reading) in of.readings.iter().enumerate() {
                let position = (sample, index);
                let key = (moment, &*reading.metric, series.beside_name(reading));
                let Some((earlier, conflict)) = last.get_mut(&key) else {
                    last.insert(key, (position, None));
                    continue;
                };
                let before = self.at(*earlier);
                if before.value != reading.value || before.unit != reading.unit {
                    let at = *conflict.get_or_insert_with(|| {
                        conflicts.push(Conflict { first: *earlier, last: position, count: 1 });
                        conflicts.len() - 1
                    });
                    conflicts[at].last = position;
                    conflicts[at].count += 1;
                }
                overwritten.insert(*earlier);
                *earlier = position;
            }
        }
        (overwritten, conflicts)
    }

    fn problem_of(&self, conflict: &Conflict) -> Problem {
        let sample = &self.samples[conflict.last.0];
        let (first, last) = (self.at(conflict.first), self.at(conflict.last));
        let separator = if sample.channel.is_empty() { "" } else { "." };
        let mut reason =
            format!("{} values of `{}` at {}: ", conflict.count, sample.device, sample.observed_at);
        let between = if conflict.count > 2 { ", ... " } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(reason, "{}{between}{}; the last one is stored", shown(first), shown(last));
        Problem::new([&*sample.channel, separator, &*last.metric].concat(), reason)
    }
}

fn shown(reading: &Reading) -> String {
    let value = match &reading.value {
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) => format!("`{}`", cut(text, SHOWN)),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    };
    let unit = reading.unit.as_deref().filter(|unit| *unit != "1");
    unit.map_or_else(|| value.clone(), |unit| format!("{value} {}", cut(unit, SHOWN)))
}
