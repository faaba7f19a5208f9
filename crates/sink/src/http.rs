//! A sink that is reached by HTTP: a Knative Broker, Channel or KafkaSink.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudevents::Event;
use event_model::cloudevent;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use stage::{ClientError, ClientOptions, Env, http_client, trace};

use crate::overrides::Overrides;
use crate::{DEFAULT_TIMEOUT, Sink, SinkError};

/// Posts events in binary mode.
#[derive(Debug, Clone)]
pub struct HttpSink {
    lanes: Arc<[Client]>,
    url: Url,
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
    pub fn new(url: Url, options: &ClientOptions, overrides: Overrides) -> Result<Self, ClientError> {
        let lanes = (0..LANES).map(|_| http_client(options)).collect::<Result<_, _>>()?;
        Ok(Self { lanes, url, overrides })
    }

    /// The client of this thread.
    fn client(&self) -> &Client {
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
        match Self::new(url, &options, overrides) {
            Ok(sink) => Some(sink),
            Err(error) => {
                env.mistake("K_CA_CERTS", error.to_string());
                None
            }
        }
    }
}

impl Sink for HttpSink {
    async fn send(&self, event: &Event, traceparent: Option<&str>) -> Result<(), SinkError> {
        let event = if self.overrides.is_empty() {
            Cow::Borrowed(event)
        } else {
            let mut event = event.clone();
            self.overrides.apply(&mut event);
            Cow::Owned(event)
        };
        let (fields, body) = cloudevent::to_binary(&event);
        let request = self.client().post(self.url.clone()).headers(headers(fields, traceparent)).body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) if may_pass_later(answer.status()) => {
                Err(SinkError::Unavailable(format!("it answered {}", answer.status().as_u16()), None))
            }
            Ok(answer) => Err(SinkError::Refused(format!("it answered {}", answer.status().as_u16()))),
            Err(error) => {
                let what =
                    if error.is_timeout() { "it did not answer in time" } else { "it could not be reached" };
                Err(SinkError::Unavailable(what.to_owned(), Some(without_url(error))))
            }
        }
    }
}

/// The statuses after which Knative's own senders try again (specs/eventing/data-plane.md).
fn may_pass_later(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 404 | 408 | 409 | 429)
}

fn headers(fields: Vec<(String, String)>, traceparent: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len() + 1);
    let trace = traceparent.map(|value| (trace::TRACEPARENT.to_owned(), value.to_owned()));
    for (name, value) in fields.into_iter().chain(trace) {
        // `to_binary` percent-encodes what a field cannot hold, and attribute names are letters and digits.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}

/// An address may hold a credential.
fn without_url(error: reqwest::Error) -> Box<dyn Error + Send + Sync> {
    Box::new(error.without_url())
}
