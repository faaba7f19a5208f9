use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use crate::{Client, StoreError};

/// A transaction under way. Dropped without [`commit`](Self::commit) it is rolled back.
pub struct Transaction<'c>(pub(crate) deadpool_postgres::Transaction<'c>);

impl<'c> Transaction<'c> {
    /// Begins one on this connection.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn begin(client: &'c mut Client) -> Result<Self, StoreError> {
        Ok(Self(client.transaction().await?))
    }

    /// Begins one that sees what is there now, until its end, and writes nothing. None of its statements runs for longer than `limit`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn begin_to_read(client: &'c mut Client, limit: Duration) -> Result<Self, StoreError> {
        let begun =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = Self(begun.start().await?);
        let limit = limit.as_millis().to_string();
        transaction.query("select set_config('statement_timeout', $1, true)", &[&limit]).await?;
        Ok(transaction)
    }

    /// Commits it.
    ///
    /// # Errors
    /// [`StoreError`]; whether it was committed is then not known.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    /// Notes where it stands, for [`back`](Self::back).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn save(&self) -> Result<(), StoreError> {
        Ok(self.0.batch_execute("savepoint saved").await?)
    }

    /// Takes back what it did since it was [saved](Self::save) last, also where a statement has failed since.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn back(&self) -> Result<(), StoreError> {
        Ok(self.0.batch_execute("rollback to savepoint saved").await?)
    }

    /// The rows that a prepared statement gives.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query(&statement, parameters).await?)
    }

    /// How many rows a prepared statement touched.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.execute(&statement, parameters).await?)
    }
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
