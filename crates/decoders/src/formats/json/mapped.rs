//! The metrics that a mapping names.

use event_model::{Name, Reading};

use super::body::dotted;
use super::item::Item;
use crate::decode::{Context, Decoded, Problem, Problems};
use crate::device::MAX_NAME_BYTES;
use crate::json::Node;
use crate::mapping::{Mapping, MetricMapping};
use crate::measure::{self, Measurement};
use crate::names;
use crate::time::Moment;
use crate::value;
use crate::walk::{self, DUPLICATE_KEY};

/// An item whose source says where its metrics are.
pub(super) struct Mapped<'a> {
    pub(super) item: Item<'a>,
    /// What stands before a path within it in a problem's place.
    pub(super) place: &'a str,
    pub(super) mapping: &'a Mapping,
    pub(super) context: Context<'a>,
    pub(super) device: &'a Name,
    pub(super) moment: Moment,
    pub(super) flags: &'a [&'static str],
}

/// One value of one metric, before it is read.
struct Cell<'a> {
    node: &'a Node,
    /// Its index, where it is one of an array.
    index: Option<usize>,
    is_shared: bool,
    repeated: bool,
}

/// The values of an item so far.
#[derive(Default)]
struct Taken {
    readings: Vec<(Name, Reading)>,
    problems: Problems,
}

impl Mapped<'_> {
    /// Adds the mapped metrics. One that is not there is a gap; one of another type is a problem.
    pub(super) fn add(&self, decoded: &mut Decoded) -> Result<(), Problem> {
        let mut taken = Taken::default();
        for (metric, spec) in &self.mapping.metrics {
            self.take(metric, spec, &mut taken)?;
        }
        for (channel, reading) in taken.readings {
            decoded.push(self.device, &channel, self.moment.at, reading);
        }
        decoded.problems.append(taken.problems);
        Ok(())
    }

    /// The values of a metric: one, or one for each index of an array.
    fn take(&self, metric: &Name, spec: &MetricMapping, taken: &mut Taken) -> Result<(), Problem> {
        let Some(located) = self.item.locate(&spec.value) else { return Ok(()) };
        let channel = match &spec.channel {
            Some(pointer) => self.item.channel(pointer),
            None => self.item.own_channel(),
        };
        let cell = Cell {
            node: located.node,
            index: None,
            is_shared: located.is_shared,
            repeated: located.repeated,
        };
        let Node::List(elements) = located.node else {
            return self.take_cell((metric, spec), &cell, channel, taken);
        };
        if located.is_shared {
            let reason = "expected one value for every item, found an array";
            taken.problems.note(|| self.problem(spec, None, reason));
            return Ok(());
        }
        for (index, node) in elements.iter().enumerate() {
            let own = if channel.is_empty() { index.to_string() } else { format!("{channel}.{index}") };
            let cell = Cell { node, index: Some(index), ..cell };
            self.take_cell((metric, spec), &cell, own.into(), taken)?;
        }
        Ok(())
    }

    fn take_cell(
        &self,
        (metric, spec): (&Name, &MetricMapping),
        cell: &Cell<'_>,
        channel: Name,
        taken: &mut Taken,
    ) -> Result<(), Problem> {
        match self.reading(metric, spec, cell) {
            Ok(reading) => taken.readings.extend(reading.map(|reading| (channel, reading))),
            Err(reason) => taken.problems.note(|| self.problem(spec, cell.index, &reason)),
        }
        if taken.readings.len() > self.context.profile.reading_limit() {
            return Err(walk::too_many(self.context.profile, self.place));
        }
        Ok(())
    }

    fn problem(&self, spec: &MetricMapping, index: Option<usize>, reason: &str) -> Problem {
        match path(spec, index).as_str() {
            "" => Problem::new(self.place.trim_end_matches(['.', ' ', ',']), reason),
            path => Problem::within(self.place, path, reason),
        }
    }

    fn reading(
        &self,
        metric: &Name,
        spec: &MetricMapping,
        cell: &Cell<'_>,
    ) -> Result<Option<Reading>, String> {
        let stated = spec.unit_at.as_deref().and_then(|pointer| self.item.locate(pointer)?.node.as_str());
        let unit = stated.or(spec.unit.as_deref());
        if matches!(cell.node, Node::Object(_) | Node::List(_)) {
            let is_quantity = unit.is_some() || names::default_unit(metric).is_some();
            let expected = if is_quantity { "a number" } else { "one value" };
            return Err(format!("expected {expected}, found {}", cell.node.kind()));
        }
        // What stands once in the payload is taken for every item.
        if cell.is_shared && cell.node.as_str().is_some_and(|text| text.len() > MAX_NAME_BYTES) {
            return Err(format!("expected a text of at most {MAX_NAME_BYTES} bytes for every item"));
        }
        let raw_metric =
            if self.context.raw_names { self.context.raw_name("", &path(spec, cell.index)) } else { None };
        let measurement = Measurement {
            metric: metric.clone(),
            raw_metric,
            value: value::of_node(cell.node, &self.mapping.missing)?,
            unit,
            moment: self.moment,
        };
        let Some(mut reading) = measure::reading(self.context.profile, measurement)? else { return Ok(None) };
        reading.flags.extend(self.flags);
        if cell.repeated && !reading.flags.contains(&DUPLICATE_KEY) {
            reading.flags.push(DUPLICATE_KEY);
        }
        Ok(Some(reading))
    }
}

/// The path of a value as people write it.
fn path(spec: &MetricMapping, index: Option<usize>) -> String {
    let path = dotted(&spec.value);
    index.map_or_else(|| path.clone(), |index| format!("{path}[{index}]"))
}
