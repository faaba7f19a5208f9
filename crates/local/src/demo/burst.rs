//! Sends the burst, each request with its source's credential, and notes which answers were not the planned ones.

use event_model::{RecordedRequest, hex};
use futures_util::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::fleet::{Fate, Planned};

/// Requests under way at once.
const CONCURRENCY: usize = 16;

/// What was answered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Requests sent.
    pub requests: usize,
    /// Requests that were taken (2xx).
    pub accepted: usize,
    /// Requests that were refused, as planned or not.
    pub refused: usize,
    /// Where the answer was not the planned one.
    pub unexpected: Vec<String>,
}

/// Sends `requests` against the webhook at `base`; `key` is every source's secret.
pub async fn send(client: &reqwest::Client, base: &str, key: &str, requests: &[Planned]) -> Sent {
    let answers = stream::iter(requests)
        .map(|planned| async move { (planned, answer(client, base, key, planned).await) })
        .buffered(CONCURRENCY);
    answers
        .fold(Sent::default(), |mut sent, (planned, answer)| async move {
            sent.requests += 1;
            let status = answer.as_ref().copied().unwrap_or_default();
            let count = if (200..300).contains(&status) { &mut sent.accepted } else { &mut sent.refused };
            *count += 1;
            let as_planned = match planned.fate {
                Fate::Refused(wanted) => status == wanted,
                _ => (200..300).contains(&status),
            };
            if !as_planned {
                let found = answer.map_or_else(|error| error.to_string(), |status| status.to_string());
                sent.unexpected
                    .push(format!("{}: {:?} was planned, {found} came", planned.request.path, planned.fate));
            }
            sent
        })
        .await
}

async fn answer(client: &reqwest::Client, base: &str, key: &str, planned: &Planned) -> reqwest::Result<u16> {
    let key = if planned.authentic { key } else { "a wrong key" };
    let request = authorized(planned.request.clone(), key);
    let mut builder = client.post(format!("{base}{}", request.target())).body(request.body);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    Ok(builder.send().await?.status().as_u16())
}

/// `request` with the credential that its source asks for.
fn authorized(mut request: RecordedRequest, key: &str) -> RecordedRequest {
    let source = request.path.split('/').nth(2).unwrap_or_default();
    match source {
        "orchard" => request.headers.push(("authorization".to_owned(), format!("Bearer {key}"))),
        "weather" => request.query = format!("key={key}"),
        "cold-store" => {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(&request.body);
            let digest = hex(&mac.finalize().into_bytes());
            request.headers.push(("x-signature".to_owned(), format!("sha256={digest}")));
        }
        _ => request.headers.push(("x-api-key".to_owned(), key.to_owned())),
    }
    request
}
