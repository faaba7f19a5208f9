use std::path::PathBuf;

use thiserror::Error;

/// Why there is no server.
#[derive(Debug, Error)]
pub enum Error {
    /// No server binaries are installed where they usually are.
    #[error("PostgreSQL's server binaries were not found (looked for `postgres` and `initdb` in {searched})")]
    NoBinaries {
        /// Where we looked.
        searched: String,
    },
    /// The user that the server would run as does not exist.
    #[error("there is no user `{0}` to run PostgreSQL as; it does not run as root")]
    NoUser(String),
    /// The user that the server runs as may not reach its directory.
    #[error("the user `{user}`, whom PostgreSQL runs as, may not enter {}: choose a directory elsewhere", directory.display())]
    NotReachable {
        /// Who.
        user: String,
        /// The first directory on the way that is closed.
        directory: PathBuf,
    },
    /// `initdb` failed.
    #[error("initdb failed: {0}")]
    InitDb(String),
    /// The server ended before it was ready, or was not ready in time.
    #[error("PostgreSQL did not start: {0}")]
    Start(String),
    /// The operating system refused something.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What it answered.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
