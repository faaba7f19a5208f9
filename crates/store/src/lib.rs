//! PostgreSQL: migrations, the group-commit writer, the queues that are rows, queries.

pub mod alerts;
pub mod notifications;
