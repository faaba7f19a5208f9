//! A real Kafka for tests.

mod broker;
mod distribution;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use broker::OwnKafka;

/// A Kafka that a test shares with others: topics and groups get names of their own.
#[derive(Debug, Clone)]
pub struct TestKafka {
    bootstrap: String,
}

impl TestKafka {
    /// What `KAFKA_BOOTSTRAP_SERVERS` takes.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A name that no other test has.
    pub fn unique(&self, name: &str) -> String {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let since_epoch =
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_millis());
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        format!("freshet-test-{name}-{since_epoch}-{}-{number}", std::process::id())
    }
}

/// The Kafka at `KAFKA_BOOTSTRAP`, else a broker of this test process; `None` where neither can be had.
///
/// # Panics
/// Where neither can be had and `CI` is `true`, or where the broker does not start.
pub async fn kafka() -> Option<TestKafka> {
    static BROKER: OnceLock<Result<OwnKafka, String>> = OnceLock::new();
    let test = crate::postgres::test_name();
    if let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP")
        && !bootstrap.is_empty()
    {
        return Some(TestKafka { bootstrap });
    }
    let broker = tokio::task::spawn_blocking(|| BROKER.get_or_init(OwnKafka::launch))
        .await
        .expect("starting the broker panicked");
    match broker {
        Ok(broker) => Some(TestKafka { bootstrap: broker.bootstrap() }),
        Err(reason) => {
            report_skipped(&test, reason);
            None
        }
    }
}

/// A broker of the test's own, to be killed and restarted; `None` where none can be had.
///
/// # Panics
/// As [`kafka`].
pub async fn own_kafka() -> Option<OwnKafka> {
    let test = crate::postgres::test_name();
    let launched = tokio::task::spawn_blocking(OwnKafka::launch).await.expect("starting the broker panicked");
    launched.map_err(|reason| report_skipped(&test, &reason)).ok()
}

fn report_skipped(test: &str, reason: &str) {
    assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{test} needs Kafka: {reason}");
    println!("skipped: {test}: no Kafka: {reason}");
}
