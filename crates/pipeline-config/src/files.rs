//! Which files a pipeline is in.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The environment variable that names the files.
pub const VARIABLE: &str = "FRESHET_PIPELINE";
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

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        // A mounted ConfigMap has folders and links whose names begin with `..`.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !is_hidden && path.is_file() {
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
