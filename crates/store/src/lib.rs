#![doc = include_str!("../README.md")]

pub mod active_pipeline;
pub mod alerts;
mod database;
pub mod dead_letters;
mod error;
pub mod migrate;
pub mod notifications;
pub mod pulses;
pub mod queries;
mod row;
mod settings;
mod tls;

pub use database::Database;
pub use deadpool_postgres::Client;
pub use error::StoreError;
pub use migrate::{MigrateError, Migrated, migrate};
pub use row::ReadingRow;
pub use settings::DatabaseSettings;
