//! `spec.filter.attributes`.

use std::collections::BTreeMap;

use crate::log::Place;
use crate::record::Record;

/// The extensions that the dispatcher adds to every event before it filters.
pub(super) const PARTITION: &str = "knativekafkapartition";
pub(super) const OFFSET: &str = "knativekafkaoffset";

/// Whether all attributes are equal; an empty value is ignored.
pub(super) fn matches(filter: &BTreeMap<String, String>, record: &Record, place: Place) -> bool {
    filter.iter().filter(|(_, value)| !value.is_empty()).all(|(name, value)| match name.as_str() {
        PARTITION => place.partition.to_string() == *value,
        OFFSET => place.offset.to_string() == *value,
        name => record.attribute(name) == Some(value),
    })
}
