//! Steady traffic: payloads that are each sent until they are taken, and can be distinguished in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Client;
use runtime::Clock;
use sha2::Sha256;
use tokio::task::JoinHandle;

use crate::stand::Stand;
use crate::wait::until;
use crate::{Failure, receiver};

/// Between two payloads of one sender.
const PAUSE: Duration = Duration::from_millis(400);
/// Before a payload is sent once more.
const AGAIN: Duration = Duration::from_millis(700);
const SENDERS: u64 = 4;
/// For the last notification, by a tick or by the dead letters.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);
/// The source that is sent to; its rule fires above 8 °C.
const SOURCE: &str = "cold-store";

/// Traffic under way. Each payload is a warm reading of a device of its own, which fires an alert.
pub struct Steady {
    run: String,
    stopped: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    senders: Vec<JoinHandle<()>>,
}

impl Steady {
    /// Begins; `run` distinguishes this traffic from other.
    ///
    /// # Errors
    /// Where `ingest` has no address.
    pub async fn start(stand: &Stand, run: &str) -> Result<Self, Failure> {
        let (client, base) = stand.client_of(&stand.service("ingest")).await?;
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

    /// Ends once every payload that was begun is taken, and waits until each is stored, has fired and was notified exactly once;
    /// how many those are.
    ///
    /// # Errors
    /// Where a sender broke off, or what was found instead.
    pub async fn settle(self, stand: &Stand) -> Result<u64, Failure> {
        self.stopped.store(true, Ordering::SeqCst);
        for sender in self.senders {
            sender.await?;
        }
        let taken = self.taken.load(Ordering::SeqCst);
        settled(stand, &self.run, taken).await?;
        Ok(taken)
    }
}

/// Waits until each of `taken` payloads of `run` is stored exactly once, has fired exactly one alert, and has one notification.
///
/// # Errors
/// What was found instead.
async fn settled(stand: &Stand, run: &str, taken: u64) -> Result<(), Failure> {
    let wanted = i64::try_from(taken)?;
    let counts = format!(
        "with own as (select d.id, s.id as stream from device d join stream s on s.device_id = d.id where d.name like '{run}-%')
         select (select count(*) from own),
                (select count(*) from moment where stream_id in (select stream from own)),
                (select count(*) from alert_transition where stream_id in (select stream from own)),
                (select count(*) from notification n join alert_transition t on t.id = n.transition_id
                 where n.status = 'delivered' and t.stream_id in (select stream from own))"
    );
    let mut found = [0; 4];
    let waited = until(SETTLED_WITHIN, "every payload stored once and notified once", async || {
        let row = stand.database.connect().await?.query_one(&counts, &[]).await?;
        found = std::array::from_fn(|column| row.get(column));
        Ok((found == [wanted; 4]).then_some(()))
    });
    waited.await.map_err(|failure| {
        let [devices, rows, transitions, notified] = found;
        let what =
            format!("{devices} devices, {rows} rows, {transitions} transitions, {notified} notifications");
        Failure::from(format!("{failure}: of {taken} that were taken there are {what}"))
    })?;
    receiver::verified(&receiver::received(&stand.cluster).await?, &stand.signing_secret).map(|_| ())
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
        // History is nothing to notify of.
        let begun = Clock::system().now().as_millisecond();
        let mut number = 0_i64;
        while !self.stopped.load(Ordering::SeqCst) {
            number += 1;
            // A time of its own: what is sent twice because its answer was lost is one reading.
            let at = begun + number;
            let body = format!(r#"{{"fridge":{{"id":"{}-{number}"}},"at":{at},"temp_f":70}}"#, self.name);
            while !self.send(&body).await {
                tokio::time::sleep(AGAIN).await;
            }
            self.taken.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, body: &str) -> bool {
        let request = self.client.post(&self.url).header("x-signature", signature(&self.key, body));
        let request = request.header("content-type", "application/json").body(body.to_owned());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    format!("sha256={}", event_model::hex(&mac.finalize().into_bytes()))
}
