//! Requests that are read again, by the pipeline of now.

use event_model::{Name, RecordedRequest, ids};
use payload::{Accepted, Origin, Refusal};
use store::PayloadSamples;
use store::reprocess::{Reread, StoredRequest};

use crate::error::PersistError;
use crate::persist::Persist;
use crate::record;

impl Persist {
    /// What the requests of a source make now. Devices and metrics that are not there yet are made, within the source's bounds. What makes no
    /// sense is counted, and is no dead letter: it is one already, or the mapping of now is at fault.
    ///
    /// # Errors
    /// [`PersistError::Streams`]
    pub async fn reread(
        &self,
        origin: Origin<'_>,
        requests: &[StoredRequest],
    ) -> Result<Vec<Reread>, PersistError> {
        let hash = self.pipeline().short_hash();
        let accepted: Vec<Option<Accepted<'_>>> = requests.iter().map(|one| read(origin, one)).collect();
        let receipt = |one: &StoredRequest| ids::derive("reread", &[&one.receipt_id.to_string(), hash]);
        let samples = requests.iter().zip(&accepted).filter_map(|(one, accepted)| {
            accepted.as_ref().map(|accepted| record::samples(receipt(one), accepted))
        });
        let samples: Vec<PayloadSamples<'_>> = samples.collect();
        let resolved = self.streams.resolve_all(&samples).await.map_err(PersistError::Streams)?;
        drop(samples);
        let mut resolved = resolved.into_iter();
        let format = Name::known(origin.decoder.name());
        let mut rereads = Vec::with_capacity(requests.len());
        for (one, accepted) in requests.iter().zip(accepted) {
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
                rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
            });
        }
        Ok(rereads)
    }
}

/// The request as it is read now; `None` where its form makes no sense.
pub fn read<'p>(origin: Origin<'p>, stored: &StoredRequest) -> Option<Accepted<'p>> {
    let request = RecordedRequest::from_bytes(&stored.body.clone().into()).ok()?;
    let accepted: Result<_, Refusal> = Accepted::of(origin, request, stored.received_at);
    accepted.ok()
}

fn unreadable(one: &StoredRequest, receipt: uuid::Uuid, format: Name) -> Reread {
    Reread {
        original: one.receipt_id,
        received_at: one.received_at,
        receipt,
        format,
        outcome: event_model::ReceiptOutcome::Rejected,
        rows: Vec::new(),
        problems: 1,
        evaluation_requests: Vec::new(),
    }
}
