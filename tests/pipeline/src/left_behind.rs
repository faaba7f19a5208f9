//! What a program runs: whether it left anything, and where that listens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The command lines and environments of the processes that work in `folder`, or name it.
///
/// # Panics
/// Where there is no `/proc`, or the folder's name is no text.
pub fn left_behind(folder: &Path) -> Vec<String> {
    processes(folder).into_iter().map(|(_, line)| line).collect()
}

/// The addresses at which these processes listen for TCP, as `/proc/net/tcp` writes them: hexadecimal, the bytes of the
/// address in the machine's order.
///
/// # Panics
/// As [`left_behind`].
pub fn listeners(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (process, _) in processes(folder) {
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let sockets: BTreeSet<String> = open
            .filter_map(|file| Some(std::fs::read_link(file.path()).ok()?.to_str()?.to_owned()))
            .filter_map(|name| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        for table in ["net/tcp", "net/tcp6"] {
            let table = std::fs::read_to_string(process.join(table)).unwrap_or_default();
            found.extend(table.lines().skip(1).filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                // local_address, st (0A is LISTEN), inode: proc(5).
                (fields[3] == "0A" && sockets.contains(fields[9])).then(|| fields[1].to_owned())
            }));
        }
    }
    found
}

fn processes(folder: &Path) -> Vec<(PathBuf, String)> {
    let folder = folder.to_str().expect("a temporary folder's name is text");
    let processes = std::fs::read_dir("/proc").expect("Linux has /proc").flatten().map(|entry| entry.path());
    processes
        .filter_map(|process| {
            let line =
                ["cmdline", "environ"].map(|file| std::fs::read(process.join(file)).unwrap_or_default());
            let line = String::from_utf8_lossy(&line.concat()).replace('\0', " ");
            let works_in = std::fs::read_link(process.join("cwd")).is_ok_and(|path| path.starts_with(folder));
            (works_in || line.contains(folder)).then_some((process, line))
        })
        .collect()
}
