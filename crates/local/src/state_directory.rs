//! The state directory: PostgreSQL's files, the broker's log, the stages' output. One `freshet up` at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use runtime::Failure;

/// A state directory that no other process uses.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    // Held until the end; the system lets go of it even after kill -9.
    _lock: File,
}

impl StateDirectory {
    /// Makes the directory where it is missing, and takes it.
    ///
    /// # Errors
    /// Where it cannot be made, or another `freshet up` runs in it.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        let cannot = |cause: &std::io::Error| {
            Failure::because(format!("the state directory {} cannot be used", path.display()), cause)
        };
        fs::create_dir_all(path).map_err(|error| cannot(&error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot(&error))?;
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
        for part in [self.postgres(), self.broker()] {
            match fs::remove_dir_all(&part) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::because(format!("{} cannot be removed", part.display()), &error));
                }
                _ => {}
            }
        }
        Ok(())
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
        self.path.join("broker")
    }
}

#[cfg(test)]
mod tests {
    use super::StateDirectory;

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
