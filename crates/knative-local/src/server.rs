//! One HTTP server for every address: the broker's, the services', and the control.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::web::{Bytes, Data, Payload, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::activator::Service;
#[cfg(feature = "simulation")]
use crate::control::{self, Control};
use crate::http::{Answer, Body, full};
use crate::ingress;
use crate::running::Parts;

/// Who answers at an address.
#[derive(Clone)]
pub(crate) enum Role {
    Ingress(Arc<Parts>),
    Service(Arc<Service>),
    #[cfg(feature = "simulation")]
    Control(Arc<Control>),
}

/// Fields that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Two cores answer more than 10,000 requests a second, and leave something for the stages.
const WORKERS: usize = 2;

/// The server for these listeners, with the handle that stops it.
///
/// # Errors
/// Where a listener cannot be used.
pub(crate) fn serve(listeners: Vec<(TcpListener, Role)>) -> io::Result<(Server, ServerHandle)> {
    let mut roles = HashMap::new();
    for (listener, role) in &listeners {
        roles.insert(listener.local_addr()?.port(), role.clone());
    }
    let roles = Data::new(roles);
    let mut server = HttpServer::new(move || App::new().app_data(roles.clone()).default_service(to(answer)))
        .workers(WORKERS)
        .keep_alive(Duration::from_secs(75))
        // A client that sends slowly is the service's own affair.
        .client_request_timeout(Duration::from_secs(60))
        .shutdown_timeout(1)
        .disable_signals();
    for (listener, _) in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok((server, handle))
}

async fn answer(
    request: HttpRequest,
    body: Payload,
    roles: Data<HashMap<u16, Role>>,
) -> Result<HttpResponse, Infallible> {
    let address: SocketAddr = request.app_config().local_addr();
    let role = roles.get(&address.port());
    let is_public = matches!(role, Some(Role::Service(service)) if service.spec.public);
    if !is_public && is_from_a_page(&request) {
        return Ok(HttpResponse::MisdirectedRequest().finish());
    }
    Ok(match role {
        Some(Role::Ingress(parts)) => ingress::answer(parts, &request, body).await,
        Some(Role::Service(service)) => proxy(service, &request, body).await,
        #[cfg(feature = "simulation")]
        Some(Role::Control(control)) => control::answer(control, &request, body).await,
        None => HttpResponse::NotFound().finish(),
    })
}

/// Whether a browser may have been led here by a page of somebody else: under a name that now resolves to this machine, so that
/// the page may read the answer (DNS rebinding), or by a form, which says its origin (Fetch, section 3.2).
fn is_from_a_page(request: &HttpRequest) -> bool {
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = field.or_else(|| request.uri().authority().map(Authority::as_str));
    let is_own = host.is_none_or(|host| {
        let name = host.parse::<Authority>().map(|authority| authority.host().to_owned());
        let name = name.unwrap_or_default();
        name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    });
    !is_own || request.headers().contains_key(ORIGIN)
}

async fn proxy(service: &Arc<Service>, request: &HttpRequest, body: Payload) -> HttpResponse {
    match forwarded(request, body) {
        Ok(request) => respond(service.call(request).await),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

/// The request for a process: the same, with where it came from.
fn forwarded(request: &HttpRequest, body: Payload) -> Result<Request<Body>, hyper::http::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = Request::builder().method(request.method().as_str()).uri(path);
    for (name, value) in request.headers() {
        if !HOP_BY_HOP.contains(&name.as_str()) {
            forwarded = forwarded.header(name.as_str(), value.as_bytes());
        }
    }
    if let Some(peer) = request.peer_addr() {
        forwarded = forwarded.header("x-forwarded-for", peer.ip().to_string());
    }
    let headers = request.headers();
    let has_body = headers.contains_key("content-length") || headers.contains_key("transfer-encoding");
    forwarded.header("x-forwarded-proto", "http").body(if has_body {
        stream(body)
    } else {
        full(Bytes::new())
    })
}

/// The body as it arrives, so that the process sees a slow sender as one.
fn stream(mut body: Payload) -> Body {
    let (sender, mut receiver) = mpsc::channel::<Result<Frame<Bytes>, io::Error>>(4);
    actix_web::rt::spawn(async move {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map(Frame::data).map_err(io::Error::other);
            // A process that has answered already reads no further.
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    StreamBody::new(frames).map_err(Into::into).boxed_unsync()
}

fn respond(answer: Answer) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(answer.status.as_u16())
        .expect("both types hold every status from 100 to 999");
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        if !HOP_BY_HOP.contains(&name.as_str()) && name != "content-length" {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    response.body(answer.body)
}
