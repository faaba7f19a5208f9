//! A real Kafka for tests.

mod broker;
mod distribution;
mod security;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use broker::OwnKafka;
use security::Security;

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
    launched(OwnKafka::launch).await
}

/// A broker with authentication.
#[derive(Debug)]
pub struct SecuredKafka(OwnKafka);

impl SecuredKafka {
    /// What speaks to it with a password over TLS: the `KAFKA_*` variables of a stage, by name.
    pub fn by_password(&self, mechanism: &str) -> Vec<(&'static str, String)> {
        let security = self.security();
        vec![
            ("KAFKA_BOOTSTRAP_SERVERS", security.sasl_bootstrap()),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL".to_owned()),
            ("KAFKA_SASL_MECHANISM", mechanism.to_owned()),
            ("KAFKA_SASL_USERNAME", Security::USER.to_owned()),
            ("KAFKA_SASL_PASSWORD", Security::PASSWORD.to_owned()),
            ("KAFKA_CA_FILE", security.file("ca.crt")),
        ]
    }

    /// What speaks to it with a certificate of its own.
    pub fn by_certificate(&self) -> Vec<(&'static str, String)> {
        let security = self.security();
        vec![
            ("KAFKA_BOOTSTRAP_SERVERS", security.tls_bootstrap()),
            ("KAFKA_SECURITY_PROTOCOL", "SSL".to_owned()),
            ("KAFKA_CA_FILE", security.file("ca.crt")),
            ("KAFKA_CERTIFICATE_FILE", security.file("user.crt")),
            ("KAFKA_KEY_FILE", security.file("user.key")),
        ]
    }

    fn security(&self) -> &Security {
        self.0.security().expect("it was started to ask")
    }
}

/// A broker of the test's own that takes nobody without a password or a certificate, but for its plain listener, which
/// is the test's; `None` where none can be had.
///
/// # Panics
/// As [`kafka`].
pub async fn secured_kafka() -> Option<SecuredKafka> {
    launched(OwnKafka::launch_secured).await.map(SecuredKafka)
}

async fn launched(launch: fn() -> Result<OwnKafka, String>) -> Option<OwnKafka> {
    let test = crate::postgres::test_name();
    let launched = tokio::task::spawn_blocking(launch).await.expect("starting the broker panicked");
    launched.map_err(|reason| report_skipped(&test, &reason)).ok()
}

fn report_skipped(test: &str, reason: &str) {
    assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{test} needs Kafka: {reason}");
    println!("skipped: {test}: no Kafka: {reason}");
}
