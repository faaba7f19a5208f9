//! What a canary sends: its payload, as any platform would, and pings that say how that went.

use jiff::Timestamp;
use pipeline_config::canary::{self, Canary};
use pipeline_config::receiver::Setting;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::open::{Lookup, OpenError, setting, url};
use crate::outcome::Outcome;
use crate::outgoing::{Outgoing, Post};
use crate::token::bearer;

/// Checks that all that a canary sends to can be had, as far as its file names it.
///
/// # Errors
/// [`OpenError`]
pub fn check(canary: &Canary, lookup: Lookup<'_>) -> Result<(), OpenError> {
    bearer(&canary.secret.resolve(lookup)?)?;
    let addresses = [&canary.url, &canary.ping.success, &canary.ping.failure];
    for address in addresses.into_iter().flatten() {
        url(&setting(address, lookup)?)?;
    }
    Ok(())
}

/// A request with all that it needs.
#[derive(Debug)]
pub struct Request {
    method: Method,
    post: Post,
}

/// The payload of `at`, as any platform would send it to `to`, where senders reach the pipeline.
///
/// # Errors
/// [`OpenError`]
pub fn payload(
    (canary, to): (&Canary, &Setting),
    at: Timestamp,
    lookup: Lookup<'_>,
) -> Result<Request, OpenError> {
    let mut address = url(&setting(to, lookup)?)?;
    // Below the path that the address has.
    address.path_segments_mut().map_err(|()| OpenError::Url)?.pop_if_empty().extend(["hooks", canary::NAME]);
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (AUTHORIZATION, bearer(&canary.secret.resolve(lookup)?)?),
    ]);
    let body = canary::payload(canary::DEVICE, at).into_bytes();
    Ok(Request { method: Method::POST, post: Post { url: address, headers, body } })
}

/// The ping of an address.
///
/// # Errors
/// [`OpenError`]
pub fn ping(to: &Setting, lookup: Lookup<'_>) -> Result<Request, OpenError> {
    let url = url(&setting(to, lookup)?)?;
    Ok(Request { method: Method::GET, post: Post { url, headers: HeaderMap::new(), body: Vec::new() } })
}

impl Request {
    /// Sends it once. Any answer but one of success is a failure that may pass, but for those to what cannot be understood.
    pub async fn send(self, outgoing: &Outgoing, now: Timestamp) -> Outcome {
        match outgoing.send(self.method, self.post, now).await {
            Ok(answer) => answer.judge(format!("it answered {}", answer.status)),
            Err(outcome) => outcome,
        }
    }
}
