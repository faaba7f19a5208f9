//! One attempt: an event goes to a subscriber as the Kafka Broker's dispatcher sends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, StatusCode};

use crate::activator::Service;
use crate::config::Subscriber;
use crate::http::{Answer, HttpClient, full};
use crate::record::Record;

/// Sends events to subscribers, as the dispatcher of the Kafka Broker does.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    client: HttpClient,
    services: Arc<BTreeMap<String, Arc<Service>>>,
    namespace: String,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether another attempt is any use.
    pub(crate) retryable: bool,
    /// What came back; `None` where there was no connection or no time.
    pub(crate) answer: Option<Answer>,
}

impl Dispatcher {
    pub(crate) fn new(
        client: HttpClient,
        services: Arc<BTreeMap<String, Arc<Service>>>,
        namespace: &str,
    ) -> Self {
        Self { client, services, namespace: namespace.to_owned() }
    }

    /// What `knativeerrordest` says: a service by its name within the cluster.
    pub(crate) fn destination(&self, subscriber: &Subscriber) -> String {
        match subscriber {
            Subscriber::Service(name) => Service::cluster_url(name, &self.namespace),
            Subscriber::Url(url) => url.clone(),
        }
    }

    /// Sends an event once.
    ///
    /// # Errors
    /// [`Failure`] for every outcome that is no success.
    pub(crate) async fn attempt(
        &self,
        subscriber: &Subscriber,
        record: &Record,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let unreachable = |retryable| Failure { retryable, answer: None };
        let request = self.request(subscriber, record).map_err(|_| unreachable(false))?;
        let send = async {
            match subscriber {
                Subscriber::Service(name) => match self.services.get(name) {
                    Some(service) => Some(service.call(request).await),
                    None => None,
                },
                Subscriber::Url(_) => self.client.send(request).await.ok(),
            }
        };
        match tokio::time::timeout(timeout, send).await {
            Ok(Some(answer)) if answer.status.as_u16() < 300 => Ok(answer),
            Ok(Some(answer)) => Err(Failure { retryable: is_retried(answer.status), answer: Some(answer) }),
            Ok(None) | Err(_) => Err(unreachable(true)),
        }
    }

    fn request(
        &self,
        subscriber: &Subscriber,
        record: &Record,
    ) -> Result<Request<crate::http::Body>, hyper::http::Error> {
        let uri = match subscriber {
            Subscriber::Service(_) => "/",
            Subscriber::Url(url) => url,
        };
        let mut request = Request::post(uri);
        if let Subscriber::Service(_) = subscriber {
            let destination = self.destination(subscriber);
            request = request.header("host", destination.trim_start_matches("http://"));
        }
        for (name, value) in &record.headers {
            request = request.header(name, value.as_bytes());
        }
        request
            .header("prefer", "reply")
            .header("kn-namespace", &self.namespace)
            .body(full(record.body.clone()))
    }
}

/// The statuses that the dispatcher, and Knative's specification, try again.
pub(crate) fn is_retried(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 408 | 409 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::is_retried;

    #[test]
    fn the_outcome_table_is_knatives() {
        let retried = [404, 408, 409, 429, 500, 502, 503, 504, 599];
        for status in 300..600 {
            let expected = retried.contains(&status) || status >= 500;
            assert_eq!(is_retried(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
