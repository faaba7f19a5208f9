//! A member of a group, on a thread that owns the consumer: takes partitions, reads batches, hands them on, commits what is safe,
//! gives partitions back.
//!
//! Where a partition is read from is the [`Ledger`]'s to say, not the group's offset: that follows, for lag and tools.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::member_config;
use crate::lag::{first_since, offsets};
use crate::log::{Logged, is_absence};
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

mod progress;
mod shared;

pub use progress::{Batch, BatchId, Owned, Progress, Span};
pub use shared::Shared;

/// How long a poll waits for the first record; also how soon the end is noticed.
const POLL: Duration = Duration::from_millis(50);
/// Between two commits of offsets.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// How long batches may fill the room before reading is paused, so that the member keeps polling.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
/// How long a rebalance waits for what is under way; what is not safe by then is read again by whoever comes next.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// One that is written, and one that waits for it.
const BATCHES_A_LANE: usize = 2;
/// For an answer of Kafka while a partition is taken.
const ANSWER: Duration = Duration::from_secs(5);
/// Before a partition that could not be taken is taken again.
const TAKE_AGAIN: Duration = Duration::from_secs(1);

/// A partition as Kafka has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// The partition.
    pub partition: i32,
    /// The offset of its first record.
    pub first: i64,
    /// The offset that its next record gets.
    pub end: i64,
    /// What the group has committed.
    pub committed: Option<i64>,
    /// The first record that was published at [`ReaderConfig::since`] or later; the end where there is none.
    pub since: Option<i64>,
}

/// Why partitions are not taken.
pub type TakeError = Box<dyn Error + Send + Sync>;
/// Looks at partitions.
pub type Look<'a> = &'a dyn Fn() -> Result<Vec<Offered>, KafkaError>;

/// Who knows how far each partition is, and who may write it.
pub trait Ledger: Send + Sync {
    /// Takes partitions for this process. `look` tells how Kafka has them; what is read of it after they were taken is no older
    /// than what their owner before has written. Blocks.
    ///
    /// # Errors
    /// Where it cannot be asked; it is tried again.
    fn take(&self, partitions: &[i32], look: Look<'_>) -> Result<Vec<Owned>, TakeError>;
}

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
    /// How its records are read.
    pub form: RecordForm,
    /// A time to begin at.
    pub since: Option<Timestamp>,
    /// How much is read that is not written yet.
    pub memory: ReaderMemory,
}

/// How many bytes of records a reader holds, but for the last of each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderMemory {
    /// Of one batch.
    pub batch: usize,
    /// Fetched before they are wanted.
    pub ahead: usize,
}

impl ReaderMemory {
    /// Of a reader that has its process for itself.
    pub const ALONE: Self = Self { batch: 4 * 1024 * 1024, ahead: 16 * 1024 * 1024 };
    /// Of one among many.
    pub const AMONG_MANY: Self = Self { batch: 1024 * 1024, ahead: 1024 * 1024 };
}

/// Takes batches; returns at once. [`Progress::end`] is called with what came of each.
pub type Handle = Box<dyn Fn(Batch) + Send>;

/// Reads the topic until the end is wished for.
pub struct Reader {
    config: ReaderConfig,
    shared: Arc<Shared>,
    ledger: Arc<dyn Ledger>,
    handle: Handle,
    lanes: usize,
}

type Consumer = BaseConsumer<Group>;

impl Reader {
    /// A reader whose batches are handled in so many lanes.
    pub fn new(
        config: ReaderConfig,
        (shared, ledger): (Arc<Shared>, Arc<dyn Ledger>),
        lanes: usize,
        handle: Handle,
    ) -> Self {
        Self { config, shared, ledger, handle, lanes }
    }

    /// Batches that may be under way at once.
    const fn room(&self) -> usize {
        self.lanes * BATCHES_A_LANE
    }

    /// Reads until the end is wished for, or an error that ends a consumer for good. Then leaves the group.
    ///
    /// # Errors
    /// That which ended the consumer.
    pub fn run(&self, leave_within: Duration) -> Result<(), KafkaError> {
        let ReaderConfig { kafka, group: name, session, memory, .. } = &self.config;
        let topic: Arc<str> = self.config.topic.as_str().into();
        let (shared, ledger) = (Arc::clone(&self.shared), Arc::clone(&self.ledger));
        let since = self.config.since;
        let group = Group { topic: Arc::clone(&topic), since, shared, ledger, lanes: self.lanes };
        // What an earlier consumer has begun is read again.
        self.shared.change(Progress::forget_all);
        let consumer: Consumer =
            member_config(kafka, (name, *session), memory.ahead).create_with_context(group)?;
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
            if !self.shared.is_stopping() {
                self.begin(&consumer, &mut records);
            }
            consumer.context().take_again(&consumer);
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
        let is_room = |progress: &Progress| progress.under_way() < self.room();
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
                records.push(Record::of(&message, topic, self.config.form));
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
        while records.len() < self.config.batch && bytes < self.config.memory.batch {
            let wait = if records.is_empty() { POLL } else { Duration::ZERO };
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    let record = Record::of(&message, topic, self.config.form);
                    bytes += record.bytes;
                    records.push(record);
                }
                Some(Err(error)) => {
                    if consumer.client().fatal_error().is_some() {
                        return Err(error);
                    }
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
                        tracing::warn!(%error, "records that were to be read are gone; it is looked at again where to read on");
                        self.shared.change(Progress::lose_all);
                    } else if !is_absence(&error) {
                        tracing::warn!(%error, "the topic cannot be read now");
                    }
                    break;
                }
                None => break,
            }
        }
        Ok(())
    }

    fn begin(&self, consumer: &Consumer, records: &mut Vec<Record>) {
        let positions = consumer.position().map(|list| offsets(&list)).unwrap_or_default();
        let records = std::mem::take(records);
        let batches = self.shared.change(|progress| progress.begin(records, &positions));
        batches.into_iter().for_each(&self.handle);
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
    since: Option<Timestamp>,
    shared: Arc<Shared>,
    ledger: Arc<dyn Ledger>,
    lanes: usize,
}

