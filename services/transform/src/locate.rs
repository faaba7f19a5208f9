//! Where a payload's readings go: the streams of its device, made where they are not there yet.

use cloudevents::{AttributesReader as _, Event};
use event_model::ids;
use store::{Located, Sighting, StoreError, Streams};

use crate::content::Content;
use crate::origin::Origin;

/// Finds the streams of what was decoded from `event`.
pub(crate) async fn locate(
    streams: &Streams,
    event: &Event,
    origin: &Origin<'_>,
    content: &Content,
) -> Result<Located, StoreError> {
    let sighting = Sighting {
        source: origin.name,
        source_tags: &origin.source.tags,
        device_tags: &content.decoded.tags,
        received_at: origin.received_at,
        receipt_id: ids::of_receipt(event.source(), event.id()),
        samples: &content.decoded.samples,
    };
    streams.locate(&sighting).await
}
