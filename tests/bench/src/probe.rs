//! Single requests beside a load, each followed to its committed row.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Statement};

use crate::load::{Connection, latency};
use crate::pipeline::payload;

/// Between two looks at the table.
const POLL: Duration = Duration::from_millis(1);
/// Between two requests: few enough to be no load themselves.
const PAUSE: Duration = Duration::from_millis(10);
/// Longer than any row takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A running probe.
pub struct Probe(JoinHandle<Vec<Duration>>);

/// How long each of its requests took to be a committed row.
pub struct Probed(Vec<Duration>);

impl Probe {
    /// Sends one request after the other to `webhook` for `time`, and looks for their rows with `client`.
    /// Two runs of one pipeline have different numbers.
    pub fn start(webhook: SocketAddr, client: Client, run: u64, time: Duration) -> Self {
        Self(tokio::spawn(async move {
            let find = client.prepare(FIND).await.expect("the schema is migrated");
            let mut connection = Connection::open(webhook).await;
            let begin = Instant::now();
            let mut taken = Vec::new();
            while begin.elapsed() < time {
                let at = moment(run, taken.len() as u64);
                taken.push(follow(&mut connection, &client, &find, at).await);
                tokio::time::sleep(PAUSE).await;
            }
            taken
        }))
    }

    /// Waits for its last row.
    ///
    /// # Panics
    /// If a row never came.
    pub async fn finish(self) -> Probed {
        Probed(self.0.await.expect("the probe finds its rows"))
    }
}

impl Probed {
    /// How many requests there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time below which `share` (0 ..= 1) of them stayed.
    pub fn latency(&self, share: f64) -> Duration {
        latency(&mut self.0.clone(), share)
    }
}

const FIND: &str = "
    select exists (
        select from moment r
        where r.observed_at = $1
          and r.stream_id in (select s.id from stream s join device d on d.id = s.device_id where d.name = 'probe'))";

fn moment(run: u64, number: u64) -> i64 {
    1_767_225_600_000 + i64::try_from(run * 100_000 + number).unwrap_or(0)
}

async fn follow(connection: &mut Connection, client: &Client, find: &Statement, at: i64) -> Duration {
    let request = payload(&format!(r#"{{"device":"probe","time":{at},"temperature":20.5}}"#));
    let moment = Timestamp::from_millisecond(at).expect("a moment of this year is one");
    let sent = Instant::now();
    let status = connection.exchange(&request).await.expect("the webhook answers");
    assert!((200..300).contains(&status), "the webhook answered {status}");
    loop {
        let row = client.query_one(find, &[&moment]).await.expect("PostgreSQL answers");
        if row.get(0) {
            return sent.elapsed();
        }
        assert!(sent.elapsed() < LIMIT, "an accepted request never became a row");
        tokio::time::sleep(POLL).await;
    }
}
