//! Requests that are read again, by the pipeline of now.

use event_model::{Name, RecordedRequest, ids};
use payload::{Accepted, Origin, Refusal};
use store::reprocess::{Reread, StoredRequest};
use store::{NewDevices, PayloadSamples};

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
        let samples: Vec<PayloadSamples<'_>> = requests
            .iter()
            .zip(&accepted)
            .map(|(one, accepted)| PayloadSamples {
                source: origin.name,
                source_tags: &origin.source.tags,
                device_tags: accepted.as_ref().map_or(&[], |accepted| &accepted.decoded.tags),
                received_at: one.received_at,
                receipt_id: receipt(one),
                samples: accepted.as_ref().map_or(&[], |accepted| &accepted.decoded.samples),
                new_devices: NewDevices {
                    per_payload: origin.source.max_new_devices as usize,
                    per_hour: origin.source.max_new_devices_per_hour.map(|most| most as usize),
                },
            })
            .collect();
        let resolved = self.streams.resolve_all(&samples).await.map_err(PersistError::Streams)?;
        drop(samples);
        let format = Name::known(origin.decoder.name());
        let mut rereads = Vec::with_capacity(requests.len());
        for ((one, accepted), resolved) in requests.iter().zip(accepted).zip(resolved) {
            let Some(mut accepted) = accepted else {
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
