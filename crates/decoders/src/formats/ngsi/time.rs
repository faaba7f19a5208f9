//! Times of attributes and entities: an instant, or an interval, of which the end counts.

use jiff::SignedDuration;

use crate::json::Node;
use crate::time::{Clock, Moment};

/// The plain value in what may be an attribute, a metadata element or a typed literal of JSON-LD.
pub(super) fn plain(node: &Node) -> Option<&Node> {
    match node {
        Node::Object(_) => plain_of_object(node),
        Node::Null => None,
        _ => Some(node),
    }
}

fn plain_of_object(node: &Node) -> Option<&Node> {
    let value = node.get("value").unwrap_or(node);
    let value = value.get("@value").unwrap_or(value);
    (value.as_object().is_none()).then_some(value)
}

/// When something was observed. Of an interval (ISO 8601, `begin/end`, `begin/duration`) it is the end.
pub(super) fn moment(node: &Node, clock: &Clock) -> Moment {
    let Some((begin, end)) = node.as_str().and_then(interval) else { return clock.of_node(Some(node)) };
    let of_begin = || clock.of_text(begin);
    if let Ok(duration) = end.parse::<SignedDuration>() {
        let began = of_begin();
        let ended = began.at.checked_add(duration).ok().filter(|_| began.flag.is_none());
        return ended.map_or(began, |ended| clock.moment(Some(ended)));
    }
    if end.contains('T') { clock.of_text(end) } else { of_begin() }
}

/// The two parts of an interval. A date may be written with slashes too, and has no `T` before the first.
fn interval(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(begin, _)| begin.contains('T'))
}

/// Whether a text is a time or an interval: it says when something was, and measures nothing.
pub(super) fn is_time(text: &str) -> bool {
    let begin = interval(text).map_or(text, |(begin, _)| begin);
    let is_long = (16..=40).contains(&begin.len()) && begin.as_bytes().get(10) == Some(&b'T');
    is_long && crate::time::parse(begin, &jiff::tz::TimeZone::UTC).is_some()
}
