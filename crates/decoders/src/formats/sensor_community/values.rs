//! `sensordatavalues`: a list of names and values.

use event_model::Name;

use super::naming::{self, Quantity};
use crate::decode::{Context, Decoded, Problem};
use crate::device;
use crate::json::{Node, Object};
use crate::measure::{self, Measurement};
use crate::time::Moment;
use crate::value::{self, Scalar};
use crate::walk::{Named, too_many};

/// The list's name in a message.
pub(in crate::formats) const LIST: &str = "sensordatavalues";

/// The values of one message.
#[derive(Clone, Copy)]
pub(in crate::formats) struct Values<'a> {
    pub(in crate::formats) context: Context<'a>,
    pub(in crate::formats) device: &'a Name,
    /// The channel of what names no sensor.
    pub(in crate::formats) channel: &'a Name,
    pub(in crate::formats) moment: Moment,
    /// What stands before the list's name in the body: `[1].`, or nothing.
    pub(in crate::formats) place: &'a str,
}

impl Values<'_> {
    /// Adds the readings of `list`; an item that makes no sense is a problem.
    ///
    /// # Errors
    /// The problem, where there are more than one object may hold.
    pub(in crate::formats) fn add(&self, list: &[Node], decoded: &mut Decoded) -> Result<(), Problem> {
        if list.len() > self.context.profile.reading_limit() {
            return Err(too_many(self.context.profile, self.place));
        }
        let counted = list.iter().filter_map(value_type).map(Quantity::of);
        let counted =
            counted.filter(|quantity| quantity.name == "ratioP1").map(|quantity| quantity.sensor).next();
        for (index, item) in list.iter().enumerate() {
            let taken = self.item(item, counted, decoded);
            let place = || format!("{}{LIST}[{index}]", self.place);
            if let Err((key, reason)) = taken {
                decoded.problems.note(|| Problem::new(format!("{}{key}", place()), reason));
            }
        }
        Ok(())
    }

    fn item(
        &self,
        item: &Node,
        counted: Option<&str>,
        decoded: &mut Decoded,
    ) -> Result<(), (&'static str, String)> {
        let Some(object) = item.as_object() else {
            return Err(("", format!("expected an object, found {}", item.kind())));
        };
        let Some(value_type) = value_type(item) else {
            return Err((".value_type", "expected a name".to_owned()));
        };
        let quantity = Quantity::of(value_type);
        let Named::Metric { metric, unit, .. } = quantity.named(counted == Some(quantity.sensor)) else {
            return Ok(());
        };
        let in_value = |reason| (".value", reason);
        let Some(value) = value_of(object, &quantity).map_err(in_value)? else { return Ok(()) };
        let measurement = Measurement {
            metric,
            raw_metric: self.context.raw_name("", value_type),
            value,
            unit: unit.as_deref(),
            moment: self.moment,
        };
        if let Some(reading) = measure::reading(self.context.profile, measurement).map_err(in_value)? {
            let own = device::channel(quantity.sensor);
            let channel = if quantity.sensor.is_empty() { self.channel } else { &own };
            decoded.push(self.device, channel, self.moment.at, reading);
        }
        Ok(())
    }
}

fn value_of(item: &Object, quantity: &Quantity<'_>) -> Result<Option<Scalar>, String> {
    let Some(member) = item.get("value") else { return Err("expected a value, found none".to_owned()) };
    let value = value::of_node(&member.node, &[])?;
    let is_missing = matches!(value, Scalar::Number { value, .. } if naming::is_no_place(quantity, value));
    Ok((!is_missing).then_some(value))
}

fn value_type(item: &Node) -> Option<&str> {
    item.get("value_type").and_then(Node::as_str).filter(|name| !name.is_empty())
}
