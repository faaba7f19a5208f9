//! Subscription handshakes: what a platform asks before it sends.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName};
use actix_web::{HttpRequest, HttpResponse};
use decoders::Health;
use decoders::decode::Handshake;
use pipeline_config::source::Rate;
use reqwest::{Client, Url};
use runtime::{ClientOptions, Env, http_client};

use crate::problem::{METHODS, Problem};

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Confirms that a destination is wanted, at the platform's own address.
#[derive(Debug, Clone)]
pub struct Confirmer(Client);

impl Confirmer {
    /// A confirmer with the system's resolver; mistakes are noted in `env`.
    pub fn new(env: &mut Env) -> Option<Self> {
        let timeout = Duration::from_secs(5);
        let options = ClientOptions { timeout, idle_connections: 0, ..ClientOptions::default() };
        match http_client(&options) {
            Ok(client) => Some(Self(client)),
            Err(error) => {
                env.mistake("TLS", error.to_string());
                None
            }
        }
    }

    /// A confirmer with a client of its own resolver.
    pub fn with_client(client: Client) -> Self {
        Self(client)
    }

    /// AWS IoT: GET of the address in the message, after which the destination is enabled.
    async fn confirm_aws_iot(&self, address: &str) -> Result<HttpResponse, Problem> {
        let Some(url) = aws_iot_url(address) else {
            return Err(Problem::unprocessable(
                "`enableUrl` is no address of AWS IoT; nothing was sent to it",
            ));
        };
        match self.0.get(url).send().await {
            Ok(answer) if answer.status().is_success() => {
                tracing::info!("a destination of AWS IoT was confirmed");
                Ok(HttpResponse::Ok().finish())
            }
            Ok(answer) => {
                tracing::warn!(status = answer.status().as_u16(), "AWS IoT did not take the confirmation");
                Err(Problem::unavailable("AWS IoT did not take the confirmation"))
            }
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "AWS IoT could not be reached for the confirmation");
                Err(Problem::unavailable("AWS IoT could not be reached for the confirmation"))
            }
        }
    }
}

/// Answers a handshake that came in a request's body.
pub(crate) async fn answer(handshake: Handshake, confirmer: &Confirmer) -> Result<HttpResponse, Problem> {
    match handshake {
        // Event Grid takes 200 only (Azure: "webhook event delivery", validation handshake).
        Handshake::EventGrid { code } => {
            let body = serde_json::json!({ "validationResponse": code }).to_string();
            Ok(HttpResponse::Ok().content_type("application/json").body(body))
        }
        // What InfluxDB 1 answers to a statement without a result.
        Handshake::InfluxDatabase => Ok(HttpResponse::Ok()
            .content_type("application/json")
            .body(r#"{"results":[{"statement_id":0}]}"#)),
        Handshake::AwsIot { enable_url } => confirmer.confirm_aws_iot(&enable_url).await,
    }
}

/// Says that the server is well.
pub(crate) fn health(health: Health) -> HttpResponse {
    let status = StatusCode::from_u16(health.status).unwrap_or(StatusCode::OK);
    let mut answer = HttpResponse::build(status);
    for field in health.headers {
        answer.insert_header(*field);
    }
    if health.body.is_empty() {
        return answer.finish();
    }
    answer.content_type("application/json").body(health.body)
}

/// `OPTIONS`: the validation request of the CloudEvents webhook specification (section 4.1); without its header field,
/// the methods.
pub(crate) fn options(request: &HttpRequest, rate: Option<Rate>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    match request.headers().get(REQUEST_ORIGIN) {
        Some(origin) => {
            answer.insert_header((ALLOW, "POST"));
            answer.insert_header((ALLOWED_ORIGIN, origin.clone()));
            // Requests a minute; `*` is as many as the sender likes.
            let rate = rate.map_or_else(|| "*".to_owned(), |rate| rate.per_minute().to_string());
            answer.insert_header((ALLOWED_RATE, rate));
        }
        None => {
            answer.insert_header((ALLOW, METHODS));
        }
    }
    answer.finish()
}

/// The address, where it is one that confirms a destination: `https://iot.<region>.amazonaws.com/confirmdestination/...`.
/// Any other host would make us fetch what a stranger names.
fn aws_iot_url(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let region = url.host_str()?.strip_prefix("iot.")?.strip_suffix(".amazonaws.com")?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let is_confirmation = url.path().starts_with("/confirmdestination/");
    (url.scheme() == "https" && is_region(region) && is_plain && is_confirmation).then_some(url)
}

/// `us-east-1`, `us-gov-west-1`: two letters, words, a number. Another label may be the name of a bucket.
fn is_region(region: &str) -> bool {
    let mut parts = region.split('-');
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let area = parts.next().is_some_and(|area| area.len() == 2 && is_word(area));
    let number = parts.next_back().is_some_and(is_number);
    let words: Vec<&str> = parts.collect();
    area && number && !words.is_empty() && words.into_iter().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::aws_iot_url;

    #[test]
    fn only_amazons_own_hosts_are_confirmed() {
        for region in ["us-east-1", "ap-southeast-2", "us-gov-west-1"] {
            let address = format!("https://iot.{region}.amazonaws.com/confirmdestination/AYAD");
            assert!(aws_iot_url(&address).is_some(), "{address}");
        }
        for address in [
            "http://iot.us-east-1.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us-east-1.amazonaws.com.evil.example/confirmdestination/AYAD",
            "https://iot.us-east-1.amazonaws.com@evil.example/confirmdestination/AYAD",
            "https://user@iot.us-east-1.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us-east-1.amazonaws.com:8443/confirmdestination/AYAD",
            "https://iot.evil.example/x.amazonaws.com/confirmdestination/AYAD",
            "https://iot.a.b.amazonaws.com/confirmdestination/AYAD",
            "https://iot.s3.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us-east.amazonaws.com/confirmdestination/AYAD",
            "https://iot.s3-us-west-2.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us--1.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us-1.amazonaws.com/confirmdestination/AYAD",
            "https://iot.us-east-.amazonaws.com/confirmdestination/AYAD",
            "https://iot..amazonaws.com/confirmdestination/AYAD",
            "https://169.254.169.254/confirmdestination/AYAD",
            "https://iot.us-east-1.amazonaws.com/elsewhere",
            "confirm me",
        ] {
            assert!(aws_iot_url(address).is_none(), "{address}");
        }
    }
}
