//! References to secrets.

use std::path::PathBuf;

use crate::fields::Fields;
use crate::receiver::Setting;
use crate::report::Report;
use crate::scalar;
use crate::secret::SecretRef;
use crate::yaml::{Node, Value};

/// `{env: NAME}` or `{file: path}`. The text of a secret that stands here is not repeated in the mistake.
pub(crate) fn read(node: &Node, report: &Report) -> Option<SecretRef> {
    if !matches!(node.value, Value::Map(_)) {
        report.mistake(
            node.place,
            "a secret never stands in this file: put it into an environment variable or a file, and write \
             `{env: NAME}` or `{file: path}` here",
        );
        return None;
    }
    let fields = Fields::of(node, "SecretRef", report)?;
    let (env, file) = (fields.get("env"), fields.get("file"));
    fields.close();
    match (env, file) {
        (Some(env), None) => variable(env, report),
        (None, Some(file)) => Some(SecretRef::File(PathBuf::from(scalar::text(file, report)?))),
        _ => {
            report.mistake(node.place, "expected one of `env` and `file`");
            None
        }
    }
}

/// One secret, or a list of them while they rotate.
pub(crate) fn one_or_many(node: &Node, report: &Report) -> Vec<SecretRef> {
    scalar::one_or_many(node).iter().filter_map(|node| read(node, report)).collect()
}

/// A text, or a reference where the text is secret.
pub(crate) fn setting(node: &Node, report: &Report) -> Option<Setting> {
    match node.value {
        Value::Map(_) => read(node, report).map(Setting::Secret),
        _ => scalar::text(node, report).map(|text| Setting::Plain(text.to_owned())),
    }
}

fn variable(node: &Node, report: &Report) -> Option<SecretRef> {
    let name = scalar::text(node, report)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(SecretRef::Env(name.to_owned()));
    }
    report.mistake(node.place, "expected the name of an environment variable: letters, digits and `_`");
    None
}
