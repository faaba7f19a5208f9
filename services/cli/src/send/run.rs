//! Sends items at a rate, so many at once, and tries again what may pass later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::report::{Answer, Report, Tally};
use super::target::Outgoing;

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

/// The longest wait between two attempts, whatever `Retry-After` says.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Sends `requests` and counts what came back; `progress` is called after each.
pub async fn send(
    client: &reqwest::Client,
    requests: impl Iterator<Item = Outgoing>,
    pace: &Pace,
    progress: impl Fn() + Send + Sync + 'static,
) -> Report {
    let begin = Instant::now();
    let gate = Arc::new(Semaphore::new(pace.concurrency.max(1)));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let progress = Arc::new(progress);
    let pace = Arc::new(pace.clone());
    let mut under_way = JoinSet::new();
    for (number, request) in requests.enumerate() {
        if let Some(rate) = pace.rate {
            tokio::time::sleep_until(begin + Duration::from_secs_f64(number as f64 / rate)).await;
        }
        let permit = Arc::clone(&gate).acquire_owned().await.expect("the gate is never closed");
        let (client, pace) = (client.clone(), Arc::clone(&pace));
        let (tally, progress) = (Arc::clone(&tally), Arc::clone(&progress));
        under_way.spawn(async move {
            let (answer, latency, retries) = until_taken(&client, &request, &pace).await;
            tally.lock().unwrap_or_else(PoisonError::into_inner).count(answer, latency, retries);
            progress();
            drop(permit);
        });
        // Finished tasks are let go at once, so that a long table does not grow in memory.
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
    tally.report(begin.elapsed())
}

/// One request until it is answered for good: the last answer, its latency, and how many attempts came before it.
async fn until_taken(client: &reqwest::Client, request: &Outgoing, pace: &Pace) -> (Answer, Duration, u32) {
    let mut attempt = 0;
    loop {
        let begin = Instant::now();
        let (answer, retry_after) = once(client, request, &pace.headers).await;
        let may_pass_later = matches!(answer, Answer::None | Answer::Status(429 | 503));
        if !may_pass_later || attempt == pace.retries {
            return (answer, begin.elapsed(), attempt);
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
) -> (Answer, Option<Duration>) {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
    let mut builder = client.request(method, &request.url).body(request.body.clone());
    for (name, value) in request.headers.iter().chain(headers) {
        builder = builder.header(name, value);
    }
    match builder.send().await {
        Ok(response) => {
            let answer = Answer::Status(response.status().as_u16());
            let retry_after = response
                .headers()
                .get("retry-after")
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(Duration::from_secs);
            // The body is read to its end, so that the connection can serve the next request.
            match response.bytes().await {
                Ok(_) => (answer, retry_after),
                Err(_) => (Answer::None, None),
            }
        }
        Err(_) => (Answer::None, None),
    }
}
