//! A service for the tests: answers what its environment says, and writes down the id of each event it took.
//!
//! | variable | meaning |
//! |---|---|
//! | `START_DELAY_MS` | before it listens |
//! | `ANSWER_DELAY_MS` | before it answers |
//! | `SEEN_FILE` | where it appends a line `<pid> <ce-id>` for each event |
//! | `DEAF` | does not end on SIGTERM |
//! | `FAIL` | ends at once with this code |

use std::io::Write as _;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    if let Some(code) = variable("FAIL") {
        std::process::exit(code);
    }
    tokio::time::sleep(Duration::from_millis(variable("START_DELAY_MS").unwrap_or(0))).await;
    let port = variable("PORT").ok_or_else(|| std::io::Error::other("PORT is not set"))?;
    let server = HttpServer::new(|| App::new().default_service(web::to(answer))).workers(1);
    let server = server.bind(("0.0.0.0", port))?;
    if variable::<String>("DEAF").is_none() {
        return server.run().await;
    }
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    actix_web::rt::spawn(async move { while terminated.recv().await.is_some() {} });
    server.disable_signals().run().await
}

async fn answer(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(variable("ANSWER_DELAY_MS").unwrap_or(0))).await;
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(path) = variable::<String>("SEEN_FILE")
        && request.headers().contains_key("ce-id")
    {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let line = format!("{} {}\n", std::process::id(), text("ce-id"));
        if file.and_then(|mut file| file.write_all(line.as_bytes())).is_err() {
            return HttpResponse::ServiceUnavailable().finish();
        }
        return HttpResponse::Accepted().finish();
    }
    let environment = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION", "NEXT"]
        .map(|name| format!("{name}={}", variable::<String>(name).unwrap_or_default()));
    HttpResponse::Ok().body(format!("{} {} {}", request.uri(), environment.join(" "), body.len()))
}
