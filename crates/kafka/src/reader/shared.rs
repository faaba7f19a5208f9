//! What the reader and the batches under way share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::progress::Progress;

/// Progress, those that wait for it, and the wish to end.
#[derive(Debug, Default)]
pub struct Shared {
    progress: Mutex<Progress>,
    moved: Condvar,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Shared {
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a partition is ours as it was taken with `epoch`.
    pub fn is_owned(&self, partition: i32, epoch: i64) -> bool {
        self.progress().is_owned(partition, epoch)
    }

    /// Changes the progress, and wakes those that wait for it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let changed = change(&mut self.progress());
        self.moved.notify_all();
        changed
    }

    /// Waits until `holds`, at most for `limit`; whether it does.
    pub fn wait(&self, limit: Duration, holds: impl Fn(&Progress) -> bool) -> bool {
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
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stopped.notify_waiters();
    }

    /// Whether the end is wished for.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for `pause`; `false` where the end came first.
    pub async fn pause(&self, pause: Duration) -> bool {
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
