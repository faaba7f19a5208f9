//! Processes that a killed broker left behind are killed by the next one.
//!
//! Where util-linux's `setpriv` is there, a process dies with its broker anyway ([`super::spawner`]).

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::process::signal;

/// The list of running processes, whose orphans the next broker kills: a file `<pid>` for each, which holds its `K_REVISION`.
#[derive(Debug)]
pub(crate) struct OrphanReaper(PathBuf);

impl OrphanReaper {
    /// Opens the list and kills the processes that are still on it. A process id that was given to another process since is known by
    /// its environment.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub(crate) fn start(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if let Some(pid) = still_running(&path) {
                tracing::warn!(pid, "a process of an earlier broker still ran");
                signal(pid, Signal::SIGKILL);
            }
            std::fs::remove_file(&path)?;
        }
        Ok(Self(folder))
    }

    pub(super) fn add(&self, pid: u32, revision: &str) -> io::Result<()> {
        std::fs::write(self.0.join(pid.to_string()), revision)
    }

    pub(super) fn remove(&self, pid: u32) {
        // A list that names a process which is gone does no harm.
        let _ = std::fs::remove_file(self.0.join(pid.to_string()));
    }
}

fn still_running(entry: &Path) -> Option<u32> {
    let pid: u32 = entry.file_name()?.to_str()?.parse().ok()?;
    let revision = std::fs::read_to_string(entry).ok()?;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let token = format!("K_REVISION={revision}");
    environment.split(|byte| *byte == 0).any(|variable| variable == token.as_bytes()).then_some(pid)
}
