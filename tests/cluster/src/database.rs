//! A database of the test's own on the server that DATABASE_URL names.

use tokio_postgres::{Client, NoTls};
use url::Url;

use crate::Failure;

const EMPTY: &str = "
    truncate device, stream, metric, moment, receipt, receipt_key, evaluation_request, alert_state, alert_transition, notification,
             receiver_budget, dead_letter";

/// The database. [`Database::remove`] removes it.
#[derive(Debug, Clone)]
pub struct Database {
    server: Url,
    name: String,
}

impl Database {
    /// Makes it.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub async fn make(server: &Url, name: String) -> Result<Self, Failure> {
        let database = Self { server: server.clone(), name };
        database.administer(&format!("create database {}", database.name)).await?;
        Ok(database)
    }

    /// Its URL, for pods.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        // The test's own connections know no TLS.
        if !url.query_pairs().any(|(name, _)| name == "sslmode") {
            url.query_pairs_mut().append_pair("sslmode", "disable");
        }
        url.to_string()
    }

    /// A connection to it.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn connect(&self) -> Result<Client, Failure> {
        connect(&self.url()).await
    }

    /// One number.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn number(&self, query: &str) -> Result<i64, Failure> {
        Ok(self.connect().await?.query_one(query, &[]).await?.get(0))
    }

    /// Empties every table of what was measured and of what came of it; heartbeats stay. Nothing may run that has rows in memory.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn empty(&self) -> Result<(), Failure> {
        Ok(self.connect().await?.batch_execute(EMPTY).await?)
    }

    /// As if the server had stopped, for this database alone: every connection ends, none begins.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn refuse(&self) -> Result<(), Failure> {
        self.administer(&format!("alter database {} allow_connections false", self.name)).await?;
        self.end_connections().await
    }

    /// As if the server had started again.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn admit(&self) -> Result<(), Failure> {
        self.administer(&format!("alter database {} allow_connections true", self.name)).await
    }

    /// Removes it.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn remove(&self) -> Result<(), Failure> {
        self.administer(&format!("drop database if exists {} with (force)", self.name)).await
    }

    async fn end_connections(&self) -> Result<(), Failure> {
        let end =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        self.administer(&end).await
    }

    async fn administer(&self, statement: &str) -> Result<(), Failure> {
        Ok(connect(self.server.as_str()).await?.batch_execute(statement).await?)
    }
}

async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(|error| format!("the PostgreSQL of DATABASE_URL does not answer: {error}"))?;
    tokio::spawn(connection);
    Ok(client)
}
