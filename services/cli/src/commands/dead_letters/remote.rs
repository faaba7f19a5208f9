//! A release's `dead-letter` stage on a cluster: it wakes for the request and answers with what it keeps.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::CONTENT_TYPE;
use runtime::ClientOptions;
use serde::Deserialize;
use serde_json::{Value, json};
use store::dead_letters::Filter;
use uuid::Uuid;

use super::Line;
use super::dead_letter::WholeDeadLetter;
use crate::cluster_args::ClusterArgs;
use crate::output::printable;
use cluster::route::Route;
use runtime::Failure;

/// For one answer, a start from zero included.
const LIMIT: Duration = Duration::from_secs(90);

/// A connection to the stage.
pub(super) struct Remote {
    route: Route,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Listed {
    dead_letters: Vec<Line>,
}

impl Remote {
    /// Opens it.
    pub(super) async fn open(args: &ClusterArgs) -> Result<Self, Failure> {
        let (cluster, release) = args.release().await?;
        let route = Route::open(&cluster, &release, "dead-letter").await?;
        let options = ClientOptions { timeout: LIMIT, ..ClientOptions::default() };
        let http =
            runtime::http_client(&options).map_err(|error| Failure::because("no HTTP client", &error))?;
        Ok(Self { route, http })
    }

    /// What it has.
    pub(super) async fn list(&self, filter: &Filter, limit: u16) -> Result<Vec<Line>, Failure> {
        let state = if filter.resolved_too { "all" } else { "open" };
        let mut query = format!("?state={state}&limit={limit}");
        if let Ok(Value::Object(members)) = serde_json::to_value(filter) {
            for (name, value) in &members {
                let value = utf8_percent_encode(value.as_str().unwrap_or_default(), NON_ALPHANUMERIC);
                query = format!("{query}&{name}={value}");
            }
        }
        let answer = self.ask((reqwest::Method::GET, &query), None).await?;
        let listed: Listed = serde_json::from_value(answer).map_err(|_| strange())?;
        Ok(listed.dead_letters)
    }

    /// One of them.
    pub(super) async fn get(&self, id: Uuid) -> Result<WholeDeadLetter, Failure> {
        let answer = self.ask((reqwest::Method::GET, &format!("/{id}")), None).await?;
        WholeDeadLetter::from_json(&answer).ok_or_else(strange)
    }

    /// Lets it send one back; the reason where it did not.
    pub(super) async fn replay(&self, id: Uuid) -> Result<(), String> {
        match self.ask((reqwest::Method::POST, &format!("/{id}/replay")), None).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.message().to_owned()),
        }
    }

    /// Lets it discard one; the reason where it did not.
    pub(super) async fn discard(&self, id: Uuid, because: &str) -> Result<(), String> {
        let (rest, body) = (format!("/{id}/discard"), json!({ "reason": because }));
        match self.ask((reqwest::Method::POST, &rest), Some(&body)).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.message().to_owned()),
        }
    }

    async fn ask(
        &self,
        (method, rest): (reqwest::Method, &str),
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = format!("{}dead-letters{rest}", self.route.url());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        for (name, value) in &self.route.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| {
            Failure::because("the dead-letter stage cannot be reached", &error)
                .hint("`freshet doctor` may say why")
        })?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| Failure::because("the dead-letter stage's answer breaks off", &error))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let detail = body["detail"].as_str().or_else(|| body["title"].as_str()).unwrap_or("no reason given");
        Err(Failure::new(format!(
            "the dead-letter stage answered {}: {}",
            status.as_u16(),
            printable(detail)
        )))
    }
}

fn strange() -> Failure {
    Failure::new("the dead-letter stage answers what this command does not know")
        .hint("is it of the same release as this command?")
}
