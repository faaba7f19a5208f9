use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::eventually;

/// A loopback port that was free a moment ago.
///
/// # Panics
/// Where none is.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .expect("a loopback port is free")
}

/// A binary under test. It is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Runs `binary` with `PORT` and these variables, and nothing else of our environment but `PATH`.
    ///
    /// # Panics
    /// Where it cannot be run.
    pub fn spawn(binary: &Path, environment: &[(&str, &str)]) -> Self {
        Self::spawn_with(binary, &[], environment)
    }

    /// The same with arguments.
    ///
    /// # Panics
    /// As [`Process::spawn`].
    pub fn spawn_with(binary: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PORT", port.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", binary.display()));
        Self { child, port }
    }

    /// Waits until it takes connections.
    ///
    /// # Panics
    /// Where it does not within 10 s.
    pub async fn listening(&self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        eventually(Duration::from_secs(10), || async move { TcpStream::connect(address) }).await;
    }

    /// `http://127.0.0.1:<port><path>`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        // One that has ended already needs no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The script of a mail server (aiosmtpd); it says itself how it is called.
pub const MAIL_SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp.py");

/// Debian's Python, which has Debian's modules, else any, where it has `module`.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let has = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).output();
        import.is_ok_and(|output| output.status.success())
    };
    [PathBuf::from("/usr/bin/python3"), PathBuf::from("python3")].into_iter().find(has)
}
