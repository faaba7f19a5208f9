//! The database that a command works with: the one that the environment names, else that of the `freshet up` which
//! runs in this folder.

use runtime::Env;
use store::{Client, Database, DatabaseSettings};

use crate::local_addresses;
use runtime::Failure;

/// What to do where no database can be reached.
const HINT: &str = "set DATABASE_URL (postgresql://user@host/database) to the database that the services use, \
    or be in the folder where `freshet up` runs";

/// Where the database is: from `DATABASE_URL` or the `PG*` variables; without them that of a running `freshet up`.
///
/// # Errors
/// Where they are wrong, or there is neither.
pub fn settings() -> Result<DatabaseSettings, Failure> {
    if !is_named()
        && let Some(url) = local_addresses::database_url()
    {
        return DatabaseSettings::from_url(&url).map(|settings| settings.pool_size(1)).map_err(|error| {
            Failure::because("the address that `freshet up` left is wrong", &error).hint(HINT)
        });
    }
    let mut env = Env::process();
    let settings = DatabaseSettings::from_env(&mut env);
    match env.finish() {
        Ok(()) => Ok(settings.pool_size(1)),
        Err(mistakes) => Err(Failure::new(format!("the database is not known: {mistakes}")).hint(HINT)),
    }
}

/// Whether the environment names a database.
fn is_named() -> bool {
    std::env::vars_os().any(|(name, _)| {
        let name = name.to_string_lossy();
        name == "DATABASE_URL" || name.starts_with("PG")
    })
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
