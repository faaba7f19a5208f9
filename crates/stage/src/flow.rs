//! Counts what is in flight: the bound above which a request is refused, and what a shutdown waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The requests in flight of one process. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Flow(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    in_flight: AtomicUsize,
    limit: usize,
    draining: AtomicBool,
    served_one: AtomicBool,
    idle: Notify,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Shared>);

impl Flow {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            in_flight: AtomicUsize::new(0),
            limit,
            draining: AtomicBool::new(false),
            served_one: AtomicBool::new(false),
            idle: Notify::new(),
        }))
    }

    /// `None` where there are as many as the limit already.
    pub(crate) fn enter(&self) -> Option<InFlight> {
        // Counted first, so that the guard takes it back in either case.
        let before = self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        let guard = InFlight(Arc::clone(&self.0));
        (before < self.0.limit).then_some(guard)
    }

    /// Whether this is the first event of the process.
    pub(crate) fn is_cold_start(&self) -> bool {
        !self.0.served_one.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Returns once nothing is in flight.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.0.idle.notified();
            if self.0.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
