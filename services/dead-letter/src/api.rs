//! The cluster-local HTTP interface: list, show, send back, discard.
//!
//! | request | answer |
//! |---|---|
//! | `GET /dead-letters?state=open&cause=rejected&limit=100`, and the other members of [`Filter`] | `{"dead_letters": [...]}`, the one that failed last first |
//! | `GET /dead-letters/{id}` | the same with the event's attributes and data |
//! | `POST /dead-letters/{id}/replay` | 202 when the sink has taken the event back |
//! | `POST /dead-letters/{id}/discard` with `{"reason": "..."}` | 200 when it is resolved by that; 409 where it is not open |
//!
//! Errors are problem+json (RFC 9457).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use stage::problem;
use store::StoreError;
use store::dead_letters::{self, Filter, StoredDeadLetter};
use uuid::Uuid;

use crate::send_back::{SendError, Sender};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1000;

/// Characters of the reason why one is discarded.
const MAX_REASON: usize = 1000;

/// All but [`Filter`].
#[derive(Debug, Deserialize)]
struct Query {
    #[serde(default)]
    state: State,
    limit: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Discard {
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Open,
    All,
}

/// The routes, over `sender`.
pub fn routes(sender: Arc<Sender>) -> impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static {
    move |config| {
        config
            .app_data(web::Data::from(Arc::clone(&sender)))
            .route("/dead-letters", web::get().to(list))
            .route("/dead-letters/{id}", web::get().to(show))
            .route("/dead-letters/{id}/replay", web::post().to(replay))
            .route("/dead-letters/{id}/discard", web::post().to(discard));
    }
}

async fn list(
    sender: web::Data<Sender>,
    query: Result<web::Query<Query>, actix_web::Error>,
    filter: Result<web::Query<Filter>, actix_web::Error>,
) -> HttpResponse {
    let (Ok(web::Query(query)), Ok(web::Query(filter))) = (query, filter) else {
        let takes = "the query takes state=open|all, limit, cause=rejected|unavailable|malformed, source, device, reason, and \
                     the times from and until";
        return problem(StatusCode::BAD_REQUEST, takes);
    };
    let filter = Filter { resolved_too: matches!(query.state, State::All), ..filter };
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    match load(&sender, &filter, limit).await {
        Ok(dead_letters) => {
            let dead_letters: Vec<_> = dead_letters.iter().map(summary).collect();
            HttpResponse::Ok().json(json!({ "dead_letters": dead_letters }))
        }
        Err(error) => unavailable(&error.to_string()),
    }
}

async fn show(sender: web::Data<Sender>, id: web::Path<String>) -> HttpResponse {
    match find(&sender, &id).await {
        Ok(dead_letter) => HttpResponse::Ok().json(whole(&dead_letter)),
        Err(answer) => answer,
    }
}

async fn replay(sender: web::Data<Sender>, id: web::Path<String>) -> HttpResponse {
    let dead_letter = match find(&sender, &id).await {
        Ok(dead_letter) => dead_letter,
        Err(answer) => return answer,
    };
    match sender.send(&dead_letter).await {
        Ok(at) => HttpResponse::Accepted().json(json!({ "id": dead_letter.id, "replayed_at": at })),
        Err(SendError::Refused(reason)) => problem(StatusCode::BAD_GATEWAY, &reason),
        Err(error) => unavailable(&error.to_string()),
    }
}

async fn discard(
    sender: web::Data<Sender>,
    id: web::Path<String>,
    discard: Result<web::Json<Discard>, actix_web::Error>,
) -> HttpResponse {
    let reason = discard.map(|web::Json(discard)| discard.reason).unwrap_or_default();
    if !(1..=MAX_REASON).contains(&reason.chars().count()) {
        return problem(
            StatusCode::BAD_REQUEST,
            "the body is {\"reason\": \"...\"}, of up to 1000 characters",
        );
    }
    let dead_letter = match find(&sender, &id).await {
        Ok(dead_letter) => dead_letter,
        Err(answer) => return answer,
    };
    let discarded = async {
        let client = sender.database.client().await?;
        Ok::<_, StoreError>(
            dead_letters::discard(&client, dead_letter.id, (&reason, sender.clock.now())).await?,
        )
    };
    match discarded.await {
        Ok(true) => HttpResponse::Ok().json(json!({ "id": dead_letter.id })),
        Ok(false) => problem(StatusCode::CONFLICT, "the dead letter is not open"),
        Err(error) => unavailable(&error.to_string()),
    }
}

async fn load(sender: &Sender, filter: &Filter, limit: u16) -> Result<Vec<StoredDeadLetter>, StoreError> {
    let client = sender.database.client().await?;
    Ok(dead_letters::list(&client, filter, limit).await?)
}

/// The dead letter, or the answer where it cannot be had. What is no id names none.
async fn find(sender: &Sender, id: &str) -> Result<StoredDeadLetter, HttpResponse> {
    let Ok(id) = id.parse::<Uuid>() else { return Err(not_found()) };
    let found = async {
        let client = sender.database.client().await?;
        Ok::<_, StoreError>(dead_letters::get(&client, id).await?)
    };
    found.await.map_err(|error| unavailable(&error.to_string()))?.ok_or_else(not_found)
}

fn summary(stored: &StoredDeadLetter) -> Value {
    let dead_letter = &stored.dead_letter;
    json!({
        "id": stored.id,
        "state": stored.state(),
        "stage": dead_letter.stage,
        "cause": dead_letter.cause,
        "reason": dead_letter.reason,
        "problems": dead_letter.problems,
        "source": dead_letter.event.source,
        "event_id": dead_letter.event.id,
        "event_type": dead_letter.event.event_type,
        "deliveries": stored.deliveries,
        "first_at": stored.first_at,
        "last_at": dead_letter.at,
        "replays": stored.replays,
        "replayed_at": stored.replayed_at,
        "resolved_at": stored.resolved_at,
        "discarded": stored.discarded,
    })
}

fn whole(stored: &StoredDeadLetter) -> Value {
    let mut shown = summary(stored);
    let event = &stored.dead_letter.event;
    shown["attributes"] = Value::Object(event.attributes.clone());
    match event.data.as_deref().map(|data| (data, std::str::from_utf8(data))) {
        Some((_, Ok(text))) => shown["data"] = text.into(),
        Some((data, Err(_))) => shown["data_base64"] = BASE64.encode(data).into(),
        None => {}
    }
    shown
}

fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "there is no such dead letter")
}

fn unavailable(detail: &str) -> HttpResponse {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    answer.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("5"));
    answer
}
