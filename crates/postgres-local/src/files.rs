//! Directories and files that only the server's user may enter.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;
use crate::owner::Owner;

/// The longest path of a Unix socket on Linux and macOS is 103 bytes; `/.s.PGSQL.65535` is 15 of them.
const LONGEST_SOCKET_DIRECTORY: usize = 88;

/// Where the server's Unix socket lies.
#[derive(Debug)]
pub(crate) enum Socket {
    Inside(PathBuf),
    /// Where the path of the directory is too long for a socket.
    Elsewhere(TempDir),
}

impl Socket {
    /// `socket/` in `directory`, else a directory of its own in `/tmp`.
    pub(crate) fn choose(owner: &Owner, directory: &Path) -> Result<Self, Error> {
        let inside = directory.join("socket");
        if inside.as_os_str().len() <= LONGEST_SOCKET_DIRECTORY {
            make_private(owner, &inside)?;
            return Ok(Self::Inside(inside));
        }
        let elsewhere = tempfile::Builder::new()
            .prefix("freshet-")
            .tempdir_in("/tmp")
            .map_err(Error::io("cannot make a directory for the socket in /tmp"))?;
        make_private(owner, elsewhere.path())?;
        Ok(Self::Elsewhere(elsewhere))
    }

    pub(crate) fn directory(&self) -> &Path {
        match self {
            Self::Inside(path) => path,
            Self::Elsewhere(directory) => directory.path(),
        }
    }
}

/// A directory for the owner alone; made if it is not there.
pub(crate) fn make_private(owner: &Owner, directory: &Path) -> Result<(), Error> {
    let what = || format!("cannot make {}", directory.display());
    fs::create_dir_all(directory).map_err(Error::io(what()))?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(Error::io(what()))?;
    owner.take(directory)
}

/// A file for the owner alone.
pub(crate) fn write_private(owner: &Owner, path: &Path, text: &str) -> Result<(), Error> {
    let what = || format!("cannot write {}", path.display());
    fs::write(path, text).map_err(Error::io(what()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Error::io(what()))?;
    owner.take(path)
}
