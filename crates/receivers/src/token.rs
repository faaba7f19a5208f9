//! Tokens in `Authorization`.

use pipeline_config::Secret;
use reqwest::header::HeaderValue;

/// The token holds characters that no header field can carry.
#[derive(Debug, thiserror::Error)]
#[error("the access token holds characters that a header field cannot carry")]
pub struct TokenError;

/// An `Authorization` value that logs do not show.
pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue, TokenError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| TokenError)?;
    value.set_sensitive(true);
    Ok(value)
}
