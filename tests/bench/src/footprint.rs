//! What a stage weighs: memory when idle, and its binary.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::binaries::{Running, STAGES, path, stage};
use crate::start::warm;
use crate::table::{Table, median};

const MIB: f64 = 1024.0 * 1024.0;

/// Resident memory after a first request.
///
/// # Panics
/// If `/proc` cannot be read.
pub async fn memory(table: &mut Table, database_url: &str, pipeline: &Path) {
    for name in STAGES {
        let mut sizes = Vec::new();
        for _ in 0..5 {
            let running = Running::start(stage(name, database_url, pipeline, "http://127.0.0.1:1/"));
            running.wait_until_listening();
            warm(&running).await;
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("Linux has /proc");
            sizes.push(mebibytes(&status, "VmRSS").expect("a living process has a VmRSS"));
        }
        // What takes requests from outside or reads Kafka holds more at once.
        let budget = if matches!(name, "ingest" | "worker") { 16.0 } else { 12.0 };
        table.at_most(format!("idle memory: {name}"), median(sizes), "MiB", budget);
    }
}

/// A line of `/proc/PID/status`: its name, and what it says.
pub(crate) fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// A size among those lines, in MiB.
pub(crate) fn mebibytes(status: &str, name: &str) -> Option<f64> {
    let kibibytes: f64 = field(status, name)?.strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// The binary, compressed as an image layer is.
///
/// # Panics
/// If the binary cannot be read.
pub fn image(table: &mut Table) {
    for name in STAGES {
        let bytes = std::fs::read(path(name)).expect("a built binary is readable");
        let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
        compressed.write_all(&bytes).expect("memory takes what is written");
        let compressed = compressed.finish().expect("memory takes what is written");
        table.at_most(format!("binary, compressed: {name}"), compressed.len() as f64 / MIB, "MiB", 12.0);
    }
}
