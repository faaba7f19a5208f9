//! The database that a command works with: that of the `freshet up` whose state directory is named, else the one that the
//! environment names, else that of the `freshet up` which runs in this folder.

use runtime::Env;
use store::{Client, Database, DatabaseSettings};

use crate::state_directory::StateDirectory;
use runtime::Failure;

/// What to do where no database can be reached.
const HINT: &str = "set DATABASE_URL (postgresql://user@host/database) to the database that the services use, \
    name the state directory of a running `freshet up` with --state-dir, or be in the folder where it runs";

/// Where the database is.
///
/// # Errors
/// Where what names it is wrong, or nothing does.
pub fn settings(state: &StateDirectory) -> Result<DatabaseSettings, Failure> {
    if (state.is_named() || !is_named())
        && let Some(url) = state.database_url()
    {
        return DatabaseSettings::from_url(&url).map(|settings| settings.pool_size(1)).map_err(|error| {
            Failure::because("the address that `freshet up` left is wrong", &error).hint(HINT)
        });
    }
    if state.is_named() {
        let place = state.path().display();
        return Err(Failure::new(format!("no `freshet up` runs in {place}")).hint(HINT));
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
pub async fn client(state: &StateDirectory) -> Result<Client, Failure> {
    Database::new(&settings(state)?).client().await.map_err(|error| failed(&error))
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
