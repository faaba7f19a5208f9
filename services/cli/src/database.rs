//! The database that a command works with: the one that the services use.

use stage::Env;
use store::{Client, Database, DatabaseSettings};

use crate::failure::Failure;

/// What to do where no database can be reached.
const HINT: &str = "set DATABASE_URL (postgresql://user@host/database) to the database that the services use";

/// Where the database is, from `DATABASE_URL` or the `PG*` variables.
///
/// # Errors
/// Where they are missing or wrong.
pub fn settings() -> Result<DatabaseSettings, Failure> {
    let mut env = Env::process();
    let settings = DatabaseSettings::from_env(&mut env);
    match env.finish() {
        Ok(()) => Ok(settings.pool_size(1)),
        Err(mistakes) => Err(Failure::new(format!("the database is not known: {mistakes}")).hint(HINT)),
    }
}

/// A connection.
///
/// # Errors
/// Where there is none, or its schema is too old.
pub async fn client() -> Result<Client, Failure> {
    Database::new(&settings()?).client().await.map_err(|error| failed(&error))
}

/// What the database said.
pub fn failed(error: &store::StoreError) -> Failure {
    let failure = Failure::because("the database cannot be asked", error);
    match error {
        store::StoreError::SchemaTooOld { .. } => failure.hint("run `freshet migrate` first"),
        store::StoreError::Connect(_) => failure.hint(HINT),
        _ => failure,
    }
}
