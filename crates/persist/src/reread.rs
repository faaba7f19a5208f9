//! Requests that are read again, by the pipeline of now.

use event_model::{Name, RecordedRequest, ids};
use payload::{Accepted, Origin, Refusal};
use store::PayloadSamples;
use store::reprocess::{Reread, StoredRequest};
use uuid::Uuid;

use crate::error::PersistError;
use crate::persist::Persist;
use crate::record;

impl Persist {
    /// What the requests of a source make now. Devices and metrics that are not there yet are made, within the source's bounds. What makes no
    /// sense is counted, and is no dead letter: it is one already, or the mapping of now is at fault. Of requests on which the format
    /// panics, which are left as they are, only the receipts come back.
    ///
    /// # Errors
    /// [`PersistError::Streams`]
    pub async fn reread(
        &self,
        origin: Origin<'_>,
        requests: &[StoredRequest],
    ) -> Result<(Vec<Reread>, Vec<Uuid>), PersistError> {
        let hash = self.pipeline().short_hash();
        let (mut accepted, mut failed) = (Vec::with_capacity(requests.len()), Vec::new());
        for one in requests {
            match read(origin, one) {
                Ok(read) => accepted.push((one, read)),
                Err(_) => failed.push(one.receipt_id),
            }
        }
        let receipt = |one: &StoredRequest| ids::derive("reread", &[&one.receipt_id.to_string(), hash]);
        let samples = accepted.iter().filter_map(|(one, accepted)| {
            accepted.as_ref().map(|accepted| record::samples(receipt(one), accepted))
        });
        let samples: Vec<PayloadSamples<'_>> = samples.collect();
        let resolved = self.streams.resolve_all(&samples).await.map_err(PersistError::Streams)?;
        drop(samples);
        let mut resolved = resolved.into_iter();
        let format = Name::known(origin.decoder.name());
        let mut rereads = Vec::with_capacity(accepted.len());
        for (one, accepted) in accepted {
            let Some((mut accepted, resolved)) = accepted.and_then(|one| Some((one, resolved.next()?)))
            else {
                rereads.push(unreadable(one, receipt(one), format.clone()));
                continue;
            };
            record::leave_out(&mut accepted, &resolved);
            rereads.push(Reread {
                original: one.receipt_id,
                received_at: one.received_at,
                receipt: receipt(one),
                format: format.clone(),
                outcome: accepted.outcome,
                evaluation_requests: self.requests(&accepted, &resolved.streams),
                problems: accepted.decoded.problems.count(),
                registry: resolved.registry,
                rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
            });
        }
        Ok((rereads, failed))
    }
}

/// The request as it is read now; `None` where its form makes no sense.
///
/// # Errors
/// [`Refusal::Panicked`]
pub fn read<'p>(origin: Origin<'p>, stored: &StoredRequest) -> Result<Option<Accepted<'p>>, Refusal> {
    let Ok(request) = RecordedRequest::from_bytes(&stored.body.clone().into()) else { return Ok(None) };
    match Accepted::of(origin, request, stored.received_at) {
        Ok(accepted) => Ok(Some(accepted)),
        Err(panicked @ Refusal::Panicked(_)) => Err(panicked),
        Err(_) => Ok(None),
    }
}

fn unreadable(one: &StoredRequest, receipt: Uuid, format: Name) -> Reread {
    Reread {
        original: one.receipt_id,
        received_at: one.received_at,
        receipt,
        format,
        outcome: event_model::ReceiptOutcome::Rejected,
        rows: Vec::new(),
        problems: 1,
        evaluation_requests: Vec::new(),
        registry: 0,
    }
}
