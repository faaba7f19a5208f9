//! How the log lies in the store: big-endian keys, so that a partition's records are neighbours in their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use fjall::Keyspace;

use super::{LogError, Topic};
use crate::record::Record;

/// topic, partition, offset
pub(super) fn record(topic: Topic, partition: u16, offset: u64) -> [u8; 11] {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&prefix(topic, partition));
    key[3..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// topic, partition
pub(super) fn prefix(topic: Topic, partition: u16) -> [u8; 3] {
    let [high, low] = partition.to_be_bytes();
    [topic_byte(topic), high, low]
}

pub(super) fn offset(key: &[u8]) -> Result<u64, LogError> {
    number(key.get(3..).unwrap_or_default())
}

pub(super) fn number(bytes: &[u8]) -> Result<u64, LogError> {
    let bytes = bytes.try_into().map_err(|_| LogError::Damaged("an offset is not of 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// consumer, partition
pub(super) fn position(consumer: &str, partition: usize) -> Vec<u8> {
    let partition = u16::try_from(partition).expect("partitions were counted in 16 bits");
    [consumer.as_bytes(), &partition.to_be_bytes()].concat()
}

/// How many partitions a topic has: as many as it was made with.
pub(super) fn partitions(shape: &Keyspace, topic: Topic, wanted: u16) -> Result<u16, LogError> {
    let key = [topic_byte(topic)];
    if let Some(count) = shape.get(key)? {
        let count =
            (*count).try_into().map_err(|_| LogError::Damaged("a topic's partitions are not counted"))?;
        return Ok(u16::from_be_bytes(count));
    }
    shape.insert(key, wanted.to_be_bytes())?;
    Ok(wanted)
}

/// Every consumer's committed positions, by partition.
pub(super) fn positions(positions: &Keyspace) -> Result<BTreeMap<String, Vec<u64>>, LogError> {
    let mut known = BTreeMap::<String, Vec<u64>>::new();
    for entry in positions.iter() {
        let (key, value) = entry.into_inner()?;
        let (name, _partition) = key
            .split_at_checked(key.len().saturating_sub(2))
            .ok_or(LogError::Damaged("a position has no consumer"))?;
        let name =
            std::str::from_utf8(name).map_err(|_| LogError::Damaged("a consumer's name is no text"))?;
        // Keys of one consumer come in the order of its partitions.
        known.entry(name.to_owned()).or_default().push(number(&value)?);
    }
    Ok(known)
}

/// Records of a partition as they lie on disk.
pub(super) fn range(
    records: &Keyspace,
    topic: Topic,
    partition: u16,
    from: u64,
    max: usize,
) -> Result<Vec<(u64, Arc<Record>)>, LogError> {
    records
        .range(record(topic, partition, from)..=record(topic, partition, u64::MAX))
        .take(max)
        .map(|entry| {
            let (key, value) = entry.into_inner()?;
            Ok((offset(&key)?, Arc::new(Record::from_bytes(&value)?)))
        })
        .collect()
}

fn topic_byte(topic: Topic) -> u8 {
    match topic {
        Topic::Broker => 0,
        Topic::DeadLetters => 1,
    }
}
