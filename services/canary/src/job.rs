//! The job: sends a payload, looks at a later tick how far it came, and says so outside.
//!
//! ```text
//! begin ── send ─── accepted ──> look ── it came all the way ──────> ping success ── done
//!          │    └─ not now: at    │ └─ not yet: at the next tick        └─ failed: 1, 2, 4, ... minutes later
//!          │       the next tick  │
//!          └─ refused for good ───┴─ time is up ──────────────────> ping failure
//! ```
//!
//! Each arrow is a slice. A payload that is sent again is the same payload, and is stored once. A slot does nothing more outside, and tells nobody of success,
//! once a later one waits.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jobs::{Job, Progress, SliceError};
use pipeline_config::receiver::Setting;
use pipeline_config::{Canary, Pipeline, canary};
use receivers::canary::{self as requests, Request};
use receivers::{AddressPolicy, OpenError, Outcome, Outgoing};
use runtime::{Clock, Env};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stage::telemetry::CanaryMetrics;
use store::canary::{self as rows, Payload, Phases};
use store::{StoreError, Transaction};

use crate::NAME;

/// Attempts at a ping.
const ATTEMPTS: u32 = 5;
/// The wait after the first failure of a ping; it doubles.
const RETRY: SignedDuration = SignedDuration::from_mins(1);
/// The wait between two looks, where a tick comes sooner.
const LOOK: SignedDuration = SignedDuration::from_secs(1);

/// What the environment says to `canary`.
pub struct Config {
    /// `canary` of `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub canary: Option<Canary>,
    /// Where it sends to. `SSL_CERT_FILE`: a PEM file of certificates that are trusted beside Mozilla's; none.
    pub outgoing: Outgoing,
}

impl Config {
    /// Reads it, and looks up every secret once, so that a missing one is found at the start; mistakes are noted in `env`, and then there is
    /// none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let roots = env.text("SSL_CERT_FILE").map(PathBuf::from);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let Pipeline { canary, network, .. } = pipeline;
        if let Some(Err(error)) = canary.as_ref().map(|canary| requests::check(canary, &variable)) {
            env.mistake("canary", error.to_string());
        }
        let outgoing = Outgoing::new(AddressPolicy::new(network), roots);
        env.mistakes().is_empty().then_some(Self { canary, outgoing })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Sends the canary.
#[derive(Debug)]
pub struct CanaryJob {
    canary: Option<Canary>,
    outgoing: Outgoing,
    clock: Clock,
    metrics: CanaryMetrics,
}

/// What is to be done next of a slot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "snake_case")]
enum Step {
    /// The payload of `at` is to be sent, perhaps once more, and why it was not accepted then.
    Send { at: Timestamp, sent_at: Option<Timestamp>, refused: Option<String> },
    /// It was accepted, and is on its way; not known when, where no answer came.
    Look { at: Timestamp, sent_at: Timestamp, accepted_at: Option<Timestamp> },
    /// It is over, and somebody outside is to be told.
    Ping { passed: bool, attempts: u32 },
}

/// What a slot came to.
#[derive(Debug, Serialize)]
struct SlotResult {
    passed: bool,
}

/// A payload that was sent, and how far it came.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Timestamp,
    accepted_at: Option<Timestamp>,
    phases: Phases,
}

impl CanaryJob {
    /// One by this configuration.
    pub fn new(Config { canary, outgoing }: Config, clock: Clock, metrics: CanaryMetrics) -> Self {
        Self { canary, outgoing, clock, metrics }
    }

    async fn request(&self, request: Result<Request, OpenError>, now: Timestamp) -> Outcome {
        match request {
            Ok(request) => request.send(&self.outgoing, now).await,
            Err(error) => Outcome::retry(error.to_string()),
        }
    }

