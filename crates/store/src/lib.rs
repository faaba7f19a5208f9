#![doc = include_str!("../README.md")]

pub mod active_pipeline;
pub mod alerts;
pub mod canary;
mod database;
pub mod dead_letters;
mod device_name;
pub mod due;
mod error;
pub mod export;
pub mod fallbacks;
pub mod floors;
pub mod heartbeats;
pub mod held;
pub mod jobs;
pub mod migrate;
mod name_generation;
pub mod notifications;
pub mod overview;
mod partitions;
mod pruned;
pub mod queries;
mod record_place;
pub mod refusals;
pub mod registry;
pub mod reports;
pub mod reprocess;
pub mod retention;
pub mod rollups;
mod row;
mod sent;
mod settings;
pub mod streams;
pub mod sums;
mod tls;
pub mod topic_offsets;
mod transaction;
mod word;
pub mod writer;

pub use database::Database;
pub use deadpool_postgres::Client;
pub use error::StoreError;
pub use event_model::ReceiptOutcome;
pub use migrate::{MigrateError, Migrated, migrate};
pub use record_place::{RecordPlace, Topic};
pub use row::MomentRow;
pub use settings::DatabaseSettings;
pub use streams::{
    LeftOut, MAX_METRICS, NewDevices, NoRoom, PayloadSamples, ResolvedStream, ResolvedStreams, Streams, Tags,
};
pub use transaction::Transaction;
pub use writer::{
    EvaluationRequest, KeptRequest, Observer, Payload, Receipt, ReceiptKey, TopicBatch, TopicContent,
    TopicEntry, TopicWriteError, WriteError, Writer, Written,
};
