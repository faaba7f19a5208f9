//! A server process that never outlives its starter.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::{Error, owner::Owner};

/// Becomes the server; a watcher beside it waits for the end of our pipe and stops the server then.
///
/// `$1` is the directory to remove afterwards, or empty; `$2` is the log, which the server's user opens itself. The wait for the server is bounded, because a process
/// that nobody reaps answers `kill -0` for ever. The pipe is moved to 3 because a shell gives what it starts
/// in the background an empty standard input.
const SCRIPT: &str = r#"
remove=$1 log=$2; shift 2
exec 3<&0 >>"$log" 2>&1
(
    cat <&3 >/dev/null
    kill -INT $$ 2>/dev/null
    if [ -n "$remove" ]; then
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            kill -0 $$ 2>/dev/null || break
            sleep 0.1
        done
        rm -rf "$remove"
    fi
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// Starts `command` as `owner`, with its output at the end of the file `log`.
pub(crate) fn spawn(
    owner: &Owner,
    command: &[String],
    log: &Path,
    remove: Option<&Path>,
) -> Result<Child, Error> {
    owner
        .command("/bin/sh")
        .arg("-c")
        .arg(SCRIPT)
        .arg("postgres-local")
        .arg(remove.unwrap_or(Path::new("")))
        .arg(log)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("cannot start the server's process"))
}
