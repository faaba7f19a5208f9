//! One batch, until everything of it is safe.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka::Shared;
use persist::{PersistError, Prepared, Publication, TopicRecord};
use runtime::attempts::MAX_DEATHS;
use sink::{Sink as _, SinkError};
use store::topic_offsets::{self, PartitionSpan};
use store::{StoreError, Topic, TopicWriteError};
use thiserror::Error as ThisError;

use crate::feed_parts::FeedParts;
use crate::offsets::{Offsets, Suspects};
use crate::part::Part;

/// The first and the longest wait before what failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Before a partition is taken again that another worker has taken: it goes on meanwhile.
const TAKE_AGAIN: Duration = Duration::from_secs(1);

/// Writes batches.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) parts: Arc<FeedParts>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) offsets: Arc<Offsets>,
}

/// Why a batch is to be tried again.
#[derive(Debug, ThisError)]
enum Trouble {
    #[error("it cannot be noted what is begun")]
    Mark(#[source] StoreError),
    #[error("the payloads are not written")]
    Write(#[source] PersistError),
    #[error("the events are not published")]
    Publish(#[source] SinkError),
}

/// What came of records.
enum Settled {
    /// They are written; what is to be published.
    Written(Vec<Publication>),
    /// These partitions are another worker's, and nothing is written of them.
    Fenced(Vec<i32>),
    /// The end came first.
    Stopped,
}

impl Handler {
    /// Works until rows and dead letters are safe, or another's; what is to be published, `None` where the end came first.
    ///
    /// ```text
    /// mark ─> decode ─> rows, dead letters, offsets (one transaction)
    ///   ^                 ├─ not there: wait, again
    ///   │                 └─ another worker's: leave the partition
    ///   └─ what was under way as a worker died: a record at a time
    /// ```
    pub(crate) async fn settle(&self, part: &Part) -> Option<Vec<Publication>> {
        let suspects = |span: &PartitionSpan| {
            let suspects = self.offsets.suspects(span.partition, span.epoch)?;
            (suspects.below > span.from).then_some(suspects)
        };
        if !part.spans.iter().any(|span| suspects(span).is_some()) {
            match self.settle_records(&part.topic, &part.records, &part.spans, None).await {
                Settled::Written(publications) => return Some(publications),
                Settled::Stopped => return None,
                // The others go on, each for itself.
                Settled::Fenced(partitions) => self.leave(part, &partitions),
            }
        }
        let mut publications = Vec::new();
        for span in &part.spans {
            publications.extend(self.settle_partition(part, *span, suspects(span)).await?);
        }
        Some(publications)
    }

    /// The records of one partition: the suspects one at a time, then the others as one.
    async fn settle_partition(
        &self,
        part: &Part,
        mut span: PartitionSpan,
        suspects: Option<Suspects>,
    ) -> Option<Vec<Publication>> {
        if !self.shared.is_owned(span.partition, span.epoch) {
            return Some(Vec::new());
        }
        let mut records = part.of_partition(span.partition);
        let mut publications = Vec::new();
        while span.from < span.end {
            let is_suspect =
                |record: &TopicRecord| suspects.is_some_and(|suspects| record.place.offset < suspects.below);
            let alone = records.first().is_some_and(is_suspect);
            let (now, later) = records.split_at(if alone { 1 } else { records.len() });
            let end = later.first().map_or(span.end, |record| record.place.offset);
            let deaths = suspects.filter(|_| alone).map(|suspects| suspects.deaths_at(now));
            let this = PartitionSpan { end, ..span };
            match self.settle_records(&part.topic, now, &[this], deaths).await {
                Settled::Written(more) => publications.extend(more),
                Settled::Stopped => return None,
                Settled::Fenced(partitions) => {
                    self.leave(part, &partitions);
                    return Some(publications);
                }
            }
            (records, span.from) = (later, end);
        }
        Some(publications)
    }

    /// Writes records as one. `deaths` is how often the process ended over the only one of them, where it may have.
    async fn settle_records(
        &self,
        topic: &Topic,
        records: &[TopicRecord],
        spans: &[PartitionSpan],
        deaths: Option<i32>,
    ) -> Settled {
        let (mut pause, mut prepared) = (Pause::default(), None);
        loop {
            let trouble = match self.attempt(topic, (records, spans), deaths, &mut prepared).await {
                Ok(settled) => return settled,
                Err(trouble) => trouble,
            };
            if !pause.after(&trouble, &self.shared).await {
                return Settled::Stopped;
            }
        }
    }

    async fn attempt(
        &self,
        topic: &Topic,
        (records, spans): (&[TopicRecord], &[PartitionSpan]),
        deaths: Option<i32>,
        slot: &mut Option<Prepared>,
    ) -> Result<Settled, Trouble> {
        let prepared = match slot {
            Some(prepared) => prepared,
            None => {
                let fenced =
                    self.mark(topic, spans, deaths.unwrap_or_default()).await.map_err(Trouble::Mark)?;
                if !fenced.is_empty() {
                    return Ok(Settled::Fenced(fenced));
                }
                slot.insert(self.prepare((topic, records), spans, deaths).await.map_err(Trouble::Write)?)
            }
        };
        match self.parts.persist.commit(prepared, records).await {
            Ok(publications) => Ok(Settled::Written(publications)),
            Err(PersistError::Topic(TopicWriteError::Fenced(partitions))) => Ok(Settled::Fenced(partitions)),
            Err(error) => {
                // What is committed of it is found so.
                if error.is_of_registry() {
                    *slot = None;
                }
                Err(Trouble::Write(error))
            }
        }
    }

    async fn mark(
        &self,
        topic: &Topic,
        spans: &[PartitionSpan],
        deaths: i32,
    ) -> Result<Vec<i32>, StoreError> {
        let client = self.parts.database.client().await?;
        Ok(topic_offsets::mark(&client, topic, spans, deaths).await?)
    }

    async fn prepare(
        &self,
        (topic, records): (&Topic, &[TopicRecord]),
        spans: &[PartitionSpan],
        deaths: Option<i32>,
    ) -> Result<Prepared, PersistError> {
        let now = self.parts.clock.now();
        match (records, spans) {
            ([record], [span]) if deaths.is_some_and(|deaths| deaths >= i32::from(MAX_DEATHS)) => {
                let reason = format!(
                    "the process ended {MAX_DEATHS} times while it was handled; it is not handled again"
                );
                Ok(self.parts.persist.prepare_refused(record, *span, (reason, now)))
            }
            _ => self.parts.persist.prepare((topic, records), spans, now).await,
        }
    }

    /// Lets go of partitions that another worker has; they are taken again where the group still gives them to us.
    fn leave(&self, part: &Part, partitions: &[i32]) {
        tracing::warn!(?partitions, "another worker has taken partitions of ours");
        let again_at = Instant::now() + TAKE_AGAIN;
        self.shared.change(|progress| {
            for span in part.spans.iter().filter(|span| partitions.contains(&span.partition)) {
                progress.lose(span.partition, span.epoch, again_at);
            }
        });
    }

    /// Publishes until all is taken; `false` where the end came first.
    pub(crate) async fn publish(&self, publications: &[Publication]) -> bool {
        let mut pause = Pause::default();
        for publication in publications {
            loop {
                match self.parts.sink.send(&publication.event, publication.trace.as_ref()).await {
                    Ok(()) => break,
                    Err(SinkError::Refused(reason)) => {
                        // What is requested is in rows, and the tick comes by.
                        tracing::error!(reason, "the sink refuses an event");
                        break;
                    }
                    Err(error) => {
                        if !pause.after(&Trouble::Publish(error), &self.shared).await {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }
}

impl Suspects {
    /// How often the process ended over the only one of `records`.
    fn deaths_at(&self, records: &[TopicRecord]) -> i32 {
        let (first, deaths) = self.first;
        // What lies between was no record.
        if records.first().is_some_and(|record| record.place.offset <= first) { deaths } else { 1 }
    }
}

impl Trouble {
    fn log(&self, pause: Duration) {
        let error: &dyn Error = self;
        tracing::warn!(error, again_in_ms = pause.as_millis(), "a batch waits");
    }
}

/// Waits that grow.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Waits after `trouble`; `false` where the end came first.
    async fn after(&mut self, trouble: &Trouble, shared: &Shared) -> bool {
        trouble.log(self.0);
        let goes_on = shared.pause(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        goes_on
    }
}
