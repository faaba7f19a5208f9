//! Secrets: references to them in the file, their values in memory.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

/// The longest secret that is read, in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is; the only form in which `freshet.yaml` speaks of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, without its trailing line end. Read anew each time, because mounted secrets change.
    File(PathBuf),
}

/// A secret's value. `Debug` redacts it, and it is never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret cannot be had. Never holds its value.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read as text.
    #[error("secret file {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any secret.
    #[error("secret file {} is larger than {MAX_SECRET_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The variable or the file is there, but empty: an empty secret would let anyone in.
    #[error("the secret at {0} is empty")]
    Empty(SecretRef),
}

impl SecretRef {
    /// The secret's value now; `lookup` gives environment variables.
    ///
    /// # Errors
    /// [`SecretError`] where it is not there, is empty or cannot be read.
    pub fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
        let value = match self {
            Self::Env(name) => lookup(name).ok_or_else(|| SecretError::Unset(name.clone()))?,
            Self::File(path) => {
                let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
                if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_SECRET_BYTES {
                    return Err(SecretError::TooLarge(path.clone()));
                }
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if value.is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(Secret(value)) }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Secret {
    /// Takes a value that came from somewhere else than a [`SecretRef`], such as a test.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value. Compare it in constant time, and never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
