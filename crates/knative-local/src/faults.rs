//! Faults of a cluster, switched on while it runs; without the feature `simulation` there is no switch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tokio::sync::watch;

/// The switches. All are off at the start.
#[derive(Debug, Default)]
pub struct Faults {
    sink_down: AtomicBool,
    dead_letter_sink_down: AtomicBool,
    reorder: AtomicBool,
    forget: AtomicBool,
    duplicate_every: AtomicU64,
    appended: AtomicU64,
    crash_after_answer: AtomicBool,
    crashes: watch::Sender<u64>,
}

#[cfg(feature = "simulation")]
impl Faults {
    /// Kafka is down: the ingress answers 503 and replies cannot be kept. The dead letter topic is on its own.
    pub fn sink_down(&self, down: bool) {
        self.sink_down.store(down, Relaxed);
    }

    /// The dead letter sink takes nothing.
    pub fn dead_letter_sink_down(&self, down: bool) {
        self.dead_letter_sink_down.store(down, Relaxed);
    }

    /// What is published is acknowledged and gone, as with a channel in memory that restarts.
    pub fn forget(&self, on: bool) {
        self.forget.store(on, Relaxed);
    }

    /// Every n-th append is written twice, as a producer's retry without idempotence does; 0 switches it off.
    pub fn duplicate_every(&self, n: u64) {
        self.duplicate_every.store(n, Relaxed);
    }

    /// Records are delivered out of order, at most five places away, ordered triggers included.
    pub fn reorder(&self, on: bool) {
        self.reorder.store(on, Relaxed);
    }

    /// The dispatcher crashes now: deliveries under way are cut off, everything that is not committed comes again.
    pub fn crash(&self) {
        self.crashes.send_modify(|crashes| *crashes += 1);
    }

    /// The dispatcher crashes once, after the next answer of a subscriber and before its reply or offset is kept.
    pub fn crash_after_next_answer(&self) {
        self.crash_after_answer.store(true, Relaxed);
    }
}

impl Faults {
    pub(crate) fn is_sink_down(&self) -> bool {
        cfg!(feature = "simulation") && self.sink_down.load(Relaxed)
    }

    pub(crate) fn is_dead_letter_sink_down(&self) -> bool {
        cfg!(feature = "simulation") && self.dead_letter_sink_down.load(Relaxed)
    }

    pub(crate) fn reorders(&self) -> bool {
        cfg!(feature = "simulation") && self.reorder.load(Relaxed)
    }

    pub(crate) fn forgets(&self) -> bool {
        cfg!(feature = "simulation") && self.forget.load(Relaxed)
    }

    /// Whether the append that is made now is made twice.
    pub(crate) fn duplicates_now(&self) -> bool {
        let every = self.duplicate_every.load(Relaxed);
        cfg!(feature = "simulation")
            && every > 0
            && (self.appended.fetch_add(1, Relaxed) + 1).is_multiple_of(every)
    }

    /// Crashes if that was asked for; true where it did.
    pub(crate) fn crashes_after_answer(&self) -> bool {
        let due = cfg!(feature = "simulation") && self.crash_after_answer.swap(false, Relaxed);
        if due {
            self.crashes.send_modify(|crashes| *crashes += 1);
        }
        due
    }

    /// Changes with each crash of the dispatcher.
    pub(crate) fn crashes(&self) -> watch::Receiver<u64> {
        self.crashes.subscribe()
    }
}
