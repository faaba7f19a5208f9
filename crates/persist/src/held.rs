//! Payloads that were held are stored once their devices are known.

use std::time::Duration;

use codecs::CodecError;
use event_model::{Name, ReceiptOutcome, ids};
use jiff::Timestamp;
use payload::{Acceptance, Accepted, Carried, Origin};
use runtime::Deadline;
use store::StoreError;
use store::held::{self, HeldPayload};
use store::reprocess::{Options, Reread, Run, Span};

use crate::error::PersistError;
use crate::persist::Persist;
use crate::record;

/// Held payloads in one transaction.
const AT_ONCE: i64 = 16;
/// The longest that they may take.
const STEP: Duration = Duration::from_secs(10);

/// What became of held payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Those of which something is stored now.
    pub stored: usize,
    /// Those that are dead letters now.
    pub given_up: usize,
}

impl Persist {
    /// Stores what is held of devices that are known by now, as it was received then, and has no rule look at it; makes dead letters of what is held for
    /// too long. It ends where nothing is left of it, or the time is up.
    ///
    /// # Errors
    /// [`PersistError`] where the database is not there; what was stored is held no more.
    pub async fn sweep_held(&self, now: Timestamp, deadline: Deadline) -> Result<Swept, PersistError> {
        let sources: Vec<&str> = self.pipeline().sources.keys().map(String::as_str).collect();
        let holding: Vec<&str> = self.pipeline().sources_that_hold().collect();
        let database = &self.parts.database;
        let mut swept = Swept::default();
        let client = database.client().await.map_err(PersistError::Held)?;
        let expired = held::expire(&client, now).await.map_err(of_database)?;
        swept.given_up += usize::try_from(expired).unwrap_or_default();
        drop(client);
        for () in deadline.steps(STEP) {
            let client = database.client().await.map_err(PersistError::Held)?;
            let due = held::due(&client, (&sources, &holding), AT_ONCE).await.map_err(of_database)?;
            drop(client);
            if due.is_empty() {
                break;
            }
            let mut step = Swept::default();
            let mut names_moved = false;
            for of_source in due.chunk_by(|a, b| a.source == b.source) {
                match self.store_held(of_source, now).await {
                    Err(error) if error.is_of_registry() => {
                        self.forget_streams();
                        names_moved = true;
                    }
                    Err(error) if error.is_final() => step += self.store_each(of_source, now).await?,
                    stored => step += stored?,
                }
            }
            swept += step;
            if step == Swept::default() && !names_moved {
                break;
            }
        }
        Ok(swept)
    }

    /// The same one by one, where the database refuses what one of them holds.
    async fn store_each(&self, held: &[HeldPayload], now: Timestamp) -> Result<Swept, PersistError> {
        let mut swept = Swept::default();
        for one in held {
            match self.store_held(std::slice::from_ref(one), now).await {
                Err(error) if error.is_final() => {
                    self.give_up(one, &error.to_string()).await?;
                    swept.given_up += 1;
                }
                stored => swept += stored?,
            }
        }
        Ok(swept)
    }

    async fn give_up(&self, held: &HeldPayload, reason: &str) -> Result<(), PersistError> {
        let client = self.parts.database.client().await.map_err(PersistError::Held)?;
        held::refuse(&client, held, reason).await.map_err(of_database)
    }

    /// What a held payload says of its known devices, or why it cannot be read any more.
    async fn read_held<'p>(
        &self,
        origin: Origin<'p>,
        held: &HeldPayload,
    ) -> Result<Result<Accepted<'p>, String>, PersistError> {
        let acceptance = match read(origin, held) {
            Ok(acceptance) => acceptance,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut accepted = match self.complete(acceptance).await {
            Ok(accepted) => accepted,
            Err(CodecError::Refused(refusal)) => return Ok(Err(refusal.to_string())),
            Err(CodecError::Unavailable(unavailable)) => return Err(unavailable.into()),
        };
        accepted.decoded.samples.retain(|sample| held.known.iter().any(|known| *known == *sample.device));
        Ok(Ok(accepted))
    }

    /// Stores what payloads of one source say of their known devices. Of what cannot be stored a dead letter is made.
    async fn store_held(&self, held: &[HeldPayload], now: Timestamp) -> Result<Swept, PersistError> {
        let source = held[0].source.as_str();
        let origin = Origin::named(self.pipeline(), source)?;
        let mut accepted = Vec::with_capacity(held.len());
        let mut swept = Swept::default();
        for one in held {
            match self.read_held(origin, one).await? {
                Ok(read) => accepted.push((one, read)),
                Err(reason) => {
                    self.give_up(one, &reason).await?;
                    swept.given_up += 1;
                }
            }
        }
        let receipt =
            |one: &HeldPayload| ids::derive("adopted", &[&one.id.to_string(), &one.known.join("\u{1f}")]);
        let samples: Vec<_> =
            accepted.iter().map(|(one, accepted)| record::samples(receipt(one), accepted)).collect();
        let resolved = self.streams.resolve_all(&samples).await.map_err(PersistError::Streams)?;
        drop(samples);
        let (mut rereads, mut settled, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for ((one, accepted), resolved) in accepted.into_iter().zip(resolved) {
            let gave =
                |device: &String| accepted.decoded.samples.iter().any(|sample| *device == *sample.device);
            let reason = match (resolved.left_out.first(), one.known.iter().find(|device| !gave(device))) {
                (Some(left), _) => Some(left.reason.to_string()),
                (None, Some(device)) => {
                    Some(format!("the pipeline of now finds no reading of {device} in it"))
                }
                (None, None) => None,
            };
            let mut done = one.clone();
            done.known.retain(|device| !resolved.held.contains_key(device));
            rereads.push(Reread {
                original: one.receipt_id,
                requests: 1,
                is_partial: false,
                receipt: receipt(one),
                format: Name::known(accepted.origin.decoder.name()),
                outcome: ReceiptOutcome::Stored,
                problems: resolved.left_out.len(),
                evaluation_requests: Vec::new(),
                registry: resolved.registry,
                rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
            });
            match reason {
                Some(reason) => lost.push((one, reason)),
                None => settled.push(done),
            }
        }
        swept.stored += settled.iter().filter(|done| !done.known.is_empty()).count();
        if rereads.is_empty() {
            return Ok(swept);
        }
        // Of the source alone; nothing that was stored before is looked for.
        let span = Span { source, from: now, to: now };
        let run = Run::new(self.parts.database.clone(), span, (self.pipeline().hash_number(), now));
        let options = Options { keep_old: true, evaluate: false };
        run.write(&rereads, options, (&settled, now)).await.map_err(PersistError::Held)?;
        for (one, reason) in lost {
            self.give_up(one, &reason).await?;
            swept.given_up += 1;
        }
        Ok(swept)
    }
}

/// The payload of a held event, or why it cannot be read any more.
fn read<'p>(origin: Origin<'p>, held: &HeldPayload) -> Result<Acceptance<'p>, String> {
    let event = held.event.to_event().map_err(|error| error.to_string())?;
    let carried = Carried::new(event);
    let request = carried.request().map_err(|refusal| refusal.to_string())?;
    let acceptance = Accepted::of(origin, request.clone(), held.received_at);
    acceptance.map_err(|refusal| refusal.to_string())
}

fn of_database(error: impl Into<StoreError>) -> PersistError {
    PersistError::Held(error.into())
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.given_up += other.given_up;
    }
}
