//! The only outgoing HTTP: checked addresses, no redirects, no proxies, a time-out on everything.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Url};
use runtime::trace::TraceContext;
use runtime::{ClientError, ClientOptions};

use crate::address::{AddressError, AddressPolicy, Privacy};
use crate::outcome::{Outcome, retry_after};

/// For connecting, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one attempt in all.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 1024;

/// What every receiver shares: the address policy and the HTTP client.
#[derive(Debug)]
pub struct Outgoing {
    addresses: AddressPolicy,
    roots_file: Option<PathBuf>,
    // Built at the first use: a stage that sends nothing loads no certificates.
    encrypted: OnceLock<Client>,
    plain: OnceLock<Client>,
}

/// One request, mostly a POST.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What the far side said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What `Retry-After` asks for.
    pub(crate) retry_after: Option<Duration>,
    /// The beginning of the body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Judges an answer that `said` describes. For good is only what refuses the message itself: a token, a topic, a hook or
    /// an address that is refused can be mended while the message is still being tried.
    pub(crate) fn judge(&self, said: String) -> Outcome {
        match self.status {
            200..=299 => Outcome::Delivered,
            400 | 413 | 422 => Outcome::no_use(said),
            _ => Outcome::Retry { reason: said, after: self.retry_after },
        }
    }
}

impl Outgoing {
    /// `roots_file`: a PEM file of certificates that are trusted beside Mozilla's.
    pub const fn new(addresses: AddressPolicy, roots_file: Option<PathBuf>) -> Self {
        Self { addresses, roots_file, encrypted: OnceLock::new(), plain: OnceLock::new() }
    }

    /// Where connections may go.
    pub const fn addresses(&self) -> &AddressPolicy {
        &self.addresses
    }

    /// The PEM text of the certificates that are trusted beside Mozilla's; `None` where no file is named.
    pub(crate) fn further_roots(&self) -> Result<Option<String>, Outcome> {
        let Some(path) = &self.roots_file else { return Ok(None) };
        let text = fs::read_to_string(path).map_err(|error| {
            Outcome::retry(format!("the certificates in {} cannot be read: {error}", path.display()))
        })?;
        Ok(Some(text))
    }

    /// Posts once, within the trace of the reading that caused it. A failure without an answer is already judged.
    pub(crate) async fn post(&self, mut post: Post, now: Timestamp) -> Result<Answer, Outcome> {
        let trace = TraceContext::current();
        for (name, value) in trace.iter().flat_map(TraceContext::fields) {
            if let Ok(value) = HeaderValue::try_from(value) {
                post.headers.insert(name, value);
            }
        }
        self.send(Method::POST, post, now).await
    }

    /// The same of any request, within no trace.
    pub(crate) async fn send(
        &self,
        method: Method,
        Post { url, headers, body }: Post,
        now: Timestamp,
    ) -> Result<Answer, Outcome> {
        let privacy = if url.scheme() == "https" { Privacy::Encrypted } else { Privacy::Plain };
        self.check_literal(&url, privacy).await.map_err(|error| refused(&error))?;
        let request = self.client(privacy)?.request(method, url).headers(headers).body(body);
        let mut response = request.send().await.map_err(|error| failed(&error))?;
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, now));
        let mut body = Vec::new();
        // The status has been heard; what breaks off after it changes nothing.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ANSWER_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(Answer { status: response.status().as_u16(), retry_after, body })
    }

    /// IP literals never reach a client's resolver.
    async fn check_literal(&self, url: &Url, privacy: Privacy) -> Result<(), AddressError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if host.parse::<IpAddr>().is_err() {
            return Ok(());
        }
        self.addresses.resolve(host, url.port_or_known_default().unwrap_or(443), privacy).await.map(|_| ())
    }

    /// A resolver does not know the scheme: each privacy has a client of its own.
    fn client(&self, privacy: Privacy) -> Result<&Client, Outcome> {
        let client = match privacy {
            Privacy::Encrypted => &self.encrypted,
            Privacy::Plain => &self.plain,
        };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let built = self.build(privacy)?;
        Ok(client.get_or_init(|| built))
    }

    fn build(&self, privacy: Privacy) -> Result<Client, Outcome> {
        let options = ClientOptions {
            connect_timeout: CONNECT_TIMEOUT,
            timeout: ATTEMPT_TIMEOUT,
            extra_roots: self.further_roots()?,
            idle_connections: 1,
        };
        runtime::http_client_builder(&options)
            .and_then(|builder| {
                Ok(builder
                    .dns_resolver(Checked(self.addresses.clone(), privacy))
                    .user_agent(concat!("freshet/", env!("CARGO_PKG_VERSION")))
                    .build()?)
            })
            .map_err(|error: ClientError| Outcome::retry(format!("no HTTP client: {error}")))
    }
}

/// The resolver of the client: it gives only addresses that were judged.
#[derive(Debug)]
struct Checked(AddressPolicy, Privacy);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let Self(policy, privacy) = self;
        let (policy, privacy) = (policy.clone(), *privacy);
        Box::pin(async move {
            // Port 0 stands for the URL's own port.
            let addresses = policy.resolve(name.as_str(), 0, privacy).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Judges a failure that came without an answer.
fn failed(error: &reqwest::Error) -> Outcome {
    let mut source = std::error::Error::source(error);
    let mut innermost = None;
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<AddressError>() {
            return refused(error);
        }
        innermost = Some(cause);
        source = cause.source();
    }
    // Never the error's own text: it names the URL, and some URLs are secrets.
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    };
    match innermost {
        Some(cause) if !error.is_timeout() => Outcome::retry(format!("{what}: {cause}")),
        _ => Outcome::retry(what),
    }
}

/// Judges a refused address: a name may resolve again, but what is not allowed stays so.
pub(crate) fn refused(error: &AddressError) -> Outcome {
    match error {
        AddressError::Lookup { .. } => Outcome::retry(error.to_string()),
        AddressError::NotAllowed(_) | AddressError::Plain => Outcome::no_use(error.to_string()),
    }
}
