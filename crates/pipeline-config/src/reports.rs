//! `reports`: where the reports of sites on their days and months are kept.

use std::path::PathBuf;

use settings::{Fields, Object, OneOf, Parsed, Shape, Text};

use crate::secret::{Reference, SecretRef};

/// `reports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// Where pages are kept.
    pub storage: Storage,
    /// The address under which people find what is there, with a `/` at its end; `None`: mails have no link.
    pub link: Option<String>,
}

/// Where pages are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3),
}

/// A bucket of a server that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// The server's address; `None`: that of AWS for the region.
    pub url: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// What the names of all objects begin with, with a `/` at its end; empty for none.
    pub prefix: String,
    /// The access key.
    pub access_key_id: SecretRef,
    /// Its secret.
    pub secret_access_key: SecretRef,
}

/// `reports`.
pub(crate) fn reports(fields: &Fields<'_>) -> Option<Reports> {
    let text = "Reports of sites on their days and months, as pages and by mail.";
    let read = |fields: &Fields<'_>| {
        let storage = fields.required("storage", "Where pages are kept.", storage());
        let text = "The address under which people find what is kept there; mails have no link where absent.";
        let link = fields.optional("link", text, Parsed::like("^https?://", link));
        Some(Reports { storage: storage?, link })
    };
    fields.optional("reports", text, Object::new("Reports", text, read))
}

fn storage() -> impl Shape<Value = Storage> {
    OneOf::new("Storage", "Where pages are kept.")
        .kind("folder", "In a folder.", |fields| {
            fields.required("folder", "The folder's path.", Text).map(|path| Storage::Folder(path.into()))
        })
        .kind("s3", "In a bucket.", |fields| {
            fields.required("s3", "A bucket of a server that speaks S3.", s3()).map(Storage::S3)
        })
}

fn s3() -> impl Shape<Value = S3> {
    Object::new("S3", "A bucket of a server that speaks S3.", |fields: &Fields<'_>| {
        let text = "The server's address; that of AWS for the region where absent.";
        let url = fields.optional("url", text, Parsed::like("^https?://", server));
        let bucket = fields.required("bucket", "The bucket.", Parsed::like("^[a-z0-9.-]{3,63}$", bucket));
        let region = fields.optional("region", "Its region; `us-east-1` where absent.", Text);
        let text = "What the names of all objects begin with.";
        let prefix = fields.optional("prefix", text, Parsed::new(prefix));
        let key = fields.required("access_key_id", "The access key.", Reference);
        let secret = fields.required("secret_access_key", "Its secret.", Reference);
        Some(S3 {
            url,
            bucket: bucket?,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            prefix: prefix.unwrap_or_default(),
            access_key_id: key?,
            secret_access_key: secret?,
        })
    })
}

fn server(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(host)
            if !host.is_empty() && !host.contains(['@', '?', '#']) && !host.contains(char::is_whitespace) =>
        {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("expected an address like `https://s3.example.com`"),
    }
}

fn link(text: &str) -> Result<String, &'static str> {
    server(text).map(|address| format!("{address}/"))
}

fn bucket(text: &str) -> Result<String, &'static str> {
    let good =
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    if good && (3..=63).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("expected 3 to 63 lower-case letters, digits, `.` and `-`")
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    let good = text.len() <= 200 && text.split('/').all(|part| part != ".." && part != ".");
    if !good || !text.bytes().all(is_plain) {
        return Err(
            "expected a path of 200 letters, digits, `.`, `_`, `-` and `/` at most, without `.` and `..` as a part",
        );
    }
    let text = text.trim_matches('/');
    Ok(if text.is_empty() { String::new() } else { format!("{text}/") })
}
