//! Who may go to a process now, and who waits: `containerConcurrency` at each process, ten times that in the queue.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::process::Process;

/// The activator's own queue, where a service has no concurrency limit.
const ACTIVATOR_QUEUE: usize = 10_000;
/// queue-proxy's queue, as a multiple of `containerConcurrency`.
const QUEUE_DEPTH: usize = 10;
/// For an answer that a process gave before it ended.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// Knative's `target-utilization-percentage`: the share of `containerConcurrency` that a process should be used at.
const TARGET_UTILIZATION: f64 = 0.7;

#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    /// Requests at once at a process; `usize::MAX` is no limit.
    concurrency: usize,
    state: Mutex<State>,
    left: Notify,
}

#[derive(Default)]
struct State {
    serving: Vec<Member>,
    starting: u32,
    stopping: u32,
    queue: VecDeque<oneshot::Sender<Slot>>,
    closed: Option<Duration>,
}

struct Member {
    process: Arc<Process>,
    in_flight: usize,
    last_used: Instant,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A place in the queue, or already at a process.
pub(super) enum Waiting {
    Served(Slot),
    Queued(oneshot::Receiver<Slot>),
}

impl Waiting {
    /// The place at a process; `None` where the service was closed.
    pub(super) async fn slot(self) -> Option<Slot> {
        match self {
            Self::Served(slot) => Some(slot),
            Self::Queued(queued) => queued.await.ok(),
        }
    }
}

/// A place at a process, given back when dropped.
pub(super) struct Slot {
    gate: Gate,
    process: Arc<Process>,
}

impl Slot {
    pub(super) fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Returns when no answer can come any more: the process is gone, and so is the time to read what it still said.
    ///
    /// A connection does not always tell. Something else may hold it open, and hyper strands a request that is handed to a
    /// connection in the moment in which it ends (hyper's issue 4122).
    pub(super) async fn broken_off(&self) {
        self.process.ended().await;
        tokio::time::sleep(LAST_ANSWER).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gate.leave(&self.process);
        self.gate.hand_out();
    }
}

impl Gate {
    pub(super) fn new(container_concurrency: u32) -> Self {
        let concurrency = match container_concurrency {
            0 => usize::MAX,
            limit => limit as usize,
        };
        Self(Arc::new(Inner { concurrency, state: Mutex::default(), left: Notify::new() }))
    }

    /// A place for a request.
    pub(super) fn enter(&self) -> Result<Waiting, Full> {
        let mut state = self.lock();
        if let Some(process) = state.take(self.0.concurrency) {
            return Ok(Waiting::Served(Slot { gate: self.clone(), process }));
        }
        state.queue.retain(|waiting| !waiting.is_closed());
        let depth = self.0.concurrency.saturating_mul(QUEUE_DEPTH).saturating_mul(state.serving.len().max(1));
        if state.queue.len() >= depth.min(ACTIVATOR_QUEUE) {
            return Err(Full);
        }
        let (sender, receiver) = oneshot::channel();
        state.queue.push_back(sender);
        Ok(Waiting::Queued(receiver))
    }

    /// Whether the caller is to start a process, because fewer than `wanted` start or serve. It is counted then, until
    /// [`Gate::serve`] or [`Gate::start_failed`].
    pub(super) fn claim_start(&self, wanted: usize) -> bool {
        let mut state = self.lock();
        let wants = state.closed.is_none() && state.serving.len() + (state.starting as usize) < wanted;
        state.starting += u32::from(wants);
        wants
    }

    pub(super) fn start_failed(&self) {
        self.lock().starting -= 1;
        self.0.left.notify_waiters();
    }

    /// A started process is ready.
    pub(super) fn serve(&self, process: Arc<Process>) {
        {
            let mut state = self.lock();
            state.starting -= 1;
            if let Some(grace) = state.closed {
                process.stop(grace);
            }
            state.serving.push(Member { process, in_flight: 0, last_used: Instant::now() });
        }
        self.hand_out();
    }

