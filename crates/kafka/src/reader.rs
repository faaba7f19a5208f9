//! A member of a group, on a thread that owns the consumer: reads batches, hands them on, commits what is safe, gives partitions back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::member_config;
use crate::log::{Logged, is_absence};
use crate::record::Record;
use crate::settings::KafkaSettings;
use progress::Span;

mod progress;
mod shared;

pub use progress::{BatchId, Progress};
pub use shared::Shared;

/// Bytes of records in one batch.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a poll waits for the first record; also how soon the end is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Between two commits of offsets.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// How long batches may fill the room before reading is paused, so that the member keeps polling.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
/// How long a rebalance waits for what is under way; what is not safe by then is read again by whoever comes next.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What is read, and as whom.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// Where Kafka is.
    pub kafka: KafkaSettings,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// How soon a dead member's partitions go to others.
    pub session: Duration,
    /// Records in one batch, at most.
    pub batch: usize,
}

/// Takes batches; returns at once. [`Progress::end`] is called with what came of each.
pub type Handle = Box<dyn Fn(BatchId, Vec<Record>) + Send>;

/// Reads the topic until the end is wished for.
pub struct Reader {
    config: ReaderConfig,
    shared: Arc<Shared>,
    handle: Handle,
    /// Batches that may be under way at once.
    room: usize,
}

type Consumer = BaseConsumer<Group>;

impl Reader {
    /// A reader that has `room` batches under way at once.
    pub fn new(config: ReaderConfig, shared: Arc<Shared>, room: usize, handle: Handle) -> Self {
        Self { config, shared, handle, room }
    }

    /// Reads until the end is wished for, or an error that ends a consumer for good. Then leaves the group.
    ///
    /// # Errors
    /// That which ended the consumer.
    pub fn run(&self, leave_within: Duration) -> Result<(), KafkaError> {
        let topic: Arc<str> = self.config.topic.as_str().into();
        let group = Group { topic: Arc::clone(&topic), shared: Arc::clone(&self.shared) };
        // What an earlier consumer has begun is read again.
        self.shared.change(Progress::forget_all);
        let consumer: Consumer = member_config(&self.config.kafka, &self.config.group, self.config.session)
            .create_with_context(group)?;
        consumer.subscribe(&[&topic])?;
        let mut records = Vec::new();
        let mut committed_at = Instant::now();
        let ended = loop {
            if self.shared.is_stopping() {
                break Ok(());
            }
            self.make_room(&consumer, &topic, &mut records);
            if let Err(error) = self.fill(&consumer, &topic, &mut records) {
                break Err(error);
            }
            if !records.is_empty() && !self.shared.is_stopping() {
                self.begin(&mut records);
            }
            if committed_at.elapsed() >= COMMIT_EVERY {
                commit(&consumer, &topic, &self.shared, CommitMode::Async);
                committed_at = Instant::now();
            }
        };
        if !self.shared.wait(leave_within, |progress| progress.under_way() == 0) {
            tracing::warn!("batches were under way at the end; they will be read again");
        }
        commit(&consumer, &topic, &self.shared, CommitMode::Sync);
        ended
        // Dropping the consumer leaves the group.
    }

    /// Waits while all the room is taken. The member stays in its group even where that takes long: reading is paused, not stopped.
    fn make_room(&self, consumer: &Consumer, topic: &Arc<str>, records: &mut Vec<Record>) {
        let is_room = |progress: &Progress| progress.under_way() < self.room;
        if self.shared.wait(PAUSE_AFTER, is_room) {
            return;
        }
        tracing::warn!("reading is paused: what was read cannot be stored yet");
        while !self.shared.wait(Duration::ZERO, is_room) && !self.shared.is_stopping() {
            // Partitions that came meanwhile are not paused yet.
            if let Err(error) = consumer.assignment().and_then(|mine| consumer.pause(&mine)) {
                tracing::warn!(%error, "reading cannot be paused");
            }
            if let Some(Ok(message)) = consumer.poll(POLL) {
                records.push(Record::of(&message, topic));
            }
        }
        match consumer.assignment().and_then(|mine| consumer.resume(&mine)) {
            Ok(()) => tracing::info!("reading goes on"),
            Err(error) => tracing::warn!(%error, "reading cannot be resumed"),
        }
    }

    /// Adds what is there, up to a whole batch; waits a little where nothing is.
    fn fill(
        &self,
        consumer: &Consumer,
        topic: &Arc<str>,
        records: &mut Vec<Record>,
    ) -> Result<(), KafkaError> {
        let mut bytes: usize = records.iter().map(|record| record.bytes).sum();
        while records.len() < self.config.batch && bytes < BATCH_BYTES {
            let wait = if records.is_empty() { POLL } else { Duration::ZERO };
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    let record = Record::of(&message, topic);
                    bytes += record.bytes;
                    records.push(record);
                }
                Some(Err(error)) => {
                    if consumer.client().fatal_error().is_some() {
                        return Err(error);
                    }
                    if !is_absence(&error) {
                        tracing::warn!(%error, "the topic cannot be read now");
                    }
                    break;
                }
                None => break,
            }
        }
        Ok(())
    }

    fn begin(&self, records: &mut Vec<Record>) {
        {
            let progress = self.shared.progress();
            records.retain(|record| progress.owns(record.partition));
        }
        if records.is_empty() {
            return;
        }
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        for record in records.iter() {
            let end = ends.entry(record.partition).or_default();
            *end = (record.offset + 1).max(*end);
        }
        let spans: Vec<Span> = ends.into_iter().map(|(partition, end)| Span { partition, end }).collect();
        let batch = self.shared.change(|progress| progress.begin(&spans));
        (self.handle)(batch, std::mem::take(records));
    }
}

/// Commits what is safe and not committed yet.
fn commit(consumer: &Consumer, topic: &str, shared: &Shared, mode: CommitMode) {
    let offsets = shared.change(Progress::take_commits);
    if offsets.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        if let Err(error) = list.add_partition_offset(topic, partition, Offset::Offset(offset)) {
            tracing::warn!(%error, partition, offset, "no offset to commit");
        }
    }
    if let Err(error) = consumer.commit(&list, mode) {
        // What is not committed is read again, and found stored.
        tracing::warn!(%error, "offsets are not committed");
    }
}

/// What the group asks of us.
struct Group {
    topic: Arc<str>,
    shared: Arc<Shared>,
}

impl ClientContext for Group {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        Logged.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logged.error(error, reason);
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &Consumer, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let assigned = partitions(list);
                tracing::info!(partitions = ?assigned, "partitions were assigned");
                self.shared.change(|progress| progress.assign(&assigned));
            }
            Rebalance::Revoke(list) => {
                let revoked = partitions(list);
                tracing::info!(partitions = ?revoked, "partitions were revoked");
                if !consumer.assignment_lost() {
                    self.shared.wait(GIVE_BACK_WITHIN, |progress| !progress.is_busy(&revoked));
                    commit(consumer, &self.topic, &self.shared, CommitMode::Sync);
                }
                self.shared.change(|progress| progress.forget(&revoked));
            }
            Rebalance::Error(error) => tracing::warn!(%error, "the group cannot be rebalanced"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(%error, "offsets are not committed");
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}
