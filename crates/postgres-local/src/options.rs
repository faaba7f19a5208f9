use std::path::PathBuf;

/// How to run a server.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) run_as: Option<String>,
    pub(crate) loopback_port: Option<u16>,
    pub(crate) durable: bool,
    pub(crate) ephemeral: bool,
    pub(crate) settings: Vec<(String, String)>,
}

impl Options {
    /// A durable server whose files lie in `directory`, which is made if it is not there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            run_as: None,
            loopback_port: None,
            durable: true,
            ephemeral: false,
            settings: Vec::new(),
        }
    }

    /// The user that it runs as when root starts it; without this `postgres`, else `nobody`.
    #[must_use]
    pub fn run_as(mut self, user: impl Into<String>) -> Self {
        self.run_as = Some(user.into());
        self
    }

    /// Listens on 127.0.0.1 too. Whoever connects there needs the password in the file `password`.
    #[must_use]
    pub fn loopback_port(mut self, port: u16) -> Self {
        self.loopback_port = Some(port);
        self
    }

    /// For tests: writes are not forced to disk. They survive `kill -9` of the server, not a power failure.
    #[must_use]
    pub fn without_fsync(mut self) -> Self {
        self.durable = false;
        self
    }

    /// For tests: the directory is removed when the server's starter ends.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// One setting of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}
