//! Answers 202 to everything, remembers what was posted, and tells it at `GET /received`; with `?beyond=3` once there are
//! more than three, or after half a minute.
//!
//! It takes the place of somebody's webhook, and, as a Knative Service, of a trivial service whose start from zero others are
//! compared with.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

/// What a notification may be at most, with room.
const MAX_BYTES: usize = 4 << 20;

/// How long somebody may wait for more.
const PATIENCE: Duration = Duration::from_secs(30);

type Received = watch::Sender<Vec<Value>>;

#[derive(Deserialize)]
struct Wanted {
    beyond: Option<usize>,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let received = web::Data::new(Received::default());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(received.clone())
            .app_data(web::PayloadConfig::new(MAX_BYTES))
            .route("/received", web::get().to(tell))
            .default_service(web::to(take))
    });
    server.workers(1).bind(("0.0.0.0", port))?.run().await
}

async fn tell(received: web::Data<Received>, wanted: web::Query<Wanted>) -> HttpResponse {
    if let Some(beyond) = wanted.beyond {
        let mut received = received.subscribe();
        // The answer to a wait in vain is what there is.
        let _ = tokio::time::timeout(PATIENCE, received.wait_for(|all| all.len() > beyond)).await;
    }
    let body = Value::from(received.borrow().clone()).to_string();
    HttpResponse::Ok().content_type("application/json").body(body)
}

async fn take(request: HttpRequest, body: web::Bytes, received: web::Data<Received>) -> HttpResponse {
    if request.method() == Method::POST {
        let text = |value: &[u8]| Value::from(String::from_utf8_lossy(value));
        let headers: Map<_, _> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect();
        let posted = json!({"path": request.path(), "headers": headers, "body": text(&body)});
        received.send_modify(|all| all.push(posted));
    }
    HttpResponse::Accepted().finish()
}
