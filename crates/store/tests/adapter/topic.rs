//! Rows of a topic and its offsets.

use std::time::Duration;

use store::topic_offsets::{self, LastRecord, PartitionSpan, Taken};
use store::{
    Payload, ReceiptOutcome, TopicBatch, TopicContent, TopicEntry, TopicWriteError, Written, overview, sums,
};

use crate::world::{World, at, reading};

const NOON: &str = "2024-05-01T12:00:00Z";
const TOPIC: &str = "payloads";

async fn take(world: &World, partition: i32) -> Taken {
    let client = world.database.client().await.unwrap();
    topic_offsets::take(&client, &TOPIC.into(), &[partition]).await.unwrap()[0]
}

/// Takes a partition and begins at `from`.
pub(crate) async fn taken(world: &World, partition: i32, from: i64, end: i64) -> PartitionSpan {
    let epoch = take(world, partition).await.epoch;
    let span = PartitionSpan { partition, epoch, incarnation: 1, from, end };
    let client = world.database.client().await.unwrap();
    assert!(topic_offsets::begin_at(&client, &TOPIC.into(), &span, None).await.unwrap());
    span
}

pub(crate) fn batch(
    spans: &[PartitionSpan],
    payloads: impl IntoIterator<Item = (i32, i64, Payload)>,
) -> TopicBatch {
    let entry = |(partition, offset, payload)| {
        let content = TopicContent::Payload(Box::new(payload));
        TopicEntry { partition, offset, hash: Some(offset * 10), content, sent_back: None }
    };
    TopicBatch::new((TOPIC.into(), at(NOON)), spans.to_vec(), payloads.into_iter().map(entry).collect())
}

/// Writes payloads as the records of one partition; what became of each.
pub(crate) async fn write_topic(world: &World, payloads: Vec<Payload>) -> Vec<Written> {
    let end = i64::try_from(payloads.len()).unwrap();
    let span = taken(world, 0, 0, end).await;
    let mut batch = batch(&[span], (0..).zip(payloads).map(|(offset, payload)| (0, offset, payload)));
    world.writer.write_topic(&mut batch).await.unwrap();
    batch.written().to_vec()
}

async fn payload(world: &World, id: i64) -> Payload {
    let moment = at(NOON) + Duration::from_secs(id.unsigned_abs());
    world.payload(&id.to_string(), at(NOON), &[reading("d", "t", 1.0, moment)]).await
}

async fn payloads(world: &World, partition: i32, offsets: std::ops::Range<i64>) -> Vec<(i32, i64, Payload)> {
    let mut payloads = Vec::new();
    for offset in offsets {
        payloads.push((partition, offset, payload(world, i64::from(partition) * 1000 + offset).await));
    }
    payloads
}

#[tokio::test]
async fn rows_and_offsets_are_there_together_and_the_next_worker_goes_on_behind_them() {
    let Some(world) = World::build().await else { return };
    let spans = [taken(&world, 0, 5, 8).await, taken(&world, 3, 0, 2).await];
    let mut records = payloads(&world, 0, 5..8).await;
    records.extend(payloads(&world, 3, 0..2).await);
    let mut batch = batch(&spans, records);
    world.writer.write_topic(&mut batch).await.unwrap();
    assert_eq!(world.count("moment").await, 5);
    let next = take(&world, 0).await;
    assert_eq!(
        (next.next, next.epoch, next.last),
        (8, spans[0].epoch + 1, Some(LastRecord { offset: 7, hash: 70 }))
    );
    assert_eq!(take(&world, 3).await.next, 2);
}

#[tokio::test]
async fn a_topic_that_is_left_is_not_once_it_is_written() {
    let Some(world) = World::build().await else { return };
    let span = taken(&world, 0, 0, 2).await;
    let client = world.database.client().await.unwrap();
    let left = "topic_offset where left_at is not null";
    topic_offsets::leave_others(&client, (None, at(NOON)), &[TOPIC.to_owned()]).await.unwrap();
    assert_eq!(world.count(left).await, 0, "it is read");
    topic_offsets::leave_others(&client, (Some("other"), at(NOON)), &[]).await.unwrap();
    assert_eq!(world.count(left).await, 0, "it is no source's");
    topic_offsets::leave_others(&client, (None, at(NOON)), &[]).await.unwrap();
    assert_eq!(world.count(left).await, 1);
    drop(client);
    let mut batch = batch(&[span], payloads(&world, 0, 0..2).await);
    world.writer.write_topic(&mut batch).await.unwrap();
    assert_eq!(world.count(left).await, 0);
}

