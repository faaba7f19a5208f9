//! Secrets: references to them in the file, their values in memory.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value as Json;
use settings::yaml::{Node, Value};
use settings::{Fields, Object, OneOf, Parsed, Report, Schema, Shape, Text};
use thiserror::Error;

/// The longest secret that is read, in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is; the only form in which `freshet.yaml` speaks of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, without its trailing line end. Read anew each time, because mounted secrets change.
    File(PathBuf),
}

/// A text that may be secret, such as an address with a token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// It stands in the file.
    Plain(String),
    /// The file says where it is.
    Secret(SecretRef),
}

/// A user's name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretRef,
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

/// `{env: NAME}` or `{file: path}`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference;

/// A text of this shape, or a [`Reference`] where it is secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrSecret<S>(pub(crate) S);

/// User and password.
pub(crate) fn login() -> impl Shape<Value = Login> {
    Object::new("Login", "User and password.", |fields: &Fields<'_>| {
        let user = fields.required("user", "The user's name.", Text);
        let password = fields.required("password", "The password.", Reference);
        Some(Login { user: user?, password: password? })
    })
}

impl Reference {
    fn kinds() -> OneOf<'static, SecretRef> {
        OneOf::new("SecretRef", "Where a secret is; the secret itself never stands in the file.")
            .kind("env", "In an environment variable.", |fields| {
                fields.required("env", "The variable's name.", variable()).map(SecretRef::Env)
            })
            .kind("file", "In a file, without its trailing line end.", |fields| {
                fields.required("file", "Its path.", Text).map(|path| SecretRef::File(path.into()))
            })
    }
}

impl Shape for Reference {
    type Value = SecretRef;

    /// The text of a secret that stands here is not repeated in the mistake.
    fn read(&self, node: &Node, report: &Report) -> Option<SecretRef> {
        if matches!(node.value, Value::Map(_)) {
            return Self::kinds().read(node, report);
        }
        report.mistake(
            node.place,
            "a secret never stands in this file: put it into an environment variable or a file, and write \
             `{env: NAME}` or `{file: path}` here",
        );
        None
    }

    fn schema(&self, schema: &Schema) -> Json {
        Self::kinds().schema(schema)
    }
}

impl<S: Shape<Value = String>> Shape for OrSecret<S> {
    type Value = Setting;

    fn read(&self, node: &Node, report: &Report) -> Option<Setting> {
        match node.value {
            Value::Map(_) => Reference.read(node, report).map(Setting::Secret),
            _ => self.0.read(node, report).map(Setting::Plain),
        }
    }

    fn schema(&self, schema: &Schema) -> Json {
        serde_json::json!({"anyOf": [self.0.schema(schema), Reference.schema(schema)]})
    }
}

fn variable() -> impl Shape<Value = String> {
    Parsed::new(|name| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(name.to_owned());
        }
        Err("expected the name of an environment variable: letters, digits and `_`")
    })
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
