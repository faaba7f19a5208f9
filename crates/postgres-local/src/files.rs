//! Directories and files that only the server's user may enter.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tempfile::TempDir;

use crate::Error;
use crate::owner::Owner;

/// The longest path of a Unix socket on Linux and macOS is 103 bytes; `/.s.PGSQL.65535` is 15 of them.
const LONGEST_SOCKET_DIRECTORY: usize = 88;
/// What is read of a file, in bytes.
const MOST_READ: u64 = 64 * 1024;

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
            make_within(owner, &inside)?;
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

/// A directory for the owner alone; made if it is not there. What it is in belongs to us or to the owner: only the
/// directory itself is opened, never what a link of its name points to.
pub(crate) fn make_private(owner: &Owner, directory: &Path) -> Result<(), Error> {
    let what = || format!("cannot make {}", directory.display());
    fs::create_dir_all(directory).map_err(Error::io(what()))?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(directory);
    let opened = opened.map_err(Error::io(what()))?;
    opened.set_permissions(Permissions::from_mode(0o700)).map_err(Error::io(what()))?;
    owner.take(&opened, directory)
}

/// A directory for the owner alone, made by the owner, within one that is the owner's.
fn make_within(owner: &Owner, directory: &Path) -> Result<(), Error> {
    let script = r#"mkdir -p -- "$1" && chmod 700 -- "$1""#;
    owner.run(script, directory, "").map_err(Error::io(format!("cannot make {}", directory.display())))
}

/// A file for the owner alone, written by the owner, within a directory that is the owner's; a link of its name goes.
pub(crate) fn write_private(owner: &Owner, path: &Path, text: &str) -> Result<(), Error> {
    let script = r#"umask 077 && rm -f -- "$1" && cat >"$1""#;
    owner.run(script, path, text).map_err(Error::io(format!("cannot write {}", path.display())))
}

/// The text of a file that is no link, from `from` on, at most [`MOST_READ`] bytes.
pub(crate) fn read(path: &Path, from: u64) -> io::Result<String> {
    // What is opened may be anything: a pipe without a writer is not waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
