//! What a payload may come to: no more than 128 times its body, whatever its sender repeats in it. The largest body that
//! `ingest` takes unless it is configured otherwise has 768 KiB; an eighth of it is enough to see what grows faster.

mod bodies;

use std::collections::HashSet;
use std::mem::size_of;

use decoders::{Decoded, Problem};
use event_model::{Name, Reading, Sample, Value};

/// The bodies are of this size.
const BODY: usize = 96 * 1024;

/// The most that anything below may hold.
const BOUND: usize = 128 * BODY;

/// Whether the text lies within the name itself.
fn is_within(name: &Name) -> bool {
    let begin = std::ptr::from_ref(name).addr();
    (begin..begin + size_of::<Name>()).contains(&name.as_ptr().addr())
}

/// The bytes that a value holds, with what it has on the heap; a text that names share counts once.
fn held(decoded: &Decoded) -> usize {
    let mut texts = HashSet::new();
    let mut name = |name: &Name| {
        let is_counted = is_within(name) || !texts.insert(name.as_ptr());
        if is_counted { 0 } else { name.len() + 2 * size_of::<usize>() }
    };
    let mut bytes = decoded.samples.capacity() * size_of::<Sample>()
        + decoded.problems.len() * size_of::<Problem>()
        + decoded.tags.capacity() * size_of::<(Name, String, String)>();
    for sample in &decoded.samples {
        bytes += name(&sample.device) + name(&sample.channel);
        bytes += sample.readings.capacity() * size_of::<Reading>();
        for reading in &sample.readings {
            bytes += name(&reading.metric) + reading.unit.as_ref().map_or(0, &mut name);
            bytes += reading.flags.capacity() * size_of::<&str>();
            bytes += reading.raw_metric.as_deref().map_or(0, str::len);
            bytes += match &reading.value {
                Value::Text(text) => text.capacity(),
                Value::Bytes(bytes) => bytes.capacity(),
                Value::Number(_) | Value::Flag(_) => 0,
            };
        }
    }
    bytes += decoded.problems.iter().map(|p| p.place.capacity() + p.reason.capacity()).sum::<usize>();
    bytes
        + decoded
            .tags
            .iter()
            .map(|(of, tag, text)| name(of) + tag.capacity() + text.capacity())
            .sum::<usize>()
}

#[test]
fn no_payload_holds_more_than_its_bound() {
    for case in bodies::ALL.iter().flat_map(|bodies| bodies(BODY).cases) {
        let decoded = case.decoded();
        let held = held(&decoded);
        assert!(held <= BOUND, "{}: {held} bytes, {} samples", case.name, decoded.samples.len());
    }
}