impl Group {
    /// Takes partitions; from where each is read. Those that could not be taken are to be taken later.
    fn take(&self, consumer: &Consumer, partitions: &[i32]) -> BTreeMap<i32, i64> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        let mut committed = BTreeMap::new();
        let taken = consumer.committed_offsets(list, ANSWER).map_err(TakeError::from).and_then(|list| {
            committed = offsets(&list);
            self.ledger.take(partitions, &|| self.look(consumer, partitions, &committed))
        });
        self.shared.change(|progress| {
            let again_at = Instant::now() + TAKE_AGAIN;
            partitions.iter().for_each(|partition| progress.leave_untaken(*partition, again_at));
            match taken {
                Ok(taken) => {
                    for owned in &taken {
                        progress.assign(*owned, committed.get(&owned.partition).copied(), self.lanes);
                    }
                    taken.into_iter().map(|owned| (owned.partition, owned.next)).collect()
                }
                Err(error) => {
                    tracing::warn!(
                        error = &*error as &dyn Error,
                        ?partitions,
                        "partitions cannot be taken yet"
                    );
                    BTreeMap::new()
                }
            }
        })
    }

    fn look(
        &self,
        consumer: &Consumer,
        partitions: &[i32],
        committed: &BTreeMap<i32, i64>,
    ) -> Result<Vec<Offered>, KafkaError> {
        let bounds = |partition: &i32| consumer.fetch_watermarks(&self.topic, *partition, ANSWER);
        let bounds = partitions.iter().map(bounds).collect::<Result<Vec<_>, _>>()?;
        // After the ends: what is published meanwhile is found behind them.
        let since = |time| first_since(consumer, (&self.topic, partitions), time, ANSWER);
        let since = self.since.map(since).transpose()?;
        let offered = |(partition, (first, end)): (&i32, (i64, i64))| Offered {
            partition: *partition,
            first,
            end,
            committed: committed.get(partition).copied(),
            since: since.as_ref().map(|since| since.get(partition).copied().unwrap_or(end)),
        };
        Ok(partitions.iter().zip(bounds).map(offered).collect())
    }

    /// Takes what is due to be taken, and reads it from where it stands.
    fn take_again(&self, consumer: &Consumer) {
        let due = self.shared.progress().to_take(Instant::now());
        let Ok(assigned) = consumer.assignment() else { return };
        let due: Vec<i32> = due.into_iter().filter(|one| partitions(&assigned).contains(one)).collect();
        if due.is_empty() {
            return;
        }
        let taken = self.take(consumer, &due);
        if let Err(error) = self.read_from(consumer, &taken) {
            tracing::warn!(%error, "partitions cannot be read from where they stand");
            let again_at = Instant::now() + TAKE_AGAIN;
            self.shared.change(|progress| {
                taken.keys().for_each(|partition| progress.leave_untaken(*partition, again_at));
            });
        }
    }

    /// What was fetched before is forgotten.
    fn read_from(&self, consumer: &Consumer, taken: &BTreeMap<i32, i64>) -> KafkaResult<()> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(taken.len());
        for (partition, next) in taken {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))?;
        }
        consumer.incremental_unassign(&list)?;
        consumer.incremental_assign(&list)?;
        consumer.resume(&list)
    }
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
    fn rebalance(&self, consumer: &Consumer, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let changed = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(consumer, list)
        } else {
            if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS {
                self.revoked(consumer, list);
            } else {
                let error = RDKafkaErrorCode::from(code);
                tracing::warn!(%error, "the group cannot be rebalanced");
            }
            consumer.incremental_unassign(list)
        };
        if let Err(error) = changed {
            tracing::warn!(%error, "the assignment cannot be changed");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(%error, "offsets are not committed");
        }
    }
}

impl Group {
    fn assigned(&self, consumer: &Consumer, list: &mut TopicPartitionList) -> KafkaResult<()> {
        let assigned = partitions(list);
        tracing::info!(partitions = ?assigned, "partitions were assigned");
        let taken = self.take(consumer, &assigned);
        for partition in &assigned {
            // What could not be taken is paused, and read from elsewhere once it is.
            let from = taken.get(partition).map_or(Offset::Beginning, |next| Offset::Offset(*next));
            list.set_partition_offset(&self.topic, *partition, from)?;
        }
        consumer.incremental_assign(list)?;
        let mut untaken = TopicPartitionList::new();
        for partition in assigned.iter().filter(|partition| !taken.contains_key(partition)) {
            untaken.add_partition(&self.topic, *partition);
        }
        consumer.pause(&untaken)
    }

    fn revoked(&self, consumer: &Consumer, list: &TopicPartitionList) {
        let revoked = partitions(list);
        tracing::info!(partitions = ?revoked, "partitions were revoked");
        if !consumer.assignment_lost() {
            self.shared.wait(GIVE_BACK_WITHIN, |progress| !progress.is_busy(&revoked));
            commit(consumer, &self.topic, &self.shared, CommitMode::Sync);
        }
        self.shared.change(|progress| progress.forget(&revoked));
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(TopicPartitionListElem::partition).collect()
}
