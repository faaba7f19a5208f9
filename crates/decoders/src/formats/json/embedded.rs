//! JSON within an envelope that says itself who measured and when: the data of a CloudEvent, the body of a message
//! that an IoT hub passes on.

use event_model::Name;

use super::USUAL;
use super::body;
use super::item::{Item, Shared};
use crate::decode::{Context, Decoded, Problem};
use crate::device;
use crate::json::Node;
use crate::mapping::Mapping;
use crate::time::{Clock, Moment};
use crate::value::{self, Scalar};

/// What the envelope says about its content.
#[derive(Debug, Clone, Copy)]
pub(in crate::formats) struct Envelope<'a> {
    /// The device, unless the source's mapping finds it in the content.
    pub(in crate::formats) device: Option<&'a str>,
    /// The time of what has none of its own.
    pub(in crate::formats) time: Option<Moment>,
    /// Where the content stands, for problems: `event 2: data`.
    pub(in crate::formats) place: &'a str,
}

/// Whether the content is no measurement by its kind: nothing, or a text for people. A number without a name, and JSON
/// in a text (it was encoded twice), are mistakes.
fn is_no_measurement(content: &Node) -> bool {
    match content {
        Node::Null => true,
        Node::Text(text) => {
            let is_words = matches!(value::of_text(text, &[]), Scalar::Text(_) | Scalar::Missing);
            is_words && !text.trim_start().starts_with(['{', '['])
        }
        _ => false,
    }
}

/// Reads the content of an envelope as the format `json` reads a body, by the source's mapping if it has one.
///
/// # Errors
/// The problem, where nothing can be taken; nothing was added then.
pub(in crate::formats) fn read(
    content: &Node,
    envelope: Envelope<'_>,
    context: Context<'_>,
    decoded: &mut Decoded,
) -> Result<(), Problem> {
    let mapping = Mapping::of(context.profile);
    let is_taken = mapping.is_some_and(Mapping::takes_all) && *content != Node::Null;
    if !is_taken && is_no_measurement(content) {
        return Ok(());
    }
    let within = |problem: Problem| {
        let dot = if problem.place.is_empty() || problem.place.starts_with('[') { "" } else { "." };
        Problem::new(format!("{}{dot}{}", envelope.place, problem.place), problem.reason)
    };
    let is_mapped = mapping.is_some_and(|mapping| !mapping.device.is_empty());
    let device = envelope.device.filter(|_| !is_mapped).map(device::normalise).transpose();
    let device: Option<Name> = device.map_err(|reason| within(Problem::new("", reason)))?.map(Name::from);
    let items = body::items(content, &[], mapping).map_err(within)?;
    let mut inner = Decoded::default();
    let (shared, clock) = (Shared::default(), Clock::new(context));
    for found in &items {
        if inner.is_full() {
            break;
        }
        let item = Item {
            root: content,
            node: found.node,
            place: &found.place,
            mapping,
            usual: &USUAL,
            device: device.as_ref(),
            time: envelope.time,
            shared: &shared,
        };
        match item.add(context, &clock, &mut inner) {
            Ok(()) => {}
            Err(problem) if items.len() == 1 => return Err(within(problem)),
            Err(problem) => inner.problems.push(problem),
        }
    }
    inner.problems = inner.problems.map(within);
    decoded.append(inner);
    Ok(())
}
