//! Which files a pipeline is in.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use decoders::codec::MAX_SCRIPT_BYTES;

/// The environment variable that names the files.
pub const VARIABLE: &str = "FRESHET_PIPELINE";
/// How the names of scripts end: they lie beside the files that name them.
const SCRIPT: &str = ".js";
/// The most scripts that are looked at; a ConfigMap of 1 MiB holds about forty.
const MAX_SCRIPTS: usize = 256;
/// The file where the variable names none.
const DEFAULT: &str = "freshet.yaml";

/// Files, and folders of files, as [`VARIABLE`] names them: separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(Vec<PathBuf>);

impl Files {
    /// Each file: those named, and of a folder its `*.yaml` and `*.yml` in the order of their names.
    ///
    /// # Errors
    /// The folder that cannot be read or has no such file, and why.
    pub fn list(&self) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        let mut files = Vec::new();
        for path in &self.0 {
            if path.is_dir() {
                files.extend(in_folder(path).map_err(|error| (path.clone(), error))?);
            } else {
                files.push(path.clone());
            }
        }
        Ok(files)
    }

    /// The same, as absolute paths, for a process that runs elsewhere.
    ///
    /// # Errors
    /// Where the working directory is not known.
    pub fn absolute(&self) -> io::Result<Self> {
        self.0.iter().map(std::path::absolute).collect::<io::Result<_>>().map(Self)
    }
}

/// Whether a file of this name is a script, and no YAML.
pub(crate) fn is_script(name: &str) -> bool {
    name.ends_with(SCRIPT)
}

/// The name of a file without its folders.
pub(crate) fn plain_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

/// The scripts in the folders of these files, in the order of their names. A folder that cannot be listed has none.
pub(crate) fn scripts_beside(files: &[PathBuf]) -> Vec<PathBuf> {
    let folder = |file: &PathBuf| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let folders: BTreeSet<_> = files.iter().map(folder).collect();
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut scripts: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| is_plain(path, &["js"])).collect();
    scripts.sort();
    scripts.truncate(MAX_SCRIPTS);
    scripts
}

/// The bytes of a file of the pipeline. Of a script no more than tells that it is too long: what lies beside a pipeline need not be
/// meant for it.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    let limit = if has_extension(path, &["js"]) { MAX_SCRIPT_BYTES as u64 + 1 } else { u64::MAX };
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that a ConfigMap or a person put there: a mounted ConfigMap has folders and links whose names begin with `..`.
fn is_plain(path: &Path, extensions: &[&str]) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    has_extension(path, extensions) && !is_hidden && path.is_file()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|own| extensions.iter().any(|extension| own == *extension))
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_plain(&path, &["yaml", "yml"]) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the folder has no file *.yaml or *.yml"));
    }
    files.sort();
    Ok(files)
}

impl Default for Files {
    fn default() -> Self {
        Self(vec![DEFAULT.into()])
    }
}

impl FromStr for Files {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let paths: Vec<_> =
            text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        Ok(if paths.is_empty() { Self::default() } else { Self(paths) })
    }
}

impl From<&Path> for Files {
    fn from(path: &Path) -> Self {
        Self(vec![path.to_owned()])
    }
}

impl FromIterator<Files> for Files {
    fn from_iter<I: IntoIterator<Item = Files>>(all: I) -> Self {
        Self(all.into_iter().flat_map(|files| files.0).collect())
    }
}

/// As [`VARIABLE`] names them.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|path| path.display().to_string()).collect();
        f.write_str(&names.join(","))
    }
}
