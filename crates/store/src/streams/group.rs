//! Payloads that wait for new devices together are registered together.
//!
//! ```text
//! ask ─> waiting ─> turn ─┬─ resolved by who had the turn before ──> done
//!                         └─ take all that wait, register, resolve each
//! ```
//!
//! Whoever has the turn works for all that wait; nobody depends on it: who is not resolved when its own turn comes resolves itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use event_model::{Name, Sample};
use jiff::Timestamp;
use uuid::Uuid;

use super::resolved::{NewDevices, PayloadSamples, ResolvedStreams};
use super::{Streams, Tags};
use crate::StoreError;

/// Samples that are registered at once; a payload that has more of them is registered alone.
const MOST_SAMPLES: usize = 2000;

/// The turn, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Group {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Arc<Asked>>>,
}

/// A payload that needs what is not there.
#[derive(Debug)]
struct Asked {
    samples: OwnedSamples,
    /// Others were refused beside it, perhaps for its data.
    is_alone: AtomicBool,
    resolved: Mutex<Option<ResolvedStreams>>,
}

/// [`PayloadSamples`] that another task can work on.
#[derive(Debug)]
struct OwnedSamples {
    source: String,
    source_tags: Tags,
    device_tags: Vec<(Name, String, String)>,
    received_at: Timestamp,
    receipt_id: Uuid,
    samples: Vec<Sample>,
    new_devices: NewDevices,
}

/// Takes a payload out of what waits, if it is there still.
struct Waiting<'a> {
    group: &'a Group,
    asked: Arc<Asked>,
}

impl Group {
    /// Resolves a payload, beside others that wait.
    ///
    /// # Errors
    /// As [`Streams::resolve`]; the data of another payload is no reason.
    pub(super) async fn resolve(
        &self,
        streams: &Streams,
        samples: &PayloadSamples<'_>,
    ) -> Result<ResolvedStreams, StoreError> {
        let waiting = Waiting::begin(self, samples);
        let asked = &*waiting.asked;
        let _turn = self.turn.lock().await;
        if let Some(resolved) = asked.take() {
            return Ok(resolved);
        }
        let beside = if asked.is_alone.load(Ordering::Relaxed) {
            Vec::new()
        } else {
            self.take_beside(&waiting.asked)
        };
        if !beside.is_empty() {
            let payloads: Vec<PayloadSamples<'_>> = std::iter::once(asked)
                .chain(beside.iter().map(|asked| &**asked))
                .map(Asked::samples)
                .collect();
            match streams.resolve_all(&payloads).await {
                Ok(mut resolved) => {
                    let own = resolved.remove(0);
                    beside.iter().zip(resolved).for_each(|(asked, resolved)| asked.give(resolved));
                    return Ok(own);
                }
                Err(error) if error.is_data_error() => {
                    beside.iter().for_each(|asked| asked.is_alone.store(true, Ordering::Relaxed));
                }
                Err(error) => return Err(error),
            }
        }
        let mut resolved = streams.resolve_all(std::slice::from_ref(samples)).await?;
        Ok(resolved.remove(0))
    }

    /// What waits beside `own`, as far as it fits.
    fn take_beside(&self, own: &Arc<Asked>) -> Vec<Arc<Asked>> {
        let mut left = MOST_SAMPLES.saturating_sub(own.samples.samples.len());
        let fits = |asked: &mut Arc<Asked>| {
            let fits = !asked.is_alone.load(Ordering::Relaxed) && asked.samples.samples.len() <= left;
            left -= if fits { asked.samples.samples.len() } else { 0 };
            fits
        };
        let mut waiting = self.waiting();
        waiting.retain(|asked| !Arc::ptr_eq(asked, own));
        waiting.extract_if(.., fits).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Asked>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Waiting<'a> {
    fn begin(group: &'a Group, samples: &PayloadSamples<'_>) -> Self {
        let samples = OwnedSamples {
            source: samples.source.to_owned(),
            source_tags: samples.source_tags.clone(),
            device_tags: samples.device_tags.to_vec(),
            received_at: samples.received_at,
            receipt_id: samples.receipt_id,
            samples: samples.samples.to_vec(),
            new_devices: samples.new_devices,
        };
        let asked = Arc::new(Asked { samples, is_alone: AtomicBool::default(), resolved: Mutex::default() });
        group.waiting().push(Arc::clone(&asked));
        Self { group, asked }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.group.waiting().retain(|asked| !Arc::ptr_eq(asked, &self.asked));
    }
}

impl Asked {
    fn samples(&self) -> PayloadSamples<'_> {
        let OwnedSamples { source, source_tags, device_tags, received_at, receipt_id, samples, new_devices } =
            &self.samples;
        PayloadSamples {
            source,
            source_tags,
            device_tags,
            received_at: *received_at,
            receipt_id: *receipt_id,
            samples,
            new_devices: *new_devices,
        }
    }

    fn give(&self, resolved: ResolvedStreams) {
        *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(resolved);
    }

    fn take(&self) -> Option<ResolvedStreams> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