    /// Makes an attempt to send the payload; the step that follows, and whether that waits for the next tick. A sender tries again what was not
    /// taken for now, and so does this.
    async fn send(
        &self,
        transaction: &Transaction<'_>,
        (canary, url): (&Canary, &Setting),
        (slot, at): (Timestamp, Timestamp),
        (first, refused): (Option<Timestamp>, Option<String>),
    ) -> Result<(Step, bool), StoreError> {
        let now = self.clock.now();
        let sent_at = first.unwrap_or(now);
        if let Some(refused) = refused {
            // What was taken, though the answer was lost, goes its way.
            if rows::progress_in(transaction, payload(at)).await?.is_stored {
                return Ok((Step::Look { at, sent_at, accepted_at: None }, false));
            }
            if (Timeliness { sent_at, within: canary.within }).is_up(now) {
                let sent = Sent { at: sent_at, accepted_at: None, phases: Phases::default() };
                return Ok((self.over(transaction, slot, sent, Some(refused)).await?, false));
            }
        }
        let outcome = self.request(requests::payload((canary, url), at, &variable), now).await;
        let accepted_at = (outcome == Outcome::Delivered).then(|| self.clock.now());
        rows::sent(transaction, slot, (sent_at, accepted_at)).await?;
        let not_accepted = |reason: String| format!("it was not accepted: {reason}");
        match outcome {
            Outcome::Delivered => Ok((Step::Look { at, sent_at, accepted_at }, true)),
            Outcome::Retry { reason, .. } => {
                tracing::warn!(%slot, reason, "the canary was not accepted; it is sent again");
                Ok((Step::Send { at, sent_at: Some(sent_at), refused: Some(not_accepted(reason)) }, true))
            }
            Outcome::NoUse { reason } => {
                let sent = Sent { at: sent_at, accepted_at: None, phases: Phases::default() };
                Ok((self.over(transaction, slot, sent, Some(not_accepted(reason))).await?, false))
            }
        }
    }

    /// Looks how far the payload came; `None`: it is on its way.
    async fn look(
        &self,
        transaction: &Transaction<'_>,
        canary: &Canary,
        slot: Timestamp,
        (at, sent_at, accepted_at): (Timestamp, Timestamp, Option<Timestamp>),
    ) -> Result<Option<Step>, StoreError> {
        let progress = rows::progress_in(transaction, payload(at)).await?;
        let phases = progress.phases;
        let within = Timeliness { sent_at, within: canary.within };
        let failure = match phases.delivered_at {
            Some(delivered_at) => within.late(delivered_at),
            None if within.is_up(self.clock.now()) => Some(progress.stuck()),
            None => return Ok(None),
        };
        let sent = Sent { at: sent_at, accepted_at, phases };
        self.over(transaction, slot, sent, failure).await.map(Some)
    }

    /// Notes what a run came to.
    async fn over(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        sent: Sent,
        failure: Option<String>,
    ) -> Result<Step, StoreError> {
        rows::finish(transaction, slot, (sent.phases, failure.as_deref()), self.clock.now()).await?;
        self.metrics.run(sent.durations(), failure.is_none());
        match &failure {
            Some(failure) => tracing::error!(%slot, failure, "the canary did not come all the way"),
            None => {
                let seconds = sent.durations().last().map(|(_, after)| after.as_secs_f64());
                tracing::info!(%slot, seconds, "the canary came all the way");
            }
        }
        Ok(Step::Ping { passed: failure.is_none(), attempts: 0 })
    }

