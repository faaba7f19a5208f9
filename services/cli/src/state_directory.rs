//! Which `freshet up` a command looks at.

use std::path::{Path, PathBuf};

/// `--state-dir`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StateDirectory {
    /// The state directory of the `freshet up` that is looked at; if not given, what the environment names, else .freshet
    #[arg(long = "state-dir", value_name = "FOLDER", env = "FRESHET_STATE_DIR")]
    named: Option<PathBuf>,
}

/// Where `freshet up` keeps everything.
pub const DEFAULT: &str = ".freshet";

impl StateDirectory {
    /// Whether one is named.
    pub const fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.named.as_deref().unwrap_or(Path::new(DEFAULT))
    }

    /// The database of the `freshet up` that runs there; a command built without it finds none.
    pub fn database_url(&self) -> Option<String> {
        #[cfg(feature = "local")]
        return local::addresses::database_url(self.path());
        #[cfg(not(feature = "local"))]
        None
    }

    /// The Broker of the `freshet up` that runs there.
    pub fn broker_url(&self) -> Option<String> {
        #[cfg(feature = "local")]
        return local::addresses::broker_url(self.path());
        #[cfg(not(feature = "local"))]
        None
    }
}
