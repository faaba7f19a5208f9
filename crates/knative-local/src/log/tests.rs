use bytes::Bytes;

use super::{Log, Topic};
use crate::record::Record;

fn record(key: &str, id: usize) -> Record {
    let headers = vec![("ce-id".to_owned(), id.to_string()), ("ce-partitionkey".to_owned(), key.to_owned())];
    Record { headers, body: Bytes::from_static(b"data") }
}

fn ids(log: &Log, partition: u16, from: u64) -> Vec<String> {
    let records = log.read(Topic::Broker, partition, from, 5000).unwrap();
    records.iter().map(|(_, record)| record.attribute("id").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn records_of_one_key_keep_their_order_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), 3).unwrap();
    let mut places = Vec::new();
    for id in 0..20 {
        places.push(log.append(Topic::Broker, record("a", id)).await.unwrap());
    }
    let partition = places[0].partition;
    assert!(places.iter().all(|place| place.partition == partition));
    log.close();

    let log = Log::open(folder.path(), 7).unwrap();
    assert_eq!(log.ends(Topic::Broker).len(), 3);
    let expected: Vec<_> = (0..20).map(|id: usize| id.to_string()).collect();
    assert_eq!(ids(&log, partition, 0), expected);
    assert_eq!(log.append(Topic::Broker, record("a", 20)).await.unwrap().offset, 20);
    log.close();
}

#[tokio::test]
async fn what_left_the_memory_is_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), 1).unwrap();
    let appends = (0..3000).map(|id| log.append(Topic::Broker, record("a", id)));
    futures_util::future::join_all(appends).await;
    let expected: Vec<_> = (0..3000).map(|id: usize| id.to_string()).collect();
    assert_eq!(ids(&log, 0, 0), expected);
    assert_eq!(ids(&log, 0, 2990), expected[2990..]);
    log.close();
}

#[tokio::test]
async fn a_new_consumer_starts_at_the_latest_and_a_known_one_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), 1).unwrap();
    log.append(Topic::Broker, record("a", 0)).await.unwrap();
    assert_eq!(log.join(Topic::Broker, "new").await.unwrap(), [1]);
    for id in 1..5 {
        log.append(Topic::Broker, record("a", id)).await.unwrap();
    }
    log.commit("new", vec![3]).await.unwrap();
    log.close();

    let log = Log::open(folder.path(), 1).unwrap();
    assert_eq!(log.join(Topic::Broker, "new").await.unwrap(), [3]);
    log.keep_only(&[]).await.unwrap();
    assert_eq!(log.join(Topic::Broker, "new").await.unwrap(), [5]);
    log.close();
}

#[tokio::test]
async fn what_every_consumer_has_passed_is_dropped_and_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), 1).unwrap();
    for consumer in ["fast", "slow"] {
        log.join(Topic::Broker, consumer).await.unwrap();
    }
    for id in 0..10 {
        log.append(Topic::Broker, record("a", id)).await.unwrap();
    }
    log.commit("fast", vec![10]).await.unwrap();
    log.commit("slow", vec![4]).await.unwrap();
    log.retain(Topic::Broker, &["fast", "slow"]);
    log.close();

    let log = Log::open(folder.path(), 1).unwrap();
    assert_eq!(ids(&log, 0, 0), ["4", "5", "6", "7", "8", "9"]);
    log.commit("slow", vec![10]).await.unwrap();
    log.retain(Topic::Broker, &["fast", "slow"]);
    log.close();

    let log = Log::open(folder.path(), 1).unwrap();
    assert_eq!(log.append(Topic::Broker, record("a", 10)).await.unwrap().offset, 10);
    log.close();
}
