use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tokio::sync::watch;

/// One request that a [`TestReceiver`] took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first value of the header field `name` (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A web server on a loopback port that remembers what it was sent. It stops when it is dropped.
#[derive(Debug)]
pub struct TestReceiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: actix_web::dev::ServerHandle,
    held: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    received: Vec<Received>,
    /// Used up one by one; then `usual`.
    next: VecDeque<u16>,
    usual: u16,
    retry_after: Option<u32>,
}

impl TestReceiver {
    /// Starts one that answers 200.
    ///
    /// # Panics
    /// Where no loopback port is free.
    pub async fn start() -> Self {
        let state = State { received: Vec::new(), next: VecDeque::new(), usual: 200, retry_after: None };
        let state = Arc::new(Mutex::new(state));
        let shared = web::Data::from(Arc::clone(&state));
        let held = watch::Sender::new(false);
        let gate = web::Data::new(held.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(gate.clone())
                .app_data(web::PayloadConfig::new(16 << 20))
                .default_service(web::to(take))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a loopback port is free");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, state, server: handle, held }
    }

    /// `http://127.0.0.1:<port><path>`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `status` from now on.
    pub fn answer(&self, status: u16) {
        self.state().usual = status;
    }

    /// Says in its answers that it wants to be left alone for this long.
    pub fn ask_to_wait(&self, seconds: u32) {
        self.state().retry_after = Some(seconds);
    }

    /// Takes requests and answers none of them, until it is released.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Answers what it held, and goes on.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Answers the next requests with these statuses, one each.
    pub fn answer_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state().next.extend(statuses);
    }

    /// What has come so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestReceiver {
    fn drop(&mut self) {
        // The command is sent at once; the future only waits for its end.
        drop(self.server.stop(false));
    }
}

async fn take(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Mutex<State>>,
    held: web::Data<watch::Sender<bool>>,
) -> HttpResponse {
    let received = Received {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.to_vec(),
    };
    let (status, retry_after) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.received.push(received);
        (state.next.pop_front().unwrap_or(state.usual), state.retry_after)
    };
    // The sender lives as long as the server.
    let _ = held.subscribe().wait_for(|held| !held).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    if let Some(seconds) = retry_after {
        answer.insert_header((RETRY_AFTER, seconds));
    }
    answer.finish()
}
