#![doc = include_str!("../README.md")]

mod acceptance;
mod accepted;
mod calibration;
mod event;
mod inspected;
mod origin;
mod plain;
mod record;
mod record_device;
mod refusal;
mod repetition;
mod watch;
mod without_device;

pub use acceptance::{Acceptance, NeedsCodec};
pub use accepted::Accepted;
pub use event::{Carried, Received, payload_received, plausible};
pub use inspected::{Content, Inspected};
pub use origin::Origin;
pub use plain::{PlainPayload, PlainValue, RecordHead};
pub use record::{CredentialTraces, RequestHead, record};
pub use refusal::Refusal;
pub use repetition::Repetition;
pub use watch::{holds_firing, holds_watched, is_watched, may_be_watched};
pub use without_device::{Without, without_device};
