//! What the record around a payload calls the device, as the request keeps it that stands for the record.

use event_model::{RecordedRequest, form};

use crate::origin::Origin;

/// The header field that keeps it, percent-encoded.
pub(crate) const DEVICE_HEADER: &str = "freshet-device";

/// What the record of a request calls the device, where the request's source asks for that.
pub(crate) fn record_device(origin: Origin<'_>, request: &RecordedRequest) -> Option<String> {
    origin.source.record_device()?;
    request.header(DEVICE_HEADER).map(|value| form::percent_decoded(value).into_owned())
}
