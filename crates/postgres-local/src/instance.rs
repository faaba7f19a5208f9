use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

use crate::binaries::{Binaries, find_binaries};
use crate::files::{self, Socket, make_private, write_private};
use crate::owner::Owner;
use crate::{Error, Options, watched};

/// The file name of a socket is `.s.PGSQL.<port>`; without TCP the port only names it.
const SOCKET_PORT: u16 = 5432;
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// After `kill -9` of a server its last processes hold its memory for a moment, and a new one refuses to start.
const START_ATTEMPTS: u32 = 10;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// A running server. Dropping it stops the server.
///
/// All methods block; async callers go through `spawn_blocking`.
#[derive(Debug)]
pub struct Instance {
    options: Options,
    owner: Owner,
    binaries: Binaries,
    socket: Socket,
    server: Option<Child>,
}

impl Instance {
    /// Starts a server and waits until it takes connections. A server that an earlier process left behind in
    /// the same directory is stopped first; what a crash left behind is recovered.
    ///
    /// # Errors
    /// [`Error`]; the text of [`Error::Start`] holds the end of the server's log.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let binaries = find_binaries()?;
        let owner = Owner::choose(options.run_as.as_deref())?;
        let directory = std::path::absolute(&options.directory)
            .map_err(Error::io(format!("cannot resolve {}", options.directory.display())))?;
        let options = Options { directory: directory.clone(), ..options.clone() };
        make_private(&owner, &directory)?;
        owner.check_reach(&directory.join("data"))?;
        let socket = Socket::choose(&owner, &directory)?;
        let mut instance = Self { options, owner, binaries, socket, server: None };
        instance.initialise()?;
        instance.stop_left_over();
        instance.start_server()?;
        Ok(instance)
    }

    /// A connection string for tokio-postgres and libpq: `postgresql://postgres@/<database>?host=<socket directory>`.
    pub fn url(&self, database: &str) -> String {
        let host: String =
            self.socket_directory().to_string_lossy().bytes().fold(String::new(), |mut text, byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("%{byte:02X}"));
                }
                text
            });
        format!("postgresql://postgres@/{database}?host={host}&port={}", self.port())
    }

    /// The directory of the Unix socket, as `PGHOST` takes it.
    pub fn socket_directory(&self) -> &Path {
        self.socket.directory()
    }

    /// The port, as `PGPORT` takes it; it names the socket too.
    pub fn port(&self) -> u16 {
        self.options.loopback_port.unwrap_or(SOCKET_PORT)
    }

    /// The password that connections to the loopback port need.
    ///
    /// # Errors
    /// [`Error::Io`] where its file cannot be read.
    pub fn password(&self) -> Result<String, Error> {
        let path = self.path("password");
        files::read(&path, 0).map_err(Error::io(format!("cannot read {}", path.display())))
    }

    /// Whether the server has not ended, be it by itself.
    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(|server| matches!(server.try_wait(), Ok(None)))
    }

    /// The process id of the server; `None` after it was stopped or killed.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Stops the server: open transactions are rolled back, what is committed is on disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the server cannot be waited for.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        signal(&server, Signal::SIGINT);
        if !ended_within(&mut server, STOP_LIMIT)? {
            signal(&server, Signal::SIGQUIT);
            server.wait().map_err(Error::io("cannot wait for the server"))?;
        }
        Ok(())
    }

    /// Kills the server on the spot (`kill -9`), as a crash would.
    ///
    /// # Errors
    /// [`Error::Io`] where the server cannot be waited for.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        signal(&server, Signal::SIGKILL);
        server.wait().map_err(Error::io("cannot wait for the server"))?;
        Ok(())
    }

    /// Starts the server again after [`Instance::stop`] or [`Instance::kill`], at the same address.
    ///
    /// # Errors
    /// As [`Instance::start`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.start_server()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.options.directory.join(name)
    }

    /// Makes the database cluster, under another name first so that a crash leaves no half of one.
    fn initialise(&self) -> Result<(), Error> {
        let data = self.path("data");
        if data.join("PG_VERSION").is_file() {
            return Ok(());
        }
        let unfinished = self.path("data.unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .map_err(Error::io(format!("cannot remove {}", unfinished.display())))?;
        }
        let password = self.path("password");
        write_private(&self.owner, &password, &Uuid::new_v4().simple().to_string())?;
        let mut initdb = self.owner.command(self.binaries.path("initdb"));
        initdb.arg("--pgdata").arg(&unfinished).arg("--pwfile").arg(&password);
        initdb.args(["--username=postgres", "--encoding=UTF8", "--no-locale"]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
        if !self.options.durable {
            initdb.arg("--no-sync");
        }
        let output = initdb.stdin(Stdio::null()).output().map_err(Error::io("cannot start initdb"))?;
        if !output.status.success() {
            return Err(Error::InitDb(last_words(&output)));
        }
        fs::rename(&unfinished, &data).map_err(Error::io(format!("cannot make {}", data.display())))
    }

    /// Stops a server that runs on our data directory because its starter was killed a moment ago.
    fn stop_left_over(&self) {
        if !self.path("data").join("postmaster.pid").exists() {
            return;
        }
        let mut pg_ctl = self.owner.command(self.binaries.path("pg_ctl"));
        pg_ctl.args(["stop", "--mode=fast", "--wait", "--silent", "--pgdata"]).arg(self.path("data"));
        match pg_ctl.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => tracing::info!("stopped the server of an earlier run"),
            // The usual case: the file is all that a killed server left behind.
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot start pg_ctl"),
        }
    }

    fn start_server(&mut self) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            match self.try_start() {
                Err(Error::Start(_)) if attempt < START_ATTEMPTS => sleep(BETWEEN_ATTEMPTS),
                result => return result,
            }
            attempt += 1;
        }
    }

    fn try_start(&mut self) -> Result<(), Error> {
        let log = self.path("postgres.log");
        let log_from = fs::symlink_metadata(&log).map_or(0, |metadata| metadata.len());
        let remove = self.options.ephemeral.then_some(self.options.directory.as_path());
        let mut server = watched::spawn(&self.owner, &self.command_line(), &log, remove)?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if server.try_wait().map_err(Error::io("cannot wait for the server"))?.is_some() {
                return Err(Error::Start(log_since(&log, log_from)));
            }
            if self.is_ready(server.id()) {
                self.server = Some(server);
                return Ok(());
            }
            sleep(POLL);
        }
        signal(&server, Signal::SIGQUIT);
        Err(Error::Start(format!("it was not ready within {} s", START_LIMIT.as_secs())))
    }

    fn command_line(&self) -> Vec<String> {
        let mut line = vec![
            self.binaries.path("postgres").to_string_lossy().into_owned(),
            "-D".to_owned(),
            self.path("data").to_string_lossy().into_owned(),
        ];
        let listen = if self.options.loopback_port.is_some() { "127.0.0.1" } else { "" };
        let mut settings = vec![
            ("listen_addresses".to_owned(), listen.to_owned()),
            ("port".to_owned(), self.port().to_string()),
            ("unix_socket_directories".to_owned(), self.socket_directory().to_string_lossy().into_owned()),
            ("unix_socket_permissions".to_owned(), "0700".to_owned()),
            ("timezone".to_owned(), "UTC".to_owned()),
            ("log_timezone".to_owned(), "UTC".to_owned()),
        ];
        if !self.options.durable {
            settings.push(("fsync".to_owned(), "off".to_owned()));
        }
        settings.extend(self.options.settings.iter().cloned());
        for (name, value) in settings {
            line.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        line
    }

    /// The server writes its process id into the first line of `postmaster.pid`, and how it is into the eighth.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(text) = files::read(&self.path("data").join("postmaster.pid"), 0) else { return false };
        let mut lines = text.lines();
        lines.next().is_some_and(|line| line.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "the server was not stopped");
        }
    }
}

fn signal(server: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(server.id()) {
        // A server that has ended already needs no signal.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn ended_within(server: &mut Child, limit: Duration) -> Result<bool, Error> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if server.try_wait().map_err(Error::io("cannot wait for the server"))?.is_some() {
            return Ok(true);
        }
        sleep(POLL);
    }
    Ok(false)
}

fn last_words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn log_since(log: &Path, from: u64) -> String {
    match files::read(log, from) {
        Ok(text) if !text.is_empty() => text,
        Ok(_) => format!("nothing was written to its log {}", log.display()),
        Err(error) => format!("its log {} cannot be read: {error}", log.display()),
    }
}
