//! Where the demo's alerts go: a small webhook receiver on the loopback address.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Ids = Arc<Mutex<BTreeSet<String>>>;

/// A receiver that remembers the `webhook-id` of every message. It stops when it is dropped.
pub(super) struct Receiver {
    address: SocketAddr,
    ids: Ids,
    _server: JoinSet<()>,
}

impl Receiver {
    /// Listens on a free port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let ids = Ids::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&ids)));
        Ok(Self { address, ids, _server: server })
    }

    /// The URL that alerts are posted to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// How many different messages came.
    pub(super) fn received(&self) -> usize {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn serve(listener: TcpListener, ids: Ids) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let ids = Arc::clone(&ids);
        let answer = service_fn(move |request| receive(request, Arc::clone(&ids)));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        // Ended connections are let go at once.
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(request: Request<Incoming>, ids: Ids) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let id = head.headers.get("webhook-id").and_then(|value| value.to_str().ok());
    let status = match (id, body.collect().await) {
        (Some(id), Ok(_)) => {
            ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}
