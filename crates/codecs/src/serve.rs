//! The process that runs scripts.

use std::ffi::OsStr;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::RawFd;
use std::process::exit;

use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{Resource, setrlimit};

use crate::engine::Engine;
use crate::wire::{self, Request};

/// The argument that makes a binary the process that runs scripts.
pub(crate) const ARGUMENT: &str = "codec-worker";

/// What the process may hold beyond what it holds at its start, in bytes: QuickJS has its own limit, which is lower. The start may be much
/// already, where an allocator reserves what it does not use.
const DATA: u64 = 128 * 1024 * 1024;
/// Its files: input, output and errors, and what the language opens for a moment.
const FILES: u64 = 16;

/// Where the first argument asks for it, serves frames until its input ends, and ends the process. The first act of each `main` whose
/// process has a [`Codecs`](crate::Codecs).
pub fn serve_if_asked() {
    if std::env::args_os().nth(1).as_deref() != Some(OsStr::new(ARGUMENT)) {
        return;
    }
    let served = confine().and_then(|()| serve());
    if let Err(error) = &served {
        eprintln!("the process of codecs ends: {error}");
    }
    exit(i32::from(served.is_err()));
}

/// Takes from the process what no script needs: it begins with an empty environment, and keeps nothing open of its parent's.
fn confine() -> io::Result<()> {
    for file in open_files() {
        // One that is closed already is the listing's own.
        let _ = nix::unistd::close(file);
    }
    set_no_new_privs()?;
    if let Some(held) = held() {
        setrlimit(Resource::RLIMIT_DATA, held + DATA, held + DATA)?;
    }
    setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// The data of this process so far, in bytes (`VmData` of proc(5)).
fn held() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that are open beside input, output and errors.
fn open_files() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|file: &RawFd| *file > 2).collect()
}

fn serve() -> io::Result<()> {
    let (mut input, mut output) = (BufReader::new(io::stdin().lock()), BufWriter::new(io::stdout().lock()));
    let mut engine = Engine::default();
    while let Some(message) = wire::read(&mut input)? {
        let request: Request<'_> = serde_json::from_slice(&message)?;
        wire::write(&mut output, engine.answer(&request).as_bytes())?;
        engine.prepare(&request);
    }
    Ok(())
}