    /// The process has ended, asked or not.
    pub(super) fn gone(&self, process: &Arc<Process>) {
        {
            let mut state = self.lock();
            let before = state.serving.len();
            state.serving.retain(|member| !Arc::ptr_eq(&member.process, process));
            state.stopping -= u32::from(state.serving.len() == before);
        }
        self.0.left.notify_waiters();
    }

    /// Takes those that have been without a request for `idle`, and are not needed for `min`, out of service: they get no
    /// request any more, and are to be asked to end.
    pub(super) fn retire_idle(&self, idle: Duration, min: usize) -> Vec<Arc<Process>> {
        let mut state = self.lock();
        let mut spare = state.serving.len().saturating_sub(min);
        let mut retired = Vec::new();
        // The newest go first: requests prefer the oldest.
        for index in (0..state.serving.len()).rev() {
            let member = &state.serving[index];
            if spare > 0 && member.in_flight == 0 && member.last_used.elapsed() >= idle {
                retired.push(state.serving.remove(index).process);
                state.stopping += 1;
                spare -= 1;
            }
        }
        retired
    }

    /// How many processes the present load wants.
    pub(super) fn wanted(&self) -> usize {
        let load = self.load();
        if load == 0 {
            return 0;
        }
        let per_process = self.0.concurrency as f64 * TARGET_UTILIZATION;
        ((load as f64 / per_process).ceil() as usize).max(1)
    }

    /// Requests at processes and in the queue.
    pub(super) fn load(&self) -> u64 {
        let state = self.lock();
        let serving: usize = state.serving.iter().map(|member| member.in_flight).sum();
        let queued = state.queue.iter().filter(|waiting| !waiting.is_closed()).count();
        (serving + queued) as u64
    }

    pub(super) fn processes(&self) -> Vec<Arc<Process>> {
        self.lock().serving.iter().map(|member| member.process.clone()).collect()
    }

    /// Processes that start, serve or stop.
    pub(super) fn alive(&self) -> u32 {
        let state = self.lock();
        state.starting + state.stopping + u32::try_from(state.serving.len()).unwrap_or(u32::MAX)
    }

    /// How long the serving processes have run, all together.
    pub(super) fn running_time(&self) -> Duration {
        self.lock().serving.iter().map(|member| member.process.started.elapsed()).sum()
    }

    /// Lets no request in any more and ends what serves.
    pub(super) fn close(&self, grace: Duration) {
        let mut state = self.lock();
        state.closed = Some(grace);
        state.queue.clear();
        for member in &state.serving {
            member.process.stop(grace);
        }
    }

    /// Returns when no process is left.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.0.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.alive() == 0 {
                return;
            }
            left.await;
        }
    }

    fn hand_out(&self) {
        loop {
            let (waiting, slot) = {
                let mut state = self.lock();
                state.queue.retain(|waiting| !waiting.is_closed());
                if state.queue.is_empty() {
                    return;
                }
                let Some(process) = state.take(self.0.concurrency) else { return };
                let Some(waiting) = state.queue.pop_front() else { return };
                (waiting, Slot { gate: self.clone(), process })
            };
            if waiting.send(slot).is_ok() {
                continue;
            }
            // A caller that went away meanwhile gave the slot back, and its drop has served the next.
            return;
        }
    }

    fn leave(&self, process: &Arc<Process>) {
        let mut state = self.lock();
        if let Some(member) = state.serving.iter_mut().find(|member| Arc::ptr_eq(&member.process, process)) {
            member.in_flight -= 1;
            member.last_used = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first process with room.
    fn take(&mut self, concurrency: usize) -> Option<Arc<Process>> {
        let member = self.serving.iter_mut().find(|member| member.in_flight < concurrency)?;
        member.in_flight += 1;
        Some(member.process.clone())
    }
}
