//! Where packages put PostgreSQL's server binaries.

use std::path::{Path, PathBuf};

use crate::Error;

/// A folder with `postgres`, `initdb` and `pg_ctl` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// The binary `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn in_directory(directory: PathBuf) -> Option<Self> {
        let complete = ["postgres", "initdb", "pg_ctl"].iter().all(|name| directory.join(name).is_file());
        complete.then_some(Self { directory })
    }
}

/// Folders that hold one folder a version, each with `bin` in it: Debian, PostgreSQL's own RPMs, Homebrew.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Finds the server binaries: those in `PATH` first, then the newest installed version.
///
/// # Errors
/// [`Error::NoBinaries`], with the places that were searched.
pub fn find_binaries() -> Result<Binaries, Error> {
    let in_path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let installed = VERSIONED.iter().flat_map(|(parent, prefix)| newest_first(Path::new(parent), prefix));
    in_path.into_iter().chain(installed).find_map(Binaries::in_directory).ok_or_else(|| Error::NoBinaries {
        searched: "PATH, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, /opt/homebrew/opt/postgresql@*/bin, \
                   /usr/local/opt/postgresql@*/bin"
            .to_owned(),
    })
}

/// The `bin` folders of the versions under `parent`, the newest first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::newest_first;

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_letter() {
        let parent = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16", "share"] {
            std::fs::create_dir(parent.path().join(version)).unwrap();
        }
        let found = newest_first(parent.path(), "");
        let expected: Vec<_> = ["16", "15", "9"].iter().map(|v| parent.path().join(v).join("bin")).collect();
        assert_eq!(found, expected);
    }
}