    /// Tells somebody outside; after how long that is tried again.
    async fn ping(
        &self,
        transaction: &Transaction<'_>,
        (canary, slot): (&Canary, Timestamp),
        (passed, attempts): (bool, u32),
    ) -> Result<Option<SignedDuration>, StoreError> {
        let address = if passed { &canary.ping.success } else { &canary.ping.failure };
        let Some(address) = address else { return Ok(None) };
        if store::jobs::is_overtaken(transaction, (NAME, slot)).await? && (passed || attempts > 0) {
            return Ok(None);
        }
        let outcome = self.request(requests::ping(address, &variable), self.clock.now()).await;
        let now = self.clock.now();
        match &outcome {
            Outcome::Delivered => rows::pinged(transaction, slot, (None, now)).await?,
            Outcome::Retry { reason, .. } if attempts + 1 < ATTEMPTS => {
                tracing::warn!(%slot, reason, "a ping failed; it is tried again");
                rows::pinged(transaction, slot, (Some(reason), now)).await?;
                return Ok(Some(RETRY * (1 << attempts.min(ATTEMPTS))));
            }
            Outcome::Retry { reason, .. } | Outcome::NoUse { reason } => {
                tracing::error!(%slot, reason, "a ping failed, and is given up");
                rows::pinged(transaction, slot, (Some(reason), now)).await?;
            }
        }
        Ok(None)
    }
}

impl Sent {
    /// How long after it was sent each phase was over that it came to. The clocks are those of several machines: none counts as before.
    fn durations(self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Phases { stored_at, recorded_at, delivered_at } = self.phases;
        let phases = [
            ("accepted", self.accepted_at),
            ("stored", stored_at),
            ("recorded", recorded_at),
            ("delivered", delivered_at),
        ];
        phases.into_iter().filter_map(move |(phase, at)| {
            Some((phase, Duration::try_from(at?.duration_since(self.at)).unwrap_or_default()))
        })
    }
}

/// How long a payload that was sent may take.
struct Timeliness {
    sent_at: Timestamp,
    within: SignedDuration,
}

impl Timeliness {
    fn is_up(&self, now: Timestamp) -> bool {
        now.duration_since(self.sent_at) > self.within
    }

    fn late(&self, delivered_at: Timestamp) -> Option<String> {
        let took = delivered_at.duration_since(self.sent_at);
        (took > self.within).then(|| {
            format!("it took {} s, more than the {} s of `within`", took.as_secs(), self.within.as_secs())
        })
    }
}

impl Job for CanaryJob {
    async fn slice(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let sending = self.canary.as_ref().and_then(|canary| Some((canary, canary.url.as_ref()?)));
        let Some((canary, url)) = sending else { return Ok(Progress::Done(Value::Null)) };
        let Some(cursor) = cursor else {
            if store::jobs::is_overtaken(transaction, (NAME, slot)).await? {
                return Ok(Progress::Done(Value::Null));
            }
            let at = canary::time_of_payload(self.clock.now());
            rows::begin(transaction, slot, at).await?;
            let next = Step::Send { at, sent_at: None, refused: None };
            return Ok(Progress::More(serde_json::to_value(next)?));
        };
        let (next, waits) = match Step::deserialize(cursor)? {
            Step::Send { at, sent_at, refused } => {
                self.send(transaction, (canary, url), (slot, at), (sent_at, refused)).await?
            }
            Step::Look { at, sent_at, accepted_at } => {
                match self.look(transaction, canary, slot, (at, sent_at, accepted_at)).await? {
                    Some(next) => (next, false),
                    None => return Ok(Progress::Later(cursor.clone(), LOOK)),
                }
            }
            Step::Ping { passed, attempts } => {
                return Ok(match self.ping(transaction, (canary, slot), (passed, attempts)).await? {
                    Some(wait) => {
                        let next = Step::Ping { passed, attempts: attempts + 1 };
                        Progress::Later(serde_json::to_value(next)?, wait)
                    }
                    None => Progress::Done(serde_json::to_value(SlotResult { passed })?),
                });
            }
        };
        let next = serde_json::to_value(next)?;
        Ok(if waits { Progress::Later(next, LOOK) } else { Progress::More(next) })
    }
}

/// What finds its rows.
fn payload(at: Timestamp) -> Payload<'static> {
    Payload { source: canary::NAME, device: canary::DEVICE, metric: canary::METRIC, rule: canary::RULE, at }
}
