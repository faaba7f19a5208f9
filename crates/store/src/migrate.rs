//! The schema: migrations in order, over a direct connection, one process at a time.

use std::time::Duration;

use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient, NoTls};

use crate::StoreError;
use crate::settings::DatabaseSettings;
use crate::tls::{LazyTls, may_be_used};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The key of the lock under which migrations run: "freshet" in ASCII.
const LOCK: i64 = 0x0066_7265_7368_6574;
/// How long to wait for another process that migrates.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(300);
/// How long a migration may wait for a table that the pipeline uses: everything behind it waits as long.
const WAIT_FOR_TABLE: Duration = Duration::from_secs(10);

/// The SQL that makes the roles of the stages which make no tables: `roles.sql` of this crate.
pub const ROLES: &str = include_str!("../roles.sql");

/// What a run of the migrations did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// What was applied, in order: `V1__pipeline`.
    pub applied: Vec<String>,
    /// The version of the schema now.
    pub version: i32,
}

/// Why the schema was not brought up to date. What was applied before stays.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// The database refused something or went away.
    #[error("the database failed")]
    Database(#[from] tokio_postgres::Error),
    /// A migration failed, or differs from the one that was applied under its number.
    #[error("the migration failed")]
    Migration(#[from] refinery::Error),
    /// The tables are those of release 0.1.0, whose first migration was another one.
    #[error(
        "the database was made by Freshet 0.1.0, which no later release can take over: name an empty one"
    )]
    OfRelease010,
    /// The lock is not held by the connection that asked for it.
    #[error("the lock was taken by another connection: `DATABASE_DIRECT_URL` leads through a pooler")]
    NotDirect,
}

/// The version of the schema that this binary needs: the number of its newest migration.
pub const NEEDED_VERSION: i32 = match i32::from_str_radix(env!("NEWEST_MIGRATION"), 10) {
    Ok(version) => version,
    Err(_) => panic!("the build script says a number"),
};

/// Brings the schema up to date. Safe to run twice at once: the second waits, and finds nothing to do. A schema that a
/// later release made stays as it is: this release works on it, as after a rollback.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(settings: &DatabaseSettings) -> Result<Migrated, MigrateError> {
    let mut client = connect(settings).await?;
    lock(&client).await?;
    if is_of_release_0_1_0(&client).await? {
        return Err(MigrateError::OfRelease010);
    }
    let newer = version(&client).await? > NEEDED_VERSION;
    let report = embedded::migrations::runner().set_abort_missing(!newer).run_async(&mut client).await?;
    let applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    Ok(Migrated { applied, version: version(&client).await? })
    // The lock ends with the connection.
}

/// The version of the schema; 0 where there is none yet.
///
/// # Errors
/// Those of the database.
pub async fn version(client: &impl GenericClient) -> Result<i32, tokio_postgres::Error> {
    let sql = "select coalesce(max(version), 0) from refinery_schema_history";
    match client.query_one(sql, &[]).await {
        Ok(row) => row.try_get(0),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(0),
        Err(error) => Err(error),
    }
}

pub(crate) async fn check(client: &deadpool_postgres::Client) -> Result<(), StoreError> {
    let connection: &Client = client;
    let (found, needed) = (version(connection).await?, NEEDED_VERSION);
    if found < needed { Err(StoreError::SchemaTooOld { found, needed }) } else { Ok(()) }
}

/// Release 0.1.0 called the table of moments `reading`.
async fn is_of_release_0_1_0(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let sql =
        "select to_regclass('reading') is not null and to_regclass('refinery_schema_history') is not null";
    client.query_one(sql, &[]).await?.try_get(0)
}

async fn connect(settings: &DatabaseSettings) -> Result<Client, tokio_postgres::Error> {
    if may_be_used(&settings.direct) {
        let tls = LazyTls::new(settings.root_certificates.clone());
        let (client, connection) = settings.direct.connect(tls).await?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) = settings.direct.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Takes the lock for as long as the connection lasts, and makes sure that it is this connection which has it.
async fn lock(client: &Client) -> Result<(), MigrateError> {
    client.batch_execute(&format!("set lock_timeout = {}", WAIT_FOR_LOCK.as_millis())).await?;
    client.execute("select pg_advisory_lock($1)", &[&LOCK]).await?;
    client.batch_execute(&format!("set lock_timeout = {}", WAIT_FOR_TABLE.as_millis())).await?;
    let held = "
        select count(*) from pg_locks
        where locktype = 'advisory' and granted and pid = pg_backend_pid() and objsubid = 1
          and (classid::bigint << 32) | objid::bigint = $1";
    let held: i64 = client.query_one(held, &[&LOCK]).await?.try_get(0)?;
    if held == 1 { Ok(()) } else { Err(MigrateError::NotDirect) }
}
