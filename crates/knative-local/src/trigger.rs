//! A trigger's consumer: fetches, filters, delivers, commits.

mod filter;
mod partition;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::attempts::Terms;
use crate::config::{DeadLetterTopic, Order, TriggerSpec};
use crate::dead_letter;
use crate::delivery::{self, Fate};
use crate::log::{LogError, Place, Topic};
use crate::record::Record;
use crate::stats::{Counters, TriggerStats};
use crate::stop::stopped;
use partition::Partition;

/// The dispatcher's `max.poll.records`: it fetches that many whenever fewer are under way.
const POLL: usize = 50;

/// The consumer group of the dead letter topic.
pub(crate) const DEAD_LETTER_CONSUMER: &str = "dead-letter-topic";

/// What a consumer does with a record.
pub(crate) enum ConsumerRole {
    Trigger(TriggerSpec),
    DeadLetters(DeadLetterTopic),
}

/// One consumer.
pub(crate) struct Consumer {
    pub(crate) terms: Terms,
    pub(crate) role: ConsumerRole,
    pub(crate) counters: Counters,
    commit_interval: Duration,
    /// Where each partition is done up to.
    done: Mutex<Vec<u64>>,
}

/// Why a consumer's life ended.
enum End {
    Crashed,
    Stopped,
}

type Deliveries = JoinSet<(Place, Fate)>;

impl Consumer {
    /// A consumer that has joined its topic: what is appended from now on reaches it.
    pub(crate) async fn join(
        terms: Terms,
        role: ConsumerRole,
        commit_interval: Duration,
    ) -> Result<Arc<Self>, LogError> {
        let consumer =
            Self { terms, role, counters: Counters::default(), commit_interval, done: Mutex::default() };
        let positions = consumer.positions().await?;
        consumer.publish_done(positions);
        Ok(Arc::new(consumer))
    }

    async fn positions(&self) -> Result<Vec<u64>, LogError> {
        self.terms.broker.log.join(self.topic(), &self.terms.name).await
    }

    pub(crate) fn topic(&self) -> Topic {
        match self.role {
            ConsumerRole::Trigger(_) => Topic::Broker,
            ConsumerRole::DeadLetters(_) => Topic::DeadLetters,
        }
    }

    /// Where each partition ends, and below what everything is done with; read in this order.
    pub(crate) fn progress(&self) -> (Vec<u64>, Vec<u64>) {
        let ends = self.terms.broker.log.ends(self.topic());
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        (ends, done.clone())
    }

    pub(crate) fn stats(&self) -> TriggerStats {
        let (ends, done) = self.progress();
        let lag = ends.iter().zip(done.iter()).map(|(end, done)| end.saturating_sub(*done)).sum();
        TriggerStats {
            delivered: self.counters.delivered.load(Relaxed),
            retried: self.counters.retried.load(Relaxed),
            dead_lettered: self.counters.dead_lettered.load(Relaxed),
            lost: self.counters.lost.load(Relaxed),
            dropped: self.counters.dropped.load(Relaxed),
            in_flight: self.counters.in_flight.load(Relaxed),
            lag,
        }
    }

