//! Runs of the evaluator. Each looks for all that is due, so that one does for every event that came before it began.

use std::sync::atomic::{AtomicU64, Ordering};

use runtime::Deadline;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// More at once would do the same work, each with a connection of the small pool.
const AT_ONCE: usize = 2;

#[derive(Debug)]
pub(crate) struct Runs {
    permits: Semaphore,
    /// Runs that have begun.
    begun: AtomicU64,
    /// The number of the last run that left nothing due.
    whole: AtomicU64,
}

/// What an event is to do.
pub(crate) enum Turn<'a> {
    /// Run.
    Run(Run<'a>),
    /// A run that began after the event came has done its work.
    Done,
    /// Others took all the time.
    Late,
}

/// A run under way.
pub(crate) struct Run<'a> {
    runs: &'a Runs,
    number: u64,
    _permit: SemaphorePermit<'a>,
}

impl Runs {
    pub(crate) const fn new() -> Self {
        Self { permits: Semaphore::const_new(AT_ONCE), begun: AtomicU64::new(0), whole: AtomicU64::new(0) }
    }

    /// Waits for a run, or for one that does its work; for half of the time that is left at most. `may_share`: what every run looks
    /// for is all that the event asks for.
    pub(crate) async fn turn(&self, deadline: Deadline, may_share: bool) -> Turn<'_> {
        let before = self.begun.load(Ordering::SeqCst);
        let Ok(Ok(permit)) = timeout(deadline.half().left(), self.permits.acquire()).await else {
            return Turn::Late;
        };
        if may_share && self.whole.load(Ordering::SeqCst) > before {
            return Turn::Done;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        Turn::Run(Run { runs: self, number, _permit: permit })
    }
}

impl Run<'_> {
    /// Nothing is left of what was due when the run began.
    pub(crate) fn left_nothing(&self) {
        self.runs.whole.fetch_max(self.number, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use runtime::Deadline;

    use super::{Runs, Turn};

    async fn run(runs: &Runs) -> super::Run<'_> {
        match runs.turn(Deadline::within(Duration::from_secs(60)), true).await {
            Turn::Run(run) => run,
            Turn::Done | Turn::Late => panic!("no run"),
        }
    }

    /// Which of two events has a run of its own that wait while both are taken. The run that began before them leaves nothing, the next
    /// one `left`.
    async fn two_that_wait(left: u32) -> [bool; 2] {
        let runs = Runs::new();
        let (one, other) = (run(&runs).await, run(&runs).await);
        let deadline = Deadline::within(Duration::from_secs(60));
        let first = async {
            let Turn::Run(run) = runs.turn(deadline, true).await else { return false };
            if left == 0 {
                run.left_nothing();
            }
            true
        };
        let second = async { matches!(runs.turn(deadline, true).await, Turn::Run(_)) };
        let ending = async {
            one.left_nothing();
            drop(one);
        };
        let (first, second, ()) = tokio::join!(first, second, ending);
        drop(other);
        [first, second]
    }

    #[tokio::test]
    async fn a_run_does_for_every_event_that_came_before_it_began() {
        assert_eq!(two_that_wait(0).await, [true, false]);
    }

    #[tokio::test]
    async fn a_run_that_left_something_does_for_its_own_event_alone() {
        assert_eq!(two_that_wait(1).await, [true, true]);
    }

    #[tokio::test]
    async fn an_event_that_asks_for_more_has_a_run_of_its_own() {
        let runs = Runs::new();
        let deadline = Deadline::within(Duration::from_secs(60));
        let (one, other) = (run(&runs).await, run(&runs).await);
        let waiting = async { matches!(runs.turn(deadline, false).await, Turn::Run(_)) };
        let ending = async {
            drop(one);
            other.left_nothing();
        };
        let (has_run, ()) = tokio::join!(waiting, ending);
        assert!(has_run);
    }

    #[tokio::test]
    async fn who_waits_too_long_comes_again() {
        let runs = Runs::new();
        let (_one, _other) = (run(&runs).await, run(&runs).await);
        assert!(matches!(runs.turn(Deadline::within(Duration::ZERO), true).await, Turn::Late));
    }
}
