//! Payloads that were held are stored once their devices are known.

use std::time::Duration;

use event_model::{Name, ReceiptOutcome, ids};
use jiff::Timestamp;
use payload::{Accepted, Carried, Origin};
use pipeline_config::source::Unknown;
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
/// How often a transaction is tried that another one is in the way of.
const ATTEMPTS: u32 = 5;

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
        let hold = |source: &&str| self.pipeline().sources[*source].unknown == Unknown::Hold;
        let holding: Vec<&str> = sources.iter().copied().filter(hold).collect();
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
            for of_source in due.chunk_by(|a, b| a.source == b.source) {
                match self.store_held(of_source, now).await {
                    Err(error) if error.is_of_registry() => self.forget_streams(),
                    stored => swept += stored?,
                }
            }
        }
        Ok(swept)
    }

    /// Stores what payloads of one source say of their known devices.
    async fn store_held(&self, held: &[HeldPayload], now: Timestamp) -> Result<Swept, PersistError> {
        let source = held[0].source.as_str();
        let origin = Origin::named(self.pipeline(), source)?;
        let mut accepted = Vec::with_capacity(held.len());
        let mut swept = Swept::default();
        for one in held {
            match read(origin, one) {
                Ok(read) => accepted.push((one, read)),
                Err(reason) => {
                    let client = self.parts.database.client().await.map_err(PersistError::Held)?;
                    held::refuse(&client, one, &reason).await.map_err(of_database)?;
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
        let (mut rereads, mut settled) = (Vec::new(), Vec::new());
        for ((one, accepted), resolved) in accepted.into_iter().zip(resolved) {
            for left in &resolved.left_out {
                tracing::warn!(source, device = left.device, reason = %left.reason, "held readings have no room");
            }
            let mut done = one.clone();
            done.known.retain(|device| !resolved.held.contains_key(device));
            rereads.push(Reread {
                original: one.receipt_id,
                received_at: one.received_at,
                receipt: receipt(one),
                format: Name::known(accepted.origin.decoder.name()),
                outcome: ReceiptOutcome::Stored,
                problems: resolved.left_out.len(),
                evaluation_requests: Vec::new(),
                registry: resolved.registry,
                rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
            });
            settled.push(done);
        }
        swept.stored += rereads.len();
        // Of the source alone; nothing that was stored before is looked for.
        let span = Span { source, from: now, to: now };
        let run = Run::new(self.parts.database.clone(), span, (self.pipeline().hash_number(), now));
        let options = Options { keep_old: true, evaluate: false };
        let mut attempts = 1..=ATTEMPTS;
        loop {
            attempts.next();
            match run.write(rereads.clone(), options, (&settled, now)).await {
                Ok(_) => return Ok(swept),
                Err(error) if error.is_rolled_back() && !attempts.is_empty() => {}
                Err(error) => return Err(PersistError::Held(error)),
            }
        }
    }
}

/// What a held payload says of its known devices, or why it cannot be read any more.
fn read<'p>(origin: Origin<'p>, held: &HeldPayload) -> Result<Accepted<'p>, String> {
    let event = held.event.to_event().map_err(|error| error.to_string())?;
    let carried = Carried::new(event);
    let request = carried.request().map_err(|refusal| refusal.to_string())?;
    let accepted = Accepted::of(origin, request.clone(), held.received_at);
    let mut accepted = accepted.map_err(|refusal| refusal.to_string())?;
    accepted.decoded.samples.retain(|sample| held.known.iter().any(|known| *known == *sample.device));
    Ok(accepted)
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
