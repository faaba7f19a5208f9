//! Prewarm: a stage that is at work sends the next ones a cheap request, so that they start side by side.
//!
//! ```text
//! without    ingest starts ── transform starts ── alert starts ── notify starts
//! with       ingest starts ─┬ transform starts ─┬ notify starts
//!                           └ alert starts ─────┘
//! ```
//!
//! It is a hint: nothing waits for it, and no event is the worse for one that got lost. It is sent for an event, never at a
//! process's start: the pod that a rollout starts gets no event, and prewarms none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Url;

use crate::env::Env;
use crate::http_client::{ClientError, ClientOptions, http_client};

/// A stage that was prewarmed stays for at least this long: no need to do it again.
const PAUSE: Duration = Duration::from_secs(30);
/// The request stands until the stage has started; a start that takes longer is not hurried by it.
const TIMEOUT: Duration = Duration::from_secs(30);
const PATH: &str = "healthz";

/// The stages that come next, to be prewarmed at most every 30 s. Clones count together; the default is none.
#[derive(Debug, Clone, Default)]
pub struct Prewarm(Option<Arc<Next>>);

#[derive(Debug)]
struct Next {
    urls: Vec<Url>,
    begun: Instant,
    /// Milliseconds since `begun` until which none is prewarmed again.
    rests_until: AtomicU64,
}

impl Prewarm {
    /// The base addresses that the variable `name` lists, separated by commas; none where it is not set.
    pub fn from_env(env: &mut Env, name: &str) -> Self {
        let text = env.text(name).unwrap_or_default();
        let mut urls = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match address(entry) {
                Some(url) => urls.push(url),
                None => env.mistake(name, "is not a list of http or https URLs, separated by commas"),
            }
        }
        Self::new(urls)
    }

    fn new(urls: Vec<Url>) -> Self {
        let next = Next { urls, begun: Instant::now(), rests_until: AtomicU64::new(0) };
        Self((!next.urls.is_empty()).then(|| Arc::new(next)))
    }

    /// None where they are not needed.
    #[must_use]
    pub fn only_if(self, needed: bool) -> Self {
        if needed { self } else { Self::default() }
    }

    /// Prewarms the next stages, unless that was done within the last 30 s. Returns at once. Must be called within a Tokio runtime.
    pub fn send(&self) {
        if let Some(next) = self.permit() {
            tokio::spawn(next.send());
        }
    }

    /// Prewarms the next stages once in the life of this process. Returns at once. Must be called within a Tokio runtime.
    pub fn send_once(&self) {
        if let Some(next) = self.permit() {
            next.rests_until.store(u64::MAX, Ordering::Relaxed);
            tokio::spawn(next.send());
        }
    }

    /// Whether [`Prewarm::send`] would prewarm a stage now. Spends nothing: for who has to find out first whether they are needed.
    pub fn is_due(&self) -> bool {
        self.0.as_ref().is_some_and(|next| next.now() >= next.rests_until.load(Ordering::Relaxed))
    }

    /// The permit to prewarm the next stages; there is no other within the next 30 s.
    fn permit(&self) -> Option<Arc<Next>> {
        self.0.as_ref().filter(|next| next.claim()).map(Arc::clone)
    }
}

impl Next {
    /// Prewarms the stages, and returns when each has answered or did not.
    async fn send(self: Arc<Self>) {
        let client = match client() {
            Ok(client) => client,
            Err(error) => return tracing::debug!(%error, "the next stages were not prewarmed"),
        };
        let requests = self.urls.iter().map(|url| async {
            match client.get(url.clone()).send().await {
                Ok(answer) => tracing::debug!(status = answer.status().as_u16(), "a next stage is awake"),
                Err(error) => {
                    tracing::debug!(error = %error.without_url(), "a next stage was not prewarmed");
                }
            }
        });
        futures_util::future::join_all(requests).await;
    }
}

impl Next {
    /// Milliseconds since `begun`.
    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    fn claim(&self) -> bool {
        let now = self.now();
        let rests_until = self.rests_until.load(Ordering::Relaxed);
        let until = now.saturating_add(millis(PAUSE));
        now >= rests_until
            && self
                .rests_until
                .compare_exchange(rests_until, until, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For one request each; kept no longer, since the next is half a minute away at least.
fn client() -> Result<reqwest::Client, ClientError> {
    http_client(&ClientOptions { timeout: TIMEOUT, idle_connections: 0, ..ClientOptions::default() })
}

fn address(base: &str) -> Option<Url> {
    let url: Url = format!("{}/{PATH}", base.trim_end_matches('/')).parse().ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::Prewarm;
    use crate::env::Env;

    fn named(urls: &str) -> (Prewarm, Env) {
        let mut env = Env::from_pairs(&[("PREWARM_URLS", urls)]);
        (Prewarm::from_env(&mut env, "PREWARM_URLS"), env)
    }

    #[test]
    fn there_is_one_permit_within_the_pause() {
        let (wake, _) = named("http://transform.default.svc.cluster.local, http://alert/");
        assert!(wake.is_due() && wake.is_due(), "asking spends nothing");
        let next = wake.permit().unwrap();
        let urls: Vec<_> = next.urls.iter().map(reqwest::Url::as_str).collect();
        assert_eq!(urls, ["http://transform.default.svc.cluster.local/healthz", "http://alert/healthz"]);
        assert!(!wake.is_due() && wake.permit().is_none());
        assert!(wake.clone().permit().is_none());
    }

    #[test]
    fn without_an_address_there_is_nothing_to_prewarm() {
        let (wake, mut env) = named(" , ");
        assert!(wake.permit().is_none());
        env.finish().unwrap();
        assert!(Prewarm::default().permit().is_none());
    }

    #[test]
    fn what_is_no_address_is_a_mistake() {
        let (_, mut env) = named("http://alert,alert");
        assert!(env.finish().unwrap_err().to_string().starts_with("PREWARM_URLS: is not a list"));
    }
}
