//! The state directory: PostgreSQL's files, the broker's log, the stages' output and what they count. One `freshet up` at a time.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use runtime::Failure;

const BROKER: &str = "broker";

/// A state directory that no other process uses.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    // Held until the end; the system lets go of it even after kill -9.
    _lock: File,
}

impl StateDirectory {
    /// Makes the directory where it is missing, for its owner alone, and takes it.
    ///
    /// # Errors
    /// Where it cannot be made, or another `freshet up` runs in it.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        let cannot = |cause: &std::io::Error| {
            Failure::because(format!("the state directory {} cannot be used", path.display()), cause)
        };
        // PostgreSQL's account has to get through to its part where root makes the directory.
        make(path, if nix::unistd::Uid::effective().is_root() { 0o711 } else { 0o700 })
            .map_err(|error| cannot(&error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot(&error))?;
        // Its logs hold every payload.
        make(&path.join(BROKER), 0o700).map_err(|error| cannot(&error))?;
        let lock = File::create(path.join("lock")).map_err(|error| cannot(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(format!("another `freshet up` runs in {}", path.display()))
                    .hint("stop it, or choose another directory with --state-dir"))
            }
            Err(TryLockError::Error(error)) => Err(cannot(&error)),
        }
    }

    /// Removes what an earlier run left in the directory, so that this one starts from nothing.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn empty(&self) -> Result<(), Failure> {
        for part in [self.postgres(), self.broker(), self.scratch()] {
            match fs::remove_dir_all(&part) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::because(format!("{} cannot be removed", part.display()), &error));
                }
                _ => {}
            }
        }
        let broker = self.broker();
        make(&broker, 0o700)
            .map_err(|error| Failure::because(format!("{} cannot be made", broker.display()), &error))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// PostgreSQL's part of it.
    pub fn postgres(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// The broker's part of it.
    pub fn broker(&self) -> PathBuf {
        self.path.join(BROKER)
    }

    /// The part of it where stages count which events end their processes.
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }
}

/// A directory of this mode, whoever made it.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::StateDirectory;

    #[test]
    fn what_is_kept_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        // As an earlier version left it.
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let directory = StateDirectory::take(&path).unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // None may list it, and none but PostgreSQL's account has a reason to pass through it.
        assert_eq!(mode(directory.path()) & 0o066, 0);
        assert_eq!(mode(&directory.broker()), 0o700);
        directory.empty().unwrap();
        assert_eq!(mode(&directory.broker()), 0o700);
    }

    #[test]
    fn a_second_taker_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDirectory::take(folder.path()).unwrap();
        assert!(
            StateDirectory::take(folder.path())
                .unwrap_err()
                .to_string()
                .contains("another `freshet up` runs in")
        );
        drop(first);
        StateDirectory::take(folder.path()).unwrap();
    }
}
