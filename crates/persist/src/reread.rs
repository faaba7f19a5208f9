//! Requests that are read again, by the pipeline of now.

use codecs::{CodecError, Codecs};
use event_model::{Name, ReceiptOutcome, RecordedRequest, ids};
use payload::{Accepted, Origin, Refusal};
use store::reprocess::{Reread, StoredRequest};
use store::{PayloadSamples, ResolvedStreams};
use uuid::Uuid;

use crate::error::PersistError;
use crate::persist::Persist;
use crate::record;

/// What the requests of a receipt come to now.
#[derive(Debug)]
pub struct ReadAgain<'p> {
    /// The receipt.
    pub receipt_id: Uuid,
    /// Its requests, each as it was received; none where its form makes no sense.
    pub requests: Vec<Option<Accepted<'p>>>,
    /// Some of its requests are not kept: what they made before stays.
    pub is_partial: bool,
}

impl ReadAgain<'_> {
    /// Those that can be read.
    pub fn accepted(&self) -> impl Iterator<Item = &Accepted<'_>> {
        self.requests.iter().flatten()
    }
}

impl Persist {
    /// What the requests of receipts of `origin` make now. Devices and metrics that are not there yet are made, within the source's bounds. What
    /// makes no sense is counted, and is no dead letter: it is one already, or the mapping of now is at fault.
    ///
    /// # Errors
    /// [`PersistError::Streams`]
    pub async fn reread(
        &self,
        origin: Origin<'_>,
        receipts: &[ReadAgain<'_>],
    ) -> Result<Vec<Reread>, PersistError> {
        let hash = self.pipeline().short_hash();
        let receipt = |one: &ReadAgain<'_>| ids::derive("reread", &[&one.receipt_id.to_string(), hash]);
        let of_one = |one| {
            let id = receipt(one);
            one.accepted().map(move |accepted| record::samples(id, accepted))
        };
        let samples: Vec<PayloadSamples<'_>> = receipts.iter().flat_map(of_one).collect();
        let resolved = self.streams.resolve_all(&samples).await.map_err(PersistError::Streams)?;
        let mut resolved = resolved.into_iter();
        let format = Name::known(origin.decoder.name());
        let reread = |one: &ReadAgain<'_>| {
            let mut made = Reread {
                original: one.receipt_id,
                requests: one.requests.len(),
                is_partial: one.is_partial,
                receipt: receipt(one),
                format: format.clone(),
                outcome: ReceiptOutcome::NoData,
                rows: Vec::new(),
                problems: one.requests.iter().filter(|request| request.is_none()).count(),
                evaluation_requests: Vec::new(),
                registry: i64::MAX,
            };
            for (accepted, streams) in one.accepted().zip(&mut resolved) {
                self.add(&mut made, accepted, streams);
            }
            made.outcome = ReceiptOutcome::of(!made.rows.is_empty(), made.problems > 0);
            made
        };
        Ok(receipts.iter().map(reread).collect())
    }

    fn add(&self, made: &mut Reread, accepted: &Accepted<'_>, resolved: ResolvedStreams) {
        made.problems += accepted.decoded.problems.count() + resolved.left_out.len();
        made.evaluation_requests.extend(self.requests(accepted, &resolved.streams));
        made.registry = made.registry.min(resolved.registry);
        made.rows.extend(resolved.streams.into_iter().flat_map(|stream| stream.rows));
    }
}

/// The request that is kept beside a receipt, as it is read now.
///
/// # Errors
/// [`CodecError`], of refusals [`Refusal::Panicked`] alone.
pub async fn read<'p>(
    origin: Origin<'p>,
    stored: &StoredRequest,
    codecs: &Codecs,
) -> Result<ReadAgain<'p>, CodecError> {
    let accepted = match RecordedRequest::from_bytes(&stored.body.clone().into()) {
        Ok(request) => match Accepted::of(origin, request, stored.received_at) {
            Ok(acceptance) => Some(codecs.complete(acceptance).await?),
            Err(panicked @ Refusal::Panicked(_)) => return Err(panicked.into()),
            Err(_) => None,
        },
        Err(_) => None,
    };
    Ok(ReadAgain { receipt_id: stored.receipt_id, requests: vec![accepted], is_partial: false })
}
