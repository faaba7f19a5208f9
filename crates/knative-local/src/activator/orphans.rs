//! Processes that a killed broker left behind are killed by the next one.
//!
//! Where util-linux's `setpriv` is there, a process dies with its broker ([`super::spawner`]), but for one that has not got as far
//! as asking the kernel for it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::process::signal;

/// The list of running processes, whose orphans the next broker kills: a file for each, named as its `K_REVISION`. It is there before
/// the process is.
#[derive(Debug)]
pub(crate) struct OrphanReaper {
    folder: PathBuf,
    found: bool,
}

impl OrphanReaper {
    /// Opens the list and kills the processes that are still on it.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub(crate) fn start(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut listed = BTreeSet::new();
        for entry in std::fs::read_dir(&folder)? {
            listed.extend(entry?.file_name().into_string());
        }
        // A machine has many processes: they are looked at where one may be an orphan.
        let found = !listed.is_empty();
        if found {
            kill(&listed)?;
        }
        for revision in listed {
            std::fs::remove_file(folder.join(revision))?;
        }
        Ok(Self { folder, found })
    }

    /// Whether an earlier broker was killed while processes ran: they may take a moment to be gone.
    pub(crate) const fn found_processes(&self) -> bool {
        self.found
    }

    /// Puts a process that is about to start on the list.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn list(&self, revision: &str) -> io::Result<Listed> {
        let place = self.folder.join(revision);
        std::fs::write(&place, "")?;
        Ok(Listed(place))
    }
}

/// A place on the list, given up when dropped.
pub(super) struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        // A list that names a process which is gone does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn kill(revisions: &BTreeSet<String>) -> io::Result<()> {
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.path();
        let Some(pid) = process.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        if revision(&process).is_some_and(|revision| revisions.contains(&revision)) {
            tracing::warn!(pid, "a process of an earlier broker still ran");
            signal(pid, Signal::SIGKILL);
        }
    }
    Ok(())
}

/// What a process has as `K_REVISION`; `None` where it is gone, or another's.
fn revision(process: &Path) -> Option<String> {
    let environment = std::fs::read(process.join("environ")).ok()?;
    let variable =
        environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"K_REVISION="))?;
    String::from_utf8(variable.to_vec()).ok()
}
