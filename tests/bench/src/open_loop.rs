//! A load that keeps to the clock: each request leaves when it is due, whether or not those before it are answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::load::Connection;

/// Requests under way at once. One that is due while so many are waits for its turn, which counts as its own delay.
const MOST_AT_ONCE: usize = 4096;
/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(1);
/// A connection that was idle for longer may be about to be closed.
const FRESH: Duration = Duration::from_secs(2);
/// Longer than any stage or platform waits.
const LIMIT: Duration = Duration::from_secs(90);

/// So many requests a second, for this time.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// Requests a second.
    pub rate: u64,
    /// How long.
    pub time: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its number.
    pub number: u64,
    /// Its status; `None` where there was no answer.
    pub status: Option<u16>,
    /// From the time at which it was due to its answer.
    pub took: Duration,
}

/// Sends what `request` makes of each number from `first` on; returns when the last is answered.
pub async fn run(
    address: SocketAddr,
    phase: Phase,
    first: u64,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Vec<Sent> {
    let (idle, room) = (Idle::default(), Arc::new(Semaphore::new(MOST_AT_ONCE)));
    let request = Arc::new(request);
    let mut requests = JoinSet::new();
    let begin = tokio::time::Instant::now();
    let all = (phase.time.as_secs_f64() * phase.rate as f64) as u64;
    let mut clock = tokio::time::interval(STEP);
    let mut next = 0;
    while next < all {
        clock.tick().await;
        let due = (begin.elapsed().as_secs_f64() * phase.rate as f64) as u64;
        while next <= due && next < all {
            let due_at = begin.into_std() + Duration::from_secs_f64(next as f64 / phase.rate as f64);
            let permit = room.clone().acquire_owned().await.expect("it is never closed");
            let (idle, request, number) = (idle.clone(), request.clone(), first + next);
            requests.spawn(async move {
                let status = tokio::time::timeout(LIMIT, idle.exchange(address, &request(number))).await;
                drop(permit);
                Sent { number, status: status.ok().flatten(), took: due_at.elapsed() }
            });
            next += 1;
        }
    }
    requests.join_all().await
}

/// Connections that nothing is under way on, the latest used last.
#[derive(Clone, Default)]
struct Idle(Arc<Mutex<Vec<(Instant, Connection)>>>);

impl Idle {
    /// The status; `None` where the connection broke off.
    async fn exchange(&self, address: SocketAddr, request: &[u8]) -> Option<u16> {
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => Connection::open(address).await,
        };
        let status = connection.exchange(request).await.ok()?;
        if !connection.closes() {
            self.lock().push((Instant::now(), connection));
        }
        Some(status)
    }

    fn take(&self) -> Option<Connection> {
        let (used_at, connection) = self.lock().pop()?;
        (used_at.elapsed() < FRESH).then_some(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Connection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