    /// Consumes until `stop` is true. What is under way then is cut off, and comes again with the next broker.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            match self.clone().live(&mut stop).await {
                Ok(End::Stopped) => return,
                Ok(End::Crashed) => tracing::warn!(trigger = self.terms.name, "the dispatcher crashed"),
                Err(error) => {
                    tracing::error!(trigger = self.terms.name, %error, "the consumer ends");
                    self.counters.in_flight.store(0, Relaxed);
                    self.terms.broker.failure.send_replace(Some(error));
                    return;
                }
            }
        }
    }

    async fn live(self: Arc<Self>, stop: &mut watch::Receiver<bool>) -> Result<End, LogError> {
        let mut crashes = self.terms.broker.faults.crashes();
        let mut appended = self.terms.broker.log.appended();
        let positions = self.positions().await?;
        self.publish_done(positions.clone());
        let mut partitions: Vec<_> =
            (0..).zip(positions).map(|(number, position)| Partition::new(number, position)).collect();
        let mut committed: Vec<u64> = partitions.iter().map(Partition::done).collect();
        let mut deliveries = Deliveries::new();
        let mut commits = tokio::time::interval(self.commit_interval);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            appended.borrow_and_update();
            self.fetch(&mut partitions, &mut deliveries)?;
            self.counters.in_flight.store(deliveries.len() as u64, Relaxed);
            self.publish_done(partitions.iter().map(Partition::done).collect());
            tokio::select! {
                Some(finished) = deliveries.join_next() => finish(&mut partitions, finished),
                _ = appended.changed() => {}
                _ = commits.tick() => self.commit(&partitions, &mut committed).await?,
                _ = crashes.changed() => {
                    self.counters.in_flight.store(0, Relaxed);
                    return Ok(End::Crashed);
                }
                () = stopped(stop) => {
                    deliveries.abort_all();
                    while let Some(finished) = deliveries.join_next().await {
                        finish(&mut partitions, finished);
                    }
                    self.commit(&partitions, &mut committed).await?;
                    self.counters.in_flight.store(0, Relaxed);
                    return Ok(End::Stopped);
                }
            }
        }
    }

    /// Starts deliveries as far as the order allows.
    fn fetch(
        self: &Arc<Self>,
        partitions: &mut [Partition],
        deliveries: &mut Deliveries,
    ) -> Result<(), LogError> {
        let ordered = matches!(&self.role, ConsumerRole::Trigger(trigger) if trigger.order == Order::Ordered);
        let unordered_capacity = if deliveries.len() < POLL { POLL } else { 0 };
        let mut capacity = if ordered { usize::MAX } else { unordered_capacity };
        for partition in partitions {
            let at_once = if ordered { 1 } else { usize::MAX };
            while capacity > 0 && partition.under_way() < at_once {
                let Some((place, record)) = self.next(partition)? else { break };
                partition.start(place.offset);
                capacity -= 1;
                let consumer = self.clone();
                deliveries.spawn(async move { (place, consumer.deliver(place, &record).await) });
            }
        }
        Ok(())
    }

    /// The next record of a partition that the filter takes; what it does not take is done with.
    fn next(&self, partition: &mut Partition) -> Result<Option<(Place, Arc<Record>)>, LogError> {
        loop {
            if partition.is_empty() {
                let records = self.terms.broker.log.read(
                    self.topic(),
                    partition.number,
                    partition.next_read(),
                    POLL,
                )?;
                partition.fill(records, self.terms.broker.faults.reorders());
            }
            let Some((offset, record)) = partition.pop() else { return Ok(None) };
            let place = Place { partition: partition.number, offset };
            match &self.role {
                ConsumerRole::Trigger(trigger) if !filter::matches(&trigger.filter, &record, place) => {
                    partition.skip(offset);
                }
                _ => return Ok(Some((place, record))),
            }
        }
    }

    async fn deliver(&self, place: Place, record: &Record) -> Fate {
        match &self.role {
            ConsumerRole::Trigger(trigger) => {
                let mut record = record.clone();
                record.set_attribute(filter::PARTITION, place.partition.to_string());
                record.set_attribute(filter::OFFSET, place.offset.to_string());
                delivery::deliver(&self.terms, trigger, &record, &self.counters).await
            }
            ConsumerRole::DeadLetters(topic) => {
                dead_letter::deliver(&self.terms, topic, record, &self.counters).await;
                Fate::Done
            }
        }
    }

    async fn commit(&self, partitions: &[Partition], committed: &mut Vec<u64>) -> Result<(), LogError> {
        let done: Vec<u64> = partitions.iter().map(Partition::done).collect();
        if done != *committed {
            self.terms.broker.log.commit(&self.terms.name, done.clone()).await?;
            *committed = done;
        }
        Ok(())
    }

    fn publish_done(&self, positions: Vec<u64>) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = positions;
    }
}

fn finish(partitions: &mut [Partition], finished: Result<(Place, Fate), tokio::task::JoinError>) {
    match finished {
        Ok((place, Fate::Done)) => partitions[usize::from(place.partition)].finish(place.offset),
        Ok((_, Fate::CutOff)) => {}
        Err(error) if error.is_cancelled() => {}
        Err(error) => {
            tracing::error!(%error, "a delivery panicked; its event comes again with the next start");
        }
    }
}
