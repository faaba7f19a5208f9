//! One process of a service.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) address: SocketAddr,
    pub(super) started: Instant,
    grace: Mutex<Option<Duration>>,
    stop: Notify,
    killed: AtomicBool,
    ended: watch::Sender<bool>,
}

impl Process {
    pub(super) fn new(pid: u32, address: SocketAddr, started: Instant) -> Self {
        Self {
            pid,
            address,
            started,
            grace: Mutex::new(None),
            stop: Notify::new(),
            killed: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// It is gone.
    pub(super) fn note_end(&self) {
        self.ended.send_replace(true);
    }

    /// Returns when it is gone.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Asks for its end: SIGTERM now, SIGKILL after `grace`.
    pub(super) fn stop(&self, grace: Duration) {
        *self.grace.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(grace);
        self.stop.notify_one();
    }

    /// Returns when its end is asked for, with the grace.
    pub(super) async fn stopped(&self) -> Duration {
        self.stop.notified().await;
        self.grace.lock().unwrap_or_else(std::sync::PoisonError::into_inner).unwrap_or_default()
    }

    pub(super) fn terminate(&self) {
        signal(self.pid, Signal::SIGTERM);
    }

    pub(super) fn kill(&self) {
        self.killed.store(true, Relaxed);
        signal(self.pid, Signal::SIGKILL);
    }

    /// Whether it was killed from here: its exit code says nothing then.
    pub(super) fn was_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }
}

/// A process that is gone already needs no signal.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
