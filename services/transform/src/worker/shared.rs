//! What the reader and the batches under way share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::progress::Progress;

/// Progress, whoever waits for it, and the wish to end.
#[derive(Debug, Default)]
pub(super) struct Shared {
    progress: Mutex<Progress>,
    moved: Condvar,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Shared {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the progress, and tells whoever waits for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let changed = change(&mut self.progress());
        self.moved.notify_all();
        changed
    }

    /// Waits until `holds`, at most for `limit`; whether it does.
    pub(super) fn wait(&self, limit: Duration, holds: impl Fn(&Progress) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut progress = self.progress();
        while !holds(&progress) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.moved.wait_timeout(progress, left);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Nothing new is begun any more, and nothing that fails is tried again.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stopped.notify_waiters();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for `pause`; `false` where the end came first.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        let stopped = self.stopped.notified();
        if self.is_stopping() {
            return false;
        }
        tokio::select! {
            () = stopped => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
