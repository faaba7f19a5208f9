//! Whom the server runs as: ourselves, or another user where we are root.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use crate::Error;

const SEARCH_OTHERS: u32 = 0o001;
const SEARCH_GROUP: u32 = 0o010;
const SEARCH_OWNER: u32 = 0o100;

/// The user that owns the server's files and processes; `None` in `other` is ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    other: Option<User>,
}

impl Owner {
    /// Ourselves, unless we are root.
    pub(crate) fn choose(wanted: Option<&str>) -> Result<Self, Error> {
        if !Uid::effective().is_root() {
            return Ok(Self { other: None });
        }
        let names = wanted.map_or_else(|| vec!["postgres", "nobody"], |name| vec![name]);
        names
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self { other: Some(user) })
            .ok_or_else(|| Error::NoUser(names.join("` or `")))
    }

    /// A command that runs as this user, away from the terminal's signals.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.process_group(0);
        if let Some(user) = &self.other {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).env("HOME", &user.dir).current_dir("/");
        }
        command
    }

    /// Hands an open directory over to this user; `path` is its name.
    pub(crate) fn take(&self, opened: &File, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.other else { return Ok(()) };
        fchown(opened, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(Error::io(format!(
            "cannot give {} to {}",
            path.display(),
            user.name
        )))
    }

    /// Runs a shell script as this user, whose `$1` is `path` and whose standard input is `input`.
    pub(crate) fn run(&self, script: &str, path: &Path, input: &str) -> io::Result<()> {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", script, "postgres-local"]).arg(path);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Whether this user may enter every directory above `path`.
    pub(crate) fn check_reach(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.other else { return Ok(()) };
        for directory in path.ancestors().skip(1) {
            let Ok(metadata) = directory.metadata() else { continue };
            let needed = if metadata.uid() == user.uid.as_raw() {
                SEARCH_OWNER
            } else if Gid::from_raw(metadata.gid()) == user.gid {
                SEARCH_GROUP
            } else {
                SEARCH_OTHERS
            };
            if metadata.mode() & needed == 0 {
                return Err(Error::NotReachable { user: user.name.clone(), directory: directory.to_owned() });
            }
        }
        Ok(())
    }
}
