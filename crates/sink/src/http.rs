//! A sink that is reached by HTTP: a Knative Broker, Channel or KafkaSink.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use cloudevents::Event;
use event_model::cloudevent;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use runtime::trace::TraceContext;
use runtime::{ClientError, ClientOptions, Env, tls_config};
use url::Url;

use crate::overrides::Overrides;
use crate::{DEFAULT_TIMEOUT, Sink, SinkError};

type Lane = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts events in binary mode.
#[derive(Debug, Clone)]
pub struct HttpSink {
    lanes: Arc<[Lane]>,
    uri: Uri,
    /// What the address carries as user and password.
    authorization: Option<HeaderValue>,
    timeout: Duration,
    overrides: Overrides,
}

/// Connections of one thread each: the thread that sends also reads the answer, and none has to wake another.
const LANES: usize = 4;

thread_local! {
    static LANE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

impl HttpSink {
    /// A sink at `url`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(url: &Url, options: &ClientOptions, overrides: Overrides) -> Result<Self, ClientError> {
        let authorization = authorization(url)?;
        let mut bare = url.clone();
        // Both fail for addresses without a host alone, which have no credential either.
        let _ = (bare.set_username(""), bare.set_password(None));
        let uri = Uri::try_from(bare.as_str()).map_err(|_| ClientError::Address)?;
        let tls = tls_config(options.extra_roots.as_deref())?;
        let lanes = (0..LANES).map(|_| lane(tls.clone(), options)).collect();
        Ok(Self { lanes, uri, authorization, timeout: options.timeout, overrides })
    }

    /// The client of this thread.
    fn client(&self) -> &Lane {
        &self.lanes[LANE.with(|lane| *lane)]
    }

    /// The sink that `K_SINK` names; mistakes are noted in `env`, which then gives `None`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let timeout = env.millis_or("SINK_TIMEOUT_MS", DEFAULT_TIMEOUT);
        let overrides = match env.text("K_CE_OVERRIDES").map(|text| Overrides::parse(&text)).transpose() {
            Ok(overrides) => overrides.unwrap_or_default(),
            Err(error) => {
                env.mistake("K_CE_OVERRIDES", error.to_string());
                Overrides::default()
            }
        };
        if env.text("K_SINK").is_none() {
            env.mistake("K_SINK", "is not set");
        }
        let url = env.http_url("K_SINK")?;
        // Reading certificates takes milliseconds of a cold start: only where they can be needed.
        let extra_roots = if url.scheme() == "https" { env.text("K_CA_CERTS") } else { None };
        let options = ClientOptions { timeout, connect_timeout: timeout, extra_roots, idle_connections: 256 };
        match Self::new(&url, &options, overrides) {
            Ok(sink) => Some(sink),
            Err(error) => {
                let place = if matches!(error, ClientError::Address) { "K_SINK" } else { "K_CA_CERTS" };
                env.mistake(place, error.to_string());
                None
            }
        }
    }
}

impl Sink for HttpSink {
    async fn send(&self, event: &Event, trace: Option<&TraceContext>) -> Result<(), SinkError> {
        let event = if self.overrides.is_empty() {
            Cow::Borrowed(event)
        } else {
            let mut event = event.clone();
            self.overrides.apply(&mut event);
            Cow::Owned(event)
        };
        let (fields, body) = cloudevent::to_binary(&event);
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers(&fields, trace);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        match tokio::time::timeout(self.timeout, self.client().request(request)).await {
            Ok(Ok(answer)) => outcome(answer.status()),
            Ok(Err(error)) => Err(unavailable("it could not be reached", Some(Box::new(error)))),
            Err(_) => Err(unavailable("it did not answer in time", None)),
        }
    }
}

/// HTTP Basic (RFC 7617), where the address has a user or a password.
fn authorization(url: &Url) -> Result<Option<HeaderValue>, ClientError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [&decoded(url.username())[..], b":", &decoded(url.password().unwrap_or_default())].concat();
    let value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair)));
    let mut value = value.map_err(|_| ClientError::Address)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn lane(tls: rustls::ClientConfig, options: &ClientOptions) -> Lane {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(options.connect_timeout));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(options.idle_connections)
        .build(connector.wrap_connector(http))
}

fn outcome(status: StatusCode) -> Result<(), SinkError> {
    let answered = || format!("it answered {}", status.as_u16());
    if status.is_success() {
        Ok(())
    } else if may_pass_later(status) {
        Err(unavailable(&answered(), None))
    } else {
        Err(SinkError::Refused(answered()))
    }
}

fn unavailable(reason: &str, source: Option<Box<dyn Error + Send + Sync>>) -> SinkError {
    SinkError::Unavailable(reason.to_owned(), source)
}

/// The statuses after which Knative's own senders try again (specs/eventing/data-plane.md).
fn may_pass_later(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 404 | 408 | 409 | 429)
}

fn headers(fields: &[(String, String)], trace: Option<&TraceContext>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len() + 2);
    let trace = trace.into_iter().flat_map(TraceContext::fields).map(|(name, value)| (name as &str, value));
    for (name, value) in fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(trace) {
        // `to_binary` percent-encodes what a field cannot hold, and attribute names are letters and digits.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}
