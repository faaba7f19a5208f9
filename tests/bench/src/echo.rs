//! The floors: bare actix-web servers, which take a request and nothing more. Run as processes of their own
//! (`bench echo`, `bench acknowledge`, `bench forward URL`), as the stages are.

use std::process::Command;

use actix_web::{App, HttpResponse, HttpServer, web};
use http_body_util::Full;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const THREADS: usize = 2;

/// Serves until it is killed. `echo` answers 200 with the body, `acknowledge` 202 without one, `forward` 202 once the
/// address behind it has taken the body.
///
/// # Errors
/// Where the port cannot be had, or there is no such role.
pub fn serve(role: &str, argument: Option<String>) -> std::io::Result<()> {
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let route = match role {
        "echo" => Route::Echo,
        "acknowledge" => Route::Acknowledge,
        "forward" => Route::Forward(argument.unwrap_or_default().parse().map_err(std::io::Error::other)?),
        _ => return Err(std::io::Error::other(format!("there is no role {role}"))),
    };
    let server = HttpServer::new(move || App::new().default_service(route.clone().service()));
    actix_web::rt::System::new().block_on(server.workers(THREADS).bind(("127.0.0.1", port))?.run())
}

#[derive(Clone)]
enum Route {
    Echo,
    Acknowledge,
    Forward(Uri),
}

impl Route {
    fn service(self) -> actix_web::Route {
        match self {
            Self::Echo => web::to(|body: web::Bytes| async move { HttpResponse::Ok().body(body) }),
            Self::Acknowledge => web::to(|_: web::Bytes| async { HttpResponse::Accepted().finish() }),
            Self::Forward(uri) => {
                // One for each thread, as `ingest` has it.
                let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
                web::to(move |body: web::Bytes| forward(client.clone(), uri.clone(), body))
            }
        }
    }
}

async fn forward(
    client: Client<HttpConnector, Full<web::Bytes>>,
    uri: Uri,
    body: web::Bytes,
) -> HttpResponse {
    let mut request = Request::new(Full::from(body));
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri);
    match client.request(request).await {
        Ok(answer) if answer.status().is_success() => HttpResponse::Accepted().finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// The command that runs `role` of this program.
///
/// # Panics
/// If this program has no path.
pub fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
    command.arg(role);
    command
}
