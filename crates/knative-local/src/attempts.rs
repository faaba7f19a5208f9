//! Attempts to deliver one event to one subscriber, with the waits between them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::broker::Broker;
use crate::config::{Backoff, DeliverySpec, Subscriber};
use crate::dispatcher::{Dispatcher, Failure};
use crate::http::Answer;
use crate::record::Record;
use crate::stats::Counters;
use crate::strict::Rule;

/// What a delivery needs.
pub(crate) struct Terms {
    /// The trigger's name.
    pub(crate) name: String,
    pub(crate) broker: Arc<Broker>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) retries: Retries,
    pub(crate) time_scale: f64,
}

/// When an attempt is made again.
#[derive(Debug, Clone)]
pub(crate) struct Retries(DeliverySpec);

impl Retries {
    pub(crate) fn new(spec: &DeliverySpec) -> Self {
        Self(spec.clone())
    }

    /// The wait before the n-th retry, n from 1; `None` where there is none. A delay of zero is an illegal timer in the
    /// dispatcher, and the first retry fails.
    pub(crate) fn wait(&self, n: u32) -> Option<Duration> {
        let spec = &self.0;
        if n > spec.retry || spec.backoff_delay.is_zero() {
            return None;
        }
        let factor = match spec.backoff {
            Backoff::Exponential => 2_u32.saturating_pow(n),
            Backoff::Linear => n,
        };
        Some(spec.backoff_delay.saturating_mul(factor))
    }
}

impl Terms {
    /// A wait in the time of this run.
    pub(crate) fn scaled(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.time_scale)
    }
}

/// Sends an event until it is taken or no attempt is left.
pub(crate) async fn attempts(
    terms: &Terms,
    subscriber: &Subscriber,
    record: &Record,
    counters: &Counters,
) -> Result<Answer, Failure> {
    let mut n = 1;
    loop {
        let failure = match terms.dispatcher.attempt(subscriber, record, terms.retries.0.timeout).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if let Some(answer) = &failure.answer {
            let status = answer.status.as_u16();
            if matches!(status, 404 | 408 | 409) {
                let detail = format!("{status} to {}", record.attribute("type").unwrap_or_default());
                terms.broker.strict.add(&terms.name, Rule::StatusIsDefinite, detail);
            }
        }
        let wait = terms.retries.wait(n).filter(|_| failure.retryable);
        let Some(wait) = wait else { return Err(failure) };
        counters.retried.fetch_add(1, Relaxed);
        tokio::time::sleep(terms.scaled(wait)).await;
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Retries;
    use crate::config::{Backoff, DeliverySpec};

    fn waits(backoff: Backoff, delay: u64, retry: u32) -> Vec<u64> {
        let spec = DeliverySpec {
            retry,
            backoff,
            backoff_delay: Duration::from_millis(delay),
            ..DeliverySpec::default()
        };
        let retries = Retries::new(&spec);
        (1..).map_while(|n| retries.wait(n)).map(|wait| wait.as_millis() as u64).collect()
    }

    #[test]
    fn the_first_exponential_wait_is_twice_the_delay() {
        assert_eq!(waits(Backoff::Exponential, 200, 10).first(), Some(&400));
        assert_eq!(waits(Backoff::Exponential, 200, 10).last(), Some(&204_800));
        assert_eq!(waits(Backoff::Exponential, 200, 10).iter().sum::<u64>(), 200 * (2048 - 2));
    }

    #[test]
    fn linear_waits_grow_by_the_delay() {
        assert_eq!(waits(Backoff::Linear, 200, 3), [200, 400, 600]);
    }

    #[test]
    fn a_delay_of_zero_means_no_retries() {
        assert!(waits(Backoff::Exponential, 0, 10).is_empty());
    }
}
