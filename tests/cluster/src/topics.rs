//! The topics of a release, which outlive it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::Failure;

const LIMIT: Duration = Duration::from_secs(20);

/// The topics of this namespace.
///
/// # Errors
/// Where Kafka does not answer.
pub fn of(namespace: &str, bootstrap: &str) -> Result<Vec<String>, Failure> {
    let metadata = admin(bootstrap)?.inner().fetch_metadata(None, LIMIT)?;
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    Ok(names.filter(|name| name.starts_with(&format!("{namespace}."))).collect())
}

/// Removes the topics of this namespace.
///
/// # Errors
/// Where Kafka does not answer.
pub async fn remove(namespace: &str, bootstrap: &str) -> Result<(), Failure> {
    let names = of(namespace, bootstrap)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !names.is_empty() {
        admin(bootstrap)?.delete_topics(&names, &AdminOptions::new().request_timeout(Some(LIMIT))).await?;
    }
    Ok(())
}

fn admin(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>, Failure> {
    Ok(ClientConfig::new().set("bootstrap.servers", bootstrap).create()?)
}
