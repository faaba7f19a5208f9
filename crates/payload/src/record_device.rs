//! What the record around a payload calls the device, as the request keeps it that stands for the record.

use event_model::{RecordedRequest, form};

use crate::origin::Origin;

/// The header field that keeps it, percent-encoded.
pub(crate) const DEVICE_HEADER: &str = "freshet-device";

/// Whether the source of a payload asks the record around it for the device.
pub(crate) fn asks_record(origin: Origin<'_>) -> bool {
    origin.source.kafka.as_ref().is_some_and(|topics| topics.device.is_some())
}

/// What the record of a request calls the device, where the request's source asks for that.
pub(crate) fn record_device(origin: Origin<'_>, request: &RecordedRequest) -> Option<String> {
    let header = if asks_record(origin) { request.header(DEVICE_HEADER) } else { None };
    header.map(|value| form::percent_decoded(value).into_owned())
}
