//! The hash of a pipeline, over the canonical form of its files and over the scripts that they name: comments, spacing, quotes and the
//! order of keys are no part of it.

use event_model::hex;
use settings::yaml::{Node, Value};
use sha2::{Digest, Sha256};

/// SHA-256 of the canonical form and of `scripts`, each with its name, in lower-case hex.
pub(crate) fn of(root: &Node, scripts: &[(String, Vec<u8>)]) -> String {
    let mut hasher = Sha256::new();
    feed(root, &mut hasher);
    for (name, bytes) in scripts {
        text(name, &mut hasher);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
    hex(&hasher.finalize())
}

/// Each node is a letter for its kind and a length or value, so that no two trees read the same.
fn feed(node: &Node, hasher: &mut Sha256) {
    match &node.value {
        Value::Null => hasher.update(b"z"),
        Value::Flag(flag, _) => hasher.update([b'f', u8::from(*flag)]),
        Value::Number(number, spelling) => {
            hasher.update(b"n");
            hasher.update(number.to_bits().to_be_bytes());
            text(spelling, hasher);
        }
        Value::Text(value) => {
            hasher.update(b"t");
            text(value, hasher);
        }
        Value::List(items) => {
            hasher.update(b"l");
            hasher.update((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| feed(item, hasher));
        }
        Value::Map(entries) => {
            let mut entries: Vec<_> =
                entries.iter().filter(|entry| entry.node.value != Value::Null).collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            hasher.update(b"m");
            hasher.update((entries.len() as u64).to_be_bytes());
            for entry in entries {
                text(&entry.key, hasher);
                feed(&entry.node, hasher);
            }
        }
    }
}

fn text(text: &str, hasher: &mut Sha256) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}
