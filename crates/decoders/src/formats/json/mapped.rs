//! The metrics that a mapping names.

use event_model::{Name, Reading};

use super::body::dotted;
use super::item::Item;
use crate::decode::{Context, Decoded, Problem};
use crate::device::{self, MAX_NAME_BYTES};
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
    pub(super) mapping: &'a Mapping,
    pub(super) context: Context<'a>,
    pub(super) device: &'a Name,
    pub(super) moment: Moment,
    pub(super) flags: &'a [&'static str],
}

/// One value of one metric, before it is read.
struct Cell<'a> {
    node: &'a Node,
    channel: Name,
    path: String,
    repeated: bool,
}

impl Mapped<'_> {
    /// Adds the mapped metrics. One that is not there is a gap; one of another type is a problem.
    pub(super) fn add(&self, decoded: &mut Decoded) -> Result<(), Problem> {
        let (mut fields, mut problems) = (Vec::new(), Vec::new());
        for (metric, spec) in &self.mapping.metrics {
            for cell in self.cells(spec) {
                match self.reading(metric, spec, &cell) {
                    Ok(reading) => fields.extend(reading.map(|reading| (cell.channel, reading))),
                    Err(reason) => problems.push(Problem::within(self.item.place, &cell.path, reason)),
                }
            }
        }
        if fields.len() > self.context.profile.reading_limit() {
            return Err(walk::too_many(self.context.profile, self.item.place));
        }
        for (channel, reading) in fields {
            decoded.push(self.device, &channel, self.moment.at, reading);
        }
        decoded.problems.append(&mut problems);
        Ok(())
    }

    /// The values of a metric: one, or one for each index of an array.
    fn cells(&self, spec: &MetricMapping) -> Vec<Cell<'_>> {
        let Some(located) = self.item.locate(&spec.value) else { return Vec::new() };
        let pointer = spec.channel.as_deref().or(self.mapping.channel.as_deref());
        let channel = pointer.and_then(|pointer| self.item.locate(pointer)?.node.as_name());
        let channel = device::channel(channel.unwrap_or_default());
        let path = dotted(&spec.value);
        let Node::List(elements) = located.node else {
            return vec![Cell { node: located.node, channel, path, repeated: located.repeated }];
        };
        let cell = |(index, node): (usize, _)| Cell {
            node,
            channel: if channel.is_empty() { index.to_string() } else { format!("{channel}.{index}") }.into(),
            path: format!("{path}[{index}]"),
            repeated: located.repeated,
        };
        elements.iter().enumerate().map(cell).collect()
    }

    fn reading(
        &self,
        metric: &str,
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
        let is_shared = spec.value.starts_with('^') && !std::ptr::eq(self.item.root, self.item.node);
        if is_shared && cell.node.as_str().is_some_and(|text| text.len() > MAX_NAME_BYTES) {
            return Err(format!("expected a text of at most {MAX_NAME_BYTES} bytes for every item"));
        }
        let measurement = Measurement {
            metric: metric.into(),
            raw_metric: self.context.raw_name("", &cell.path),
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