#[tokio::test]
async fn payloads_without_keys_have_one_receipt_for_all_of_a_source_and_the_others_their_own() {
    let Some(world) = World::build().await else { return };
    let span = taken(&world, 2, 0, 8).await;
    let mut records = payloads(&world, 2, 0..8).await;
    for (_, offset, payload) in &mut records {
        let is_problem = *offset == 5;
        payload.key = payload.key.take().filter(|_| *offset == 3);
        payload.receipt.received_at += Duration::from_secs(offset.unsigned_abs());
        payload.receipt.source = if *offset == 6 { "other" } else { "test" }.into();
        payload.receipt.problems = usize::from(is_problem);
        payload.receipt.outcome = if is_problem { ReceiptOutcome::Partial } else { ReceiptOutcome::Stored };
    }
    let mut batch = batch(&[span], records);
    world.writer.write_topic(&mut batch).await.unwrap();
    assert_eq!((world.count("receipt").await, world.count("receipt_key").await), (3, 1));
    let sql = "select outcome, record_offset, record_last_offset, records, readings, problems, record_outcomes::text,
                      record_problems -> 0 ->> 'offset', record_topic, record_partition, received_at, id
               from receipt where records > 1";
    let range = world.client.query_one(sql, &[]).await.unwrap();
    let numbers: (i64, i64, i32, i32, i32) =
        (range.get(1), range.get(2), range.get(3), range.get(4), range.get(5));
    assert_eq!((range.get::<_, &str>(0), numbers), ("partial", (0, 7, 6, 6, 1)));
    assert_eq!(range.get::<_, &str>(6), r#"{"stored": 5, "partial": 1}"#);
    assert_eq!((range.get::<_, &str>(7), range.get::<_, &str>(8), range.get::<_, i32>(9)), ("5", TOPIC, 2));
    assert_eq!(range.get::<_, jiff::Timestamp>(10), at(NOON), "of the first");
    let id: uuid::Uuid = range.get(11);
    assert_eq!(world.count(&format!("moment where receipt_id = '{id}'")).await, 6);
    let counted =
        overview::overview(&world.database.client().await.unwrap(), at(NOON), at(NOON)).await.unwrap();
    assert_eq!((counted.receipts, counted.faulty_receipts), (8, 1));
    let [standing] = &counted.partitions[..] else { panic!("{:?}", counted.partitions) };
    assert_eq!((standing.partition, standing.next, standing.epoch), (2, 8, 1));
    let sums = sums::since(&world.client, at(NOON)).await.unwrap();
    assert_eq!(sums.receipts, [("partial".to_owned(), 1), ("stored".to_owned(), 7)].into());
}

#[tokio::test]
async fn who_holds_an_older_epoch_writes_nothing() {
    let Some(world) = World::build().await else { return };
    let old = [taken(&world, 0, 0, 3).await, taken(&world, 1, 0, 3).await];
    let new = take(&world, 0).await;
    let mut records = payloads(&world, 0, 0..3).await;
    records.extend(payloads(&world, 1, 0..3).await);
    let mut fenced = batch(&old, records);
    let error = world.writer.write_topic(&mut fenced).await.unwrap_err();
    assert!(matches!(&error, TopicWriteError::Fenced(partitions) if partitions[..] == [0]), "{error}");
    assert_eq!((world.count("moment").await, world.count("receipt").await), (0, 0));
    let client = world.database.client().await.unwrap();
    assert_eq!(topic_offsets::mark(&client, &TOPIC.into(), &old, 0).await.unwrap(), [0]);
    drop(client);

    let span = PartitionSpan { epoch: new.epoch, ..old[0] };
    let mut batch = batch(&[span], payloads(&world, 0, 0..3).await);
    world.writer.write_topic(&mut batch).await.unwrap();
    assert_eq!(world.count("moment").await, 3);
}

#[tokio::test]
async fn what_was_committed_though_no_answer_came_is_not_written_again() {
    let Some(world) = World::build().await else { return };
    let span = taken(&world, 0, 0, 4).await;
    let mut first = batch(&[PartitionSpan { end: 2, ..span }], payloads(&world, 0, 0..2).await);
    world.writer.write_topic(&mut first).await.unwrap();
    // The same again, with more behind it, and whatever made rows of it gone.
    world
        .client
        .batch_execute("delete from moment; delete from receipt; delete from receipt_key")
        .await
        .unwrap();
    let mut again = batch(&[span], payloads(&world, 0, 0..4).await);
    world.writer.write_topic(&mut again).await.unwrap();
    assert_eq!((world.count("moment").await, again.written().len()), (2, 2));
    assert_eq!(take(&world, 0).await.next, 4);
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_named_once_all_before_it_is_written() {
    let Some(world) = World::build().await else { return };
    let span = taken(&world, 0, 0, 10).await;
    let mut records = payloads(&world, 0, 0..10).await;
    records[6].2.receipt.event_id = "nul\0".into();
    let mut batch = batch(&[span], records);
    let error = world.writer.write_topic(&mut batch).await.unwrap_err();
    assert!(matches!(error, TopicWriteError::Data(_)), "{error}");
    assert_eq!(batch.first_mut().map(|entry| entry.offset), Some(6));
    assert_eq!(world.count("moment").await, 6);
    let TopicContent::Payload(refused) = &mut batch.first_mut().unwrap().content else { panic!() };
    refused.receipt.event_id = "mended".into();
    world.writer.write_topic(&mut batch).await.unwrap();
    assert_eq!((world.count("moment").await, take(&world, 0).await.next), (10, 10));
}

#[tokio::test]
async fn a_mark_outlives_its_worker_until_the_records_are_written_or_it_ends_in_order() {
    let Some(world) = World::build().await else { return };
    let span = taken(&world, 0, 0, 10).await;
    let client = world.database.client().await.unwrap();
    assert_eq!(topic_offsets::mark(&client, &TOPIC.into(), &[span], 2).await.unwrap(), [0; 0]);
    let taken = take(&world, 0).await;
    assert_eq!((taken.next, taken.begun, taken.deaths), (0, Some(10), 2));
    let span = PartitionSpan { epoch: taken.epoch, end: 1, ..span };
    let mut batch = batch(&[span], payloads(&world, 0, 0..1).await);
    world.writer.write_topic(&mut batch).await.unwrap();
    let taken = take(&world, 0).await;
    assert_eq!((taken.next, taken.begun, taken.deaths), (1, Some(10), 0));
    topic_offsets::unmark(&client, &TOPIC.into(), &[(0, taken.epoch)]).await.unwrap();
    assert_eq!(take(&world, 0).await.begun, None);
}
