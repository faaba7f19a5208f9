#![doc = include_str!("../README.md")]

mod activate;
mod batch;
mod error;
mod events;
mod held;
mod persist;
mod record;
mod reread;
mod topic_record;

pub use activate::activate;
pub use batch::Prepared;
pub use codecs::Codecs;
pub use error::PersistError;
pub use events::Publication;
pub use held::Swept;
pub use persist::{Arrival, Persist, PersistParts};
pub use reread::{ReadAgain, read};
pub use topic_record::{RecordContent, TopicRecord, Unreadable};
