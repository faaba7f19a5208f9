//! The client for subscribers and stage processes: plain HTTP/1.1, connections reused.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Shorter than the 5 s after which actix-web closes an idle connection: one that is about to be closed is not used.
const MAX_IDLE: Duration = Duration::from_secs(2);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn status(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A header field's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Nothing came back.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("no connection, or it broke: {0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("the answer broke off or is too long: {0}")]
    Body(BoxError),
}

#[derive(Debug, Clone)]
pub(crate) struct HttpClient(Client<HttpConnector, Body>);

impl HttpClient {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        Self(Client::builder(TokioExecutor::new()).pool_idle_timeout(MAX_IDLE).build(connector))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Answer, ClientError> {
        let (parts, body) = self.0.request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(ClientError::Body)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

/// A body that is there as a whole.
pub(crate) fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}
