//! A private, durable PostgreSQL with the schema, as `freshet up` runs it.

use std::process::Command;

use postgres_local::{Instance, Options};
use tokio_postgres::{Client, NoTls};

use crate::binaries;

/// A server with one migrated database.
pub struct Database {
    instance: Instance,
    _directory: tempfile::TempDir,
}

impl Database {
    /// Starts a server and migrates a database on it.
    ///
    /// # Panics
    /// If PostgreSQL's server binaries are missing, or the migration fails.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let instance = Instance::start(&Options::new(directory.path().join("postgres")).ephemeral())
            .unwrap_or_else(|error| panic!("bench needs PostgreSQL: {error}"));
        let database = Self { instance, _directory: directory };
        let migrated = Command::new(binaries::path("freshet"))
            .arg("migrate")
            .env("DATABASE_URL", database.url())
            .status()
            .expect("freshet is built");
        assert!(migrated.success(), "the migration failed");
        database
    }

    /// Its connection URL.
    pub fn url(&self) -> String {
        self.instance.url("postgres")
    }

    /// The server's process.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pid(&self) -> u32 {
        self.instance.pid().expect("the server that was started runs")
    }

    /// A connection of its own.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn connect(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), NoTls).await.expect("the server that was started answers");
        tokio::spawn(connection);
        client
    }

    /// Empties every table that grows with payloads; topics are read from their beginning again.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn empty(&self) {
        self.connect()
            .await
            .batch_execute(
                "truncate moment, receipt, receipt_key, evaluation_request, dead_letter, topic_offset; checkpoint",
            )
            .await
            .expect("the tables are there");
    }
}
