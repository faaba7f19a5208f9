use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

use crate::StoreError;
use crate::migrate;
use crate::settings::{DatabaseSettings, is_local};
use crate::tls::{LazyTls, may_be_used};

/// A small pool of connections. Nothing is connected until the first is asked for; clones share the pool.
///
/// Statements work through a transaction pooler (PgBouncer from 1.21 with `max_prepared_statements`): no session
/// state, and advisory locks that end with their transaction.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    is_plain: bool,
    schema_is_current: Arc<AtomicBool>,
}

impl Database {
    /// A pool for this database.
    pub fn new(settings: &DatabaseSettings) -> Self {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let config = settings.config.clone();
        let is_plain = config.get_ssl_mode() == SslMode::Disable && !is_local(&config);
        let manager = if may_be_used(&config) {
            let tls = LazyTls::new(settings.root_certificates.clone());
            Manager::from_config(config, tls, manager_config)
        } else {
            Manager::from_config(config, NoTls, manager_config)
        };
        let limit = Some(settings.acquire_timeout);
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(limit)
            .create_timeout(limit)
            .recycle_timeout(limit)
            .build()
            .expect("a pool with time-outs is given its runtime");
        Self { pool, is_plain, schema_is_current: Arc::default() }
    }

    /// A connection. The schema is looked at once a process: it only ever grows.
    ///
    /// # Errors
    /// [`StoreError::Connect`] where there is none in time, [`StoreError::SchemaTooOld`] where migrations have not run.
    pub async fn client(&self) -> Result<Client, StoreError> {
        let client = self.pool.get().await?;
        if !self.schema_is_current.load(Ordering::Relaxed) {
            migrate::check(&client).await?;
            self.schema_is_current.store(true, Ordering::Relaxed);
        }
        Ok(client)
    }

    /// Whether what is sent leaves this machine without TLS.
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Closes every connection that is not in use; later calls get none.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("status", &self.pool.status()).finish_non_exhaustive()
    }
}
