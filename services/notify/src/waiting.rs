//! Who waits for what is due soon: of the deliveries in one process, one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use runtime::Clock;
use tokio::sync::Notify;

/// The deliveries of a process that wait. It is enough that one of them does.
#[derive(Debug, Default)]
pub struct Waiters {
    /// Until when the one that waits can.
    until: Mutex<Option<Timestamp>>,
    /// Something became due that it may not know of.
    changed: Notify,
}

/// The right to wait.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    waiters: &'a Waiters,
    until: Timestamp,
}

impl Waiters {
    /// For a delivery that can wait until `until`: `None` where another one waits already, and can until `at`.
    pub(crate) fn enter(&self, at: Timestamp, until: Timestamp) -> Option<Turn<'_>> {
        let mut waiting = self.waiting();
        if waiting.is_some_and(|other| other >= at) {
            self.changed.notify_one();
            return None;
        }
        *waiting = Some(until);
        Some(Turn { waiters: self, until })
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until `at`, or until there is something that is due before.
    pub(crate) async fn wait(&self, clock: &Clock, at: Timestamp) {
        tokio::select! {
            () = clock.wait_until(at) => {}
            () = self.waiters.changed.notified() => {}
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting();
        // Another one that can wait for longer may have taken over.
        if *waiting == Some(self.until) {
            *waiting = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Waiters;

    #[test]
    fn one_waits_and_gives_way_only_to_one_that_can_for_longer() {
        let waiters = Waiters::default();
        let at = |second| Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(second)).unwrap();
        let first = waiters.enter(at(5), at(40)).unwrap();
        assert!(waiters.enter(at(30), at(60)).is_none());
        let second = waiters.enter(at(50), at(60)).unwrap();
        drop(first);
        assert!(waiters.enter(at(55), at(90)).is_none());
        drop(second);
        assert!(waiters.enter(at(55), at(90)).is_some());
    }
}
