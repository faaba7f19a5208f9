//! Sends items at a rate, so many at once, and tries again what may pass later.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::report::{Answer, Ending, Refused, Report, Tally};
use super::target::Outgoing;
use crate::words;

/// How to send.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Requests a second; `None` is as fast as answers come.
    pub rate: Option<f64>,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Attempts after the first where there was no answer, or 429 or 503.
    pub retries: u32,
    /// Header fields that every request carries beside its own.
    pub headers: Vec<(String, String)>,
}

/// A request, after where its input stands.
pub type Addressed = (String, Outgoing);

/// What was sent.
#[derive(Debug)]
pub struct Sent {
    /// What came of it.
    pub report: Report,
    /// Why there was no more to send, where an input broke off.
    pub broken: Option<Failure>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// The longest wait between two attempts, whatever `Retry-After` says.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What is read of an answer for its reason, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Reads `requests` on a thread of its own, which may wait for standard input; a few ahead of what is sent.
pub fn read_ahead<I>(requests: I) -> mpsc::Receiver<Result<Addressed, Failure>>
where
    I: Iterator<Item = Result<Addressed, Failure>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(8);
    std::thread::spawn(move || {
        for request in requests {
            let is_last = request.is_err();
            if sender.blocking_send(request).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Sends `requests` until they end, one breaks off or `interrupted` comes, and counts what came back; `ended` is called
/// after each, with the input that was not taken.
pub async fn send(
    client: &reqwest::Client,
    mut requests: mpsc::Receiver<Result<Addressed, Failure>>,
    pace: Pace,
    (interrupted, ended): (impl Future<Output = ()>, impl Fn(Option<&Refused>) + Send + Sync + 'static),
) -> Sent {
    let mut interrupted = std::pin::pin!(interrupted);
    let mut sending = Sending::new(client.clone(), pace, Arc::new(ended));
    let (mut broken, mut is_interrupted) = (None, false);
    loop {
        tokio::select! {
            biased;
            () = &mut interrupted => {
                is_interrupted = true;
                break;
            }
            next = sending.next(&mut requests) => match next {
                Some(Ok((permit, request))) => sending.start(permit, request),
                Some(Err(failure)) => {
                    broken = Some(failure);
                    break;
                }
                None => break,
            }
        }
    }
    let is_interrupted = is_interrupted || !sending.finish(interrupted).await;
    Sent { report: sending.report(), broken, interrupted: is_interrupted }
}

/// Requests under way.
struct Sending<F> {
    client: reqwest::Client,
    pace: Arc<Pace>,
    begin: Instant,
    started: usize,
    gate: Arc<Semaphore>,
    tally: Arc<Mutex<Tally>>,
    under_way: JoinSet<()>,
    ended: Arc<F>,
}

impl<F: Fn(Option<&Refused>) + Send + Sync + 'static> Sending<F> {
    fn new(client: reqwest::Client, pace: Pace, ended: Arc<F>) -> Self {
        Self {
            client,
            begin: Instant::now(),
            started: 0,
            gate: Arc::new(Semaphore::new(pace.concurrency.max(1))),
            pace: Arc::new(pace),
            tally: Arc::default(),
            under_way: JoinSet::new(),
            ended,
        }
    }

    /// The next request, when it is its time and there is room for it.
    async fn next(
        &self,
        requests: &mut mpsc::Receiver<Result<Addressed, Failure>>,
    ) -> Option<Result<(OwnedSemaphorePermit, Addressed), Failure>> {
        if let Some(rate) = self.pace.rate {
            tokio::time::sleep_until(self.begin + Duration::from_secs_f64(self.started as f64 / rate)).await;
        }
        let permit = Arc::clone(&self.gate).acquire_owned().await.expect("the gate is never closed");
        Some(requests.recv().await?.map(|request| (permit, request)))
    }

    fn start(&mut self, permit: OwnedSemaphorePermit, (input, request): Addressed) {
        self.started += 1;
        let (client, pace) = (self.client.clone(), Arc::clone(&self.pace));
        let (tally, ended) = (Arc::clone(&self.tally), Arc::clone(&self.ended));
        self.under_way.spawn(async move {
            let ending = until_taken(&client, &request, &pace).await;
            let refused = tally.lock().unwrap_or_else(PoisonError::into_inner).count(input, ending);
            ended(refused.as_ref());
            drop(permit);
        });
        // Finished tasks are let go at once, so that a long table does not grow in memory.
        while self.under_way.try_join_next().is_some() {}
    }

    /// Waits for what is under way; gives whether it was not interrupted.
    async fn finish(&mut self, mut interrupted: Pin<&mut impl Future<Output = ()>>) -> bool {
        loop {
            tokio::select! {
                biased;
                () = &mut interrupted => return false,
                ended = self.under_way.join_next() => if ended.is_none() {
                    return true;
                }
            }
        }
    }

    fn report(self) -> Report {
        let Self { begin, started, tally, under_way, .. } = self;
        drop(under_way);
        let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
        tally.report(started, begin.elapsed())
    }
}

/// One request until it is answered for good.
async fn until_taken(client: &reqwest::Client, request: &Outgoing, pace: &Pace) -> Ending {
    let mut attempt = 0;
    loop {
        let begin = Instant::now();
        let (answer, reason, retry_after) = once(client, request, &pace.headers).await;
        let may_pass_later = matches!(answer, Answer::None | Answer::Status(429 | 503));
        if !may_pass_later || attempt == pace.retries {
            return Ending { answer, reason, latency: begin.elapsed(), retries: attempt };
        }
        let backoff = Duration::from_millis(200) * 2_u32.saturating_pow(attempt);
        tokio::time::sleep(retry_after.unwrap_or(backoff).min(LONGEST_WAIT)).await;
        attempt += 1;
    }
}

async fn once(
    client: &reqwest::Client,
    request: &Outgoing,
    headers: &[(String, String)],
) -> (Answer, String, Option<Duration>) {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
    let is_bare =
        request.body.is_empty() && method != reqwest::Method::GET && method != reqwest::Method::HEAD;
    let mut builder = client.request(method, &request.url).body(request.body.clone());
    if is_bare {
        // The client states no length of an empty body by itself.
        builder = builder.header("content-length", "0");
    }
    for (name, value) in request.headers.iter().chain(headers) {
        builder = builder.header(name, value);
    }
    let response = match builder.send().await {
        Ok(response) => response,
        Err(error) => return (Answer::None, words::no_answer(error), None),
    };
    let answer = Answer::Status(response.status().as_u16());
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    match reason_of(response).await {
        Ok(_) if answer.is_success() => (answer, String::new(), retry_after),
        Ok(reason) => (answer, reason, retry_after),
        Err(error) => (Answer::None, words::no_answer(error), None),
    }
}

/// What an answer says of a refusal, from its body; empty where it says nothing.
///
/// # Errors
/// Where the body breaks off.
pub async fn reason_of(response: reqwest::Response) -> Result<String, reqwest::Error> {
    Ok(reason(&beginning(response).await?))
}

/// The beginning of the body, which is read to its end, so that the connection can serve the next request.
async fn beginning(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(body)
}

/// What an answer says of a refusal: the detail of a problem (RFC 9457), else its first line.
fn reason(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let stated = ["detail", "title", "message", "error"].iter().find_map(|key| problem[key].as_str());
    let text = String::from_utf8_lossy(body);
    let line = stated.unwrap_or_else(|| text.lines().next().unwrap_or_default());
    crate::output::printable(line.trim()).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_reason_is_the_problems_detail_or_the_first_line() {
        let table = [
            (r#"{"title": "Bad Request", "detail": "not JSON: line 1"}"#, "not JSON: line 1"),
            (r#"{"title": "Bad Request"}"#, "Bad Request"),
            ("no healthy upstream\nmore", "no healthy upstream"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("", ""),
        ];
        for (body, expected) in table {
            assert_eq!(reason(body.as_bytes()), expected);
        }
    }
}
