//! A load of keep-alive HTTP/1.1 connections that costs next to nothing itself: requests are written as bytes, and of
//! an answer only the status and the length of its body are read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Answers with a 2xx.
    pub accepted: u64,
    /// All other answers, and connections that broke.
    pub refused: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Answers {
    /// Accepted requests a second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency below which `share` (0 ..= 1) of the answers stayed.
    pub fn latency(&mut self, share: f64) -> Duration {
        latency(&mut self.latencies, share)
    }
}

/// The one of `latencies` below which `share` (0 ..= 1) of them stay; sorts them.
pub fn latency(latencies: &mut [Duration], share: f64) -> Duration {
    latencies.sort_unstable();
    let rank = (share * latencies.len().saturating_sub(1) as f64).round() as usize;
    latencies.get(rank).copied().unwrap_or_default()
}

/// Sends what `request` makes of each number over `connections` connections for `time`.
///
/// # Panics
/// If nothing listens at `address`.
pub async fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Answers {
    let request = Arc::new(request);
    let number = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (request, number) = (Arc::clone(&request), Arc::clone(&number));
        tasks.spawn(async move {
            let mut answers = Answers::default();
            let mut connection = Connection::open(address).await;
            while begin.elapsed() < time {
                let bytes = request(number.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                match connection.exchange(&bytes).await {
                    Ok(200..=299) => {
                        answers.accepted += 1;
                        answers.latencies.push(sent.elapsed());
                    }
                    Ok(_) => answers.refused += 1,
                    Err(_) => {
                        answers.refused += 1;
                        connection = Connection::open(address).await;
                    }
                }
            }
            answers
        });
    }
    let mut all = Answers::default();
    while let Some(answers) = tasks.join_next().await {
        let answers = answers.expect("a connection's task does not panic");
        all.accepted += answers.accepted;
        all.refused += answers.refused;
        all.latencies.extend(answers.latencies);
    }
    all.elapsed = begin.elapsed();
    all
}

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    closes: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// If nothing listens there.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server under load listens");
        stream.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        Self { stream, buffer: Vec::with_capacity(4096), closes: false }
    }

    /// Whether the server ends it with the last answer.
    pub const fn closes(&self) -> bool {
        self.closes
    }

    /// Writes a request and reads its answer to the end; gives the status.
    ///
    /// # Errors
    /// Where the connection breaks or the answer is no HTTP with a length.
    pub async fn exchange(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(Head { status, length, closes }) = head(&self.buffer)? {
                self.closes = closes;
                while self.buffer.len() < length {
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return Ok(status);
            }
        }
    }
}

struct Head {
    status: u16,
    /// Of the whole answer.
    length: usize,
    closes: bool,
}

/// The head of the answer that `bytes` begin with, once it is there.
fn head(bytes: &[u8]) -> std::io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes).map_err(std::io::Error::other)? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(head) => {
            let field = |name: &str| {
                let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                field.and_then(|field| std::str::from_utf8(field.value).ok())
            };
            let body = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            Ok(Some(Head { status: response.code.unwrap_or(0), length: head + body, closes }))
        }
    }
}

/// A POST with `headers` and `body`.
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
