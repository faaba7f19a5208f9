//! A subscriber within the test, which answers what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// What a subscriber answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: &'static str,
    /// How long this subscriber takes to answer: what a slow one does to the broker is what is tested, nobody waits for it.
    pub(crate) delay_ms: u64,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A reply in binary mode.
    pub(crate) fn reply(event_type: &str, key: Option<&str>) -> Self {
        let mut headers = vec![
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", "reply".to_owned()),
            ("ce-source", "/subscriber".to_owned()),
            ("ce-type", event_type.to_owned()),
        ];
        headers.extend(key.map(|key| ("ce-partitionkey", key.to_owned())));
        Self { status: 200, headers, ..Self::default() }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct State {
    next: VecDeque<Answer>,
    usual: Answer,
    received: Vec<Received>,
    at_once: usize,
    most_at_once: usize,
}

/// It stops when it is dropped.
pub(crate) struct TestSubscriber {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
}

impl TestSubscriber {
    pub(crate) async fn answering(usual: Answer) -> Self {
        let state = Arc::new(Mutex::new(State { usual, ..State::default() }));
        let data = web::Data::from(state.clone());
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(take)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .expect("a loopback port is free");
        let url = format!("http://{}/", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, server: handle }
    }

    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.state).next.extend(answers);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.received().iter().filter_map(|event| event.header("ce-id")).map(str::to_owned).collect()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.state).most_at_once
    }
}

impl Drop for TestSubscriber {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn take(request: HttpRequest, body: web::Bytes, state: web::Data<Mutex<State>>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
    let received = Received { headers: headers.collect(), body: String::from_utf8_lossy(&body).into_owned() };
    let answer = {
        let mut state = lock(&state);
        state.received.push(received);
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        state.next.pop_front().unwrap_or_else(|| state.usual.clone())
    };
    tokio::time::sleep(std::time::Duration::from_millis(answer.delay_ms)).await;
    lock(&state).at_once -= 1;
    let mut response =
        HttpResponse::build(StatusCode::from_u16(answer.status).expect("a test's status is one"));
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    response.body(answer.body)
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
