#![doc = include_str!("../freshet_readings.md")]

mod line;

use event_model::RecordedRequest;

use self::line::Line;
use super::json::Body;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;

/// Lines of the view `readings`, as an export has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct FreshetReadings;

impl Decoder for FreshetReadings {
    fn name(&self) -> &'static str {
        "freshet_readings"
    }

    fn writes_calibrated(&self) -> bool {
        true
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        Ok(Box::new(Table(Body::read(request)?)))
    }
}

/// A body of lines.
struct Table(Body);

impl Table {
    /// The objects, and what stands in their place.
    fn nodes(&self) -> &[Node] {
        match &self.0.root {
            Node::List(nodes) => nodes,
            node => std::slice::from_ref(node),
        }
    }
}

impl Document for Table {
    /// Takes the device where all lines are of one.
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let nodes = self.nodes();
        if let Some(first) = nodes.first().filter(|_| nodes.iter().all(|node| node.as_object().is_none())) {
            return Err(form::no_object(first));
        }
        let mut devices =
            nodes.iter().map(|node| node.as_object().and_then(|line| Line(line).device().ok()?));
        let device =
            devices.next().flatten().filter(|first| devices.all(|device| device.as_ref() == Some(first)));
        Ok(Inspection { device: device.map(|device| device.to_string()), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded { problems: self.0.problems.clone(), ..Decoded::default() };
        let lines = self.0.items(None).map_err(DecodeError)?;
        for found in &lines {
            if decoded.is_full() {
                break;
            }
            let place = found.place.to_string();
            match add(found.node, (&place, context), &mut decoded) {
                Ok(()) => {}
                Err(problem) if lines.len() == 1 => return Err(DecodeError(problem)),
                Err(problem) => decoded.problems.push(problem),
            }
        }
        Ok(decoded)
    }

    fn tells_units_apart(&self) -> bool {
        true
    }
}

/// Adds the reading of a line at `place`.
fn add(node: &Node, (place, context): (&str, Context<'_>), decoded: &mut Decoded) -> Result<(), Problem> {
    let Some(object) = node.as_object() else {
        let place = place.trim_end_matches(['.', ' ', ',']);
        return Err(Problem::new(place, format!("expected an object, found {}", node.kind())));
    };
    let line = Line(object);
    let wrong = |(column, reason): line::Wrong| Problem::within(place, column, reason);
    let device = match line.device().map_err(wrong)? {
        Some(device) => device,
        None => context.unnamed_device()?,
    };
    let channel = line.channel().map_err(wrong)?;
    let observed_at = line.observed_at(context.received_at).map_err(wrong)?;
    let reading = line.reading(context).map_err(wrong)?;
    decoded.push(&device, &channel, observed_at, reading);
    Ok(())
}

#[cfg(test)]
mod tests;
