//! The HTTP client of the exporters.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tracing::field::{Value, display};

/// A collector that is away is mentioned once in this time.
const MENTION_EVERY: Duration = Duration::from_secs(60);

/// Sends on the process's own runtime: the SDK's batch threads have none, and an asynchronous client would panic there.
#[derive(Debug, Clone)]
pub(super) struct ExportClient {
    client: reqwest::Client,
    runtime: Handle,
    mentioned_at: Arc<Mutex<Option<Instant>>>,
}

impl ExportClient {
    pub(super) fn new(client: reqwest::Client, runtime: Handle) -> Self {
        Self { client, runtime, mentioned_at: Arc::default() }
    }

    /// Says in the log that telemetry is lost or late, which the SDK does not.
    fn mention(&self, error: impl Value) {
        let mut mentioned_at = self.mentioned_at.lock().unwrap_or_else(PoisonError::into_inner);
        if mentioned_at.is_none_or(|at| at.elapsed() >= MENTION_EVERY) {
            *mentioned_at = Some(Instant::now());
            tracing::warn!(error, "the collector did not take traces or metrics");
        }
    }
}

#[async_trait]
impl HttpClient for ExportClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        });
        let exchanged = match exchange.await? {
            Ok(exchanged) => exchanged,
            Err(error) => {
                let error = error.without_url();
                self.mention(&error as &(dyn Error + 'static));
                return Err(error.into());
            }
        };
        let (status, headers, body) = exchanged;
        if !status.is_success() {
            self.mention(display(status));
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}
