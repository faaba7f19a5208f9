//! Derived identifiers: UUIDv5 (RFC 9562, section 5.5) of the cause, so that doing a thing twice names it once.

use uuid::Uuid;

/// The namespace of every id that Freshet derives: UUIDv5 of `freshet.dev` in the DNS namespace.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6e0f_8c5c_7ac1_5a7b_9d53_3c2a_4f6b_1e90);

/// The id that follows from `kind` and `parts`.
///
/// Parts are length-prefixed before they are hashed, so that `["ab", "c"]` and `["a", "bc"]` differ.
pub fn derive(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    for part in std::iter::once(&kind).chain(parts) {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// The id of an event that is caused by another: `source` and `id` are the cause's, `event_type` the effect's.
pub fn of_effect(event_type: &str, source: &str, id: &str) -> Uuid {
    derive(event_type, &[source, id])
}

/// The id of the receipt of one accepted payload, from its event's `source` and `id`.
pub fn of_receipt(source: &str, id: &str) -> Uuid {
    derive("receipt", &[source, id])
}

#[cfg(test)]
mod tests {
    use super::derive;

    #[test]
    fn the_same_cause_gives_the_same_id() {
        assert_eq!(derive("receipt", &["/sources/a", "1"]), derive("receipt", &["/sources/a", "1"]));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(derive("k", &["ab", "c"]), derive("k", &["a", "bc"]));
    }
}
