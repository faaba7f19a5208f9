//! A stand with a source, a rule and a receiver of webhooks, and an account of everything that was sent to it.

use std::time::Duration;

use jiff::Timestamp;
use knative_local::Config;
use testkit::{TestReceiver, eventually};
use topology::Mode;

use crate::checker::{self, Answer, Sent};
use crate::messages;
use crate::stand::{PATIENCE, Plan, Stand};
use crate::traffic::{Payload, payloads};
use testkit::Random;

const PIPELINE: &str = "
tick: 5m
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
    mapping:
      items: /items
      device: /device
      time: /time
      metrics:
        temperature: {value: /t, unit: Cel}
        relative_humidity: {value: /h, unit: \"%\"}
rules:
  Hot: {metric: temperature, above: 30}
  Silent: {metric: temperature, absent: 30m}
receivers:
  ops: {webhook: {url: {env: OPS_URL}, secret: {env: OPS_SECRET}}}
routes: [{to: [ops]}]
network: {allow: [127.0.0.1]}
";
/// Stages with processes that can be killed.
pub const STAGES: [&str; 6] = ["ingest", "transform", "alert", "notify", "dead-letter", "scheduler"];

/// A running pipeline with its account.
pub struct Farm {
    /// Where it runs.
    pub stand: Stand,
    /// The receiver of alerts.
    pub ops: TestReceiver,
    /// What was sent, with the answers.
    pub sent: Vec<Sent>,
}

impl Farm {
    /// `processes` of `transform` and of `alert` at once, on real time unless a clock is set; `None` where PostgreSQL is not
    /// installed.
    pub async fn open(
        mode: Mode,
        processes: u32,
        (clock, adjust): (Option<Timestamp>, fn(&mut Config)),
    ) -> Option<Self> {
        let ops = TestReceiver::start().await;
        let plan = Plan {
            environment: vec![
                ("OPS_URL".to_owned(), ops.url("/alerts")),
                ("OPS_SECRET".to_owned(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            ],
            max_scale: if processes > 1 {
                vec![("transform", processes), ("alert", processes)]
            } else {
                Vec::new()
            },
            clock,
            mode,
            adjust,
            ..Plan::new(PIPELINE)
        };
        Some(Self { stand: Stand::up(plan).await?, ops, sent: Vec::new() })
    }

    /// Posts each once, all at the same time, and notes the answers. A sender that gets no 2xx forgets the payload: it
    /// may be stored.
    ///
    /// # Panics
    /// If one is refused for good: all are well formed.
    pub async fn post(&mut self, payloads: Vec<Payload>) {
        let posts = payloads.iter().map(|payload| self.stand.post("field", payload.body()));
        let answers = futures_util::future::join_all(posts).await;
        self.sent.extend(payloads.into_iter().zip(answers).map(|(payload, status)| match status {
            Some(200..=299) => (payload, Answer::Accepted),
            None | Some(429 | 500..) => (payload, Answer::Unknown),
            Some(status) => panic!("{} was refused with {status}", payload.mark),
        }));
    }

    /// How many payloads were accepted.
    pub fn accepted(&self) -> usize {
        self.sent.iter().filter(|(_, answer)| *answer == Answer::Accepted).count()
    }

    /// Ticks until everything holds.
    ///
    /// # Panics
    /// With what does not hold, if that takes longer than [`PATIENCE`].
    pub async fn settles(&self) {
        eventually(PATIENCE, || async {
            self.stand.tick().await;
            self.holds().await
        })
        .await;
    }

    /// Waits until everything holds, and does nothing for it.
    ///
    /// # Panics
    /// With what does not hold, if that takes longer than [`PATIENCE`].
    pub async fn settles_by_itself(&self) {
        eventually(PATIENCE, || async { self.holds().await }).await;
        self.stand.rest().await;
    }

    async fn holds(&self) -> Result<(), Vec<String>> {
        let database = self.stand.database().await;
        let mut found =
            checker::violations(&database, &self.sent).await.map_err(|error| vec![error.to_string()])?;
        let sent = messages::violations(&database, &self.ops.received()).await;
        found.extend(sent.map_err(|error| vec![error.to_string()])?);
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

/// `count` payloads of `seed` alone: their marks and devices are no other seed's.
pub fn payloads_of(seed: u64, random: &mut Random, count: usize, now: Timestamp) -> Vec<Payload> {
    // Items are up to 1.9 s apart and up to four a payload: none is of the future.
    let from = now.as_microsecond() - i64::try_from(count).unwrap_or(0) * 8_000_000;
    let mut made = payloads(random, count, 4, from);
    for payload in &mut made {
        payload.mark = format!("seed-{seed}-{}", payload.mark);
        for item in &mut payload.items {
            item.device = format!("seed-{seed}-{}", item.device);
        }
    }
    made
}

/// Long enough for a start on a machine that builds something else meanwhile.
pub fn patient(config: &mut Config) {
    config.start_limit = Duration::from_secs(20);
    for service in &mut config.services {
        // Longer than sending takes, or two would tell one alert; short enough to wait for it.
        service.env.insert("LEASE_MS".to_owned(), "3000".to_owned());
    }
}
