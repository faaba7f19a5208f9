//! The HTTP server, and its orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpResponse, HttpServer, web};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::body::close_unread;
use crate::delivery::{Deliveries, deliver};
use crate::flow::Flow;
use crate::problem::problem;
use crate::settings::Settings;
use crate::telemetry::Metrics;
use runtime::{Attempts, Clock};

/// How long the last answers have to leave their sockets.
const FLUSH: Duration = Duration::from_millis(20);
/// For the head of a request; slower senders are cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Where it is asked whether the process is well,
const HEALTHY: &str = "/healthz";
/// and whether it is to be sent requests.
const READY: &str = "/readyz";

/// What a server is started with.
#[derive(Clone)]
pub struct ServerOptions {
    /// The shell's settings.
    pub settings: Settings,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where measurements go.
    pub metrics: Metrics,
}

/// A server that takes requests until it is stopped.
pub struct RunningServer {
    addresses: Vec<SocketAddr>,
    handle: ServerHandle,
    flow: Flow,
    app: App,
    attempts: Arc<Attempts>,
    shutdown_timeout: Duration,
    served: JoinHandle<io::Result<()>>,
}

impl Default for ServerOptions {
    /// Any free port of the loopback interface, as a test wants it.
    fn default() -> Self {
        let settings = Settings {
            port: 0,
            listen_address: [127, 0, 0, 1].into(),
            server_threads: 1,
            ..Settings::default()
        };
        Self { settings, clock: Clock::system(), metrics: Metrics::default() }
    }
}

impl RunningServer {
    /// Listens and serves `app`. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the port cannot be listened on.
    pub fn start(app: App, options: ServerOptions) -> io::Result<Self> {
        let ServerOptions { settings, clock, metrics } = options;
        let flow = Flow::new(settings.max_in_flight);
        // Where nothing is kept, there is nothing to be done with what is counted.
        let scratch = settings.scratch.as_deref().filter(|_| app.stage.is_some() && app.keeper.is_some());
        let attempts = Arc::new(Attempts::open(scratch, settings.max_in_flight));
        let deliveries = Deliveries {
            app: app.clone(),
            attempts: Arc::clone(&attempts),
            clock,
            flow: flow.clone(),
            metrics,
            max_event_bytes: settings.max_event_bytes,
            body_timeout: settings.body_timeout,
            budget: settings.delivery_budget(),
        };
        let server = HttpServer::new(move || {
            let deliveries = deliveries.clone();
            actix_web::App::new()
                .app_data(web::Data::new(deliveries.clone()))
                .wrap(from_fn(observe))
                .configure(|config| routes(config, &deliveries))
        })
        .workers(settings.server_threads)
        .worker_max_blocking_threads(1)
        .keep_alive(KEEP_ALIVE)
        // From the connection's first moment on.
        .client_request_timeout(HEAD_TIMEOUT.min(settings.body_timeout))
        .disable_signals()
        .bind((settings.listen_address, settings.port))?;
        let addresses = server.addrs();
        let server = server.run();
        Ok(Self {
            addresses,
            handle: server.handle(),
            flow,
            app,
            attempts,
            shutdown_timeout: settings.shutdown_timeout,
            served: tokio::spawn(server),
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Not ready, accept no more, finish what is in flight, run the shutdown hook; each under the limit.
    ///
    /// ```text
    /// serving ──> draining ──> idle, or the limit ──> hook, or the limit ──> closed
    /// ```
    pub async fn stop(self) {
        self.flow.drain();
        self.handle.pause().await;
        if tokio::time::timeout(self.shutdown_timeout, self.flow.idle()).await.is_err() {
            tracing::warn!("requests were still in flight when the time for shutting down was over");
        }
        tokio::time::sleep(FLUSH).await;
        // Ungraceful: a graceful stop would wait for idle connections of senders that keep them.
        self.handle.stop(false).await;
        if tokio::time::timeout(self.shutdown_timeout, self.app.shut_down()).await.is_err() {
            tracing::warn!("the service was still flushing when the time for it was over");
        }
        self.attempts.close();
        self.served.abort();
    }
}

fn routes(config: &mut web::ServiceConfig, deliveries: &Deliveries) {
    let unread = |status: StatusCode| {
        web::to(move |payload: web::Payload| async move { close_unread(HttpResponse::new(status), payload) })
    };
    config
        .service(web::resource(HEALTHY).get(healthy).default_service(unread(StatusCode::METHOD_NOT_ALLOWED)));
    config.service(web::resource(READY).get(ready).default_service(unread(StatusCode::METHOD_NOT_ALLOWED)));
    for routes in &deliveries.app.routes {
        routes(config);
    }
    if deliveries.app.stage.is_some() {
        let stage = web::resource("/")
            .route(web::post().to(deliver))
            .default_service(unread(StatusCode::METHOD_NOT_ALLOWED));
        config.service(stage);
        // Not 404, which a broker would try again.
        config.default_service(unread(StatusCode::BAD_REQUEST));
    }
}

async fn healthy(payload: web::Payload) -> HttpResponse {
    close_unread(HttpResponse::Ok().finish(), payload)
}

async fn ready(deliveries: web::Data<Deliveries>, payload: web::Payload) -> HttpResponse {
    let status = if deliveries.flow.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    close_unread(HttpResponse::new(status), payload)
}

/// Counts, bounds and measures every request; a process that has much to do is well, and is asked all the same.
async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let Some(deliveries) = request.app_data::<web::Data<Deliveries>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let in_flight = deliveries.flow.enter();
    let mut answer = if in_flight.is_some() || [HEALTHY, READY].contains(&request.path()) {
        next.call(request).await?.map_into_boxed_body()
    } else {
        if let Some(on_refused) = &deliveries.app.on_refused {
            on_refused(request.request());
        }
        request.into_response(overloaded())
    };
    drop(in_flight);
    if deliveries.flow.is_draining() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    deliveries.metrics.http_request(&answer, started.elapsed());
    Ok(answer)
}

fn overloaded() -> HttpResponse {
    let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "more requests at once than this process takes");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
