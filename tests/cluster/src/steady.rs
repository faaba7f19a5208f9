//! Steady traffic: payloads that are each sent until they are taken, and can be told apart in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::stand::Stand;
use crate::wait::until;

/// Between two payloads of one sender.
const PAUSE: Duration = Duration::from_millis(400);
/// Before a payload is sent once more.
const AGAIN: Duration = Duration::from_millis(700);
const SENDERS: u64 = 4;
/// The source that is sent to.
const SOURCE: &str = "river";

/// Traffic under way. Each payload is one SenML reading of a device of its own.
pub struct Steady {
    run: String,
    stopped: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    senders: Vec<JoinHandle<()>>,
}

impl Steady {
    /// Begins; `run` tells this traffic apart from other.
    ///
    /// # Errors
    /// Where there is no door.
    pub async fn start(stand: &Stand, run: &str) -> Result<Self, Failure> {
        let (client, base) = stand.door(&stand.service("ingest")).await?;
        let (stopped, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let senders = (0..SENDERS).map(|number| {
            let sender = Sender {
                client: client.clone(),
                url: format!("{base}/hooks/{SOURCE}"),
                key: stand.key.clone(),
                name: format!("{run}-{number}"),
                stopped: Arc::clone(&stopped),
                taken: Arc::clone(&taken),
            };
            tokio::spawn(sender.run())
        });
        let senders = senders.collect();
        Ok(Self { run: run.to_owned(), stopped, taken, senders })
    }

    /// How many payloads were taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Waits until `more` payloads were taken from now on.
    ///
    /// # Errors
    /// Where that does not come within the limit.
    pub async fn taken_more(&self, more: u64, limit: Duration) -> Result<(), Failure> {
        let goal = self.taken() + more;
        until(limit, "traffic that is taken", async || Ok((self.taken() >= goal).then_some(()))).await
    }

    /// Ends once every payload that was begun is taken; how many those are.
    ///
    /// # Errors
    /// Where a sender broke off.
    pub async fn stop(self) -> Result<u64, Failure> {
        self.stopped.store(true, Ordering::SeqCst);
        for sender in self.senders {
            sender.await?;
        }
        Ok(self.taken.load(Ordering::SeqCst))
    }

    /// The name of this traffic, which every one of its devices begins with.
    pub fn run(&self) -> &str {
        &self.run
    }
}

/// Waits until each of `taken` payloads of `run` is stored, and exactly once.
///
/// # Errors
/// What was found instead.
pub async fn stored_once(stand: &Stand, run: &str, taken: u64, limit: Duration) -> Result<(), Failure> {
    let wanted = i64::try_from(taken)?;
    let count = format!("select count(*), count(distinct device) from readings where device like '{run}-%'");
    let mut found = (0, 0);
    let waited = until(limit, "every payload stored once", async || {
        let row = stand.database.connect().await?.query_one(&count, &[]).await?;
        found = (row.get(0), row.get(1));
        Ok((found == (wanted, wanted)).then_some(()))
    });
    waited.await.map_err(|failure| {
        format!("{failure}: {taken} were taken, {} rows of {} devices are there", found.0, found.1).into()
    })
}

struct Sender {
    client: Client,
    url: String,
    key: String,
    name: String,
    stopped: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
}

impl Sender {
    async fn run(self) {
        let mut number = 0_u64;
        while !self.stopped.load(Ordering::SeqCst) {
            number += 1;
            // A time of its own: what is sent twice because its answer was lost is one reading.
            let at = 1_767_225_600 + number;
            let body = format!(
                r#"[{{"bn":"{}-{number}:","bt":{at},"n":"water_level","u":"m","v":{number}}}]"#,
                self.name
            );
            while !self.send(&body).await {
                tokio::time::sleep(AGAIN).await;
            }
            self.taken.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, body: &str) -> bool {
        let request = self.client.post(&self.url).header("x-api-key", &self.key);
        let request = request.header("content-type", "application/senml+json").body(body.to_owned());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}
