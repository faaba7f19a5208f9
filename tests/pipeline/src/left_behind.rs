//! Whether a program left anything running.

use std::path::Path;

/// The command lines and environments of the processes that work in `folder`, or were told of it.
///
/// # Panics
/// Where there is no `/proc`, or the folder's name is no text.
pub fn left_behind(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("a temporary folder's name is text");
    let processes = std::fs::read_dir("/proc").expect("Linux has /proc").flatten().map(|entry| entry.path());
    processes
        .filter_map(|process| {
            let told =
                ["cmdline", "environ"].map(|file| std::fs::read(process.join(file)).unwrap_or_default());
            let told = String::from_utf8_lossy(&told.concat()).replace('\0', " ");
            let works_in = std::fs::read_link(process.join("cwd")).is_ok_and(|path| path.starts_with(folder));
            (works_in || told.contains(folder)).then_some(told)
        })
        .collect()
}
