//! Where the demo's alerts are told: a small webhook receiver on the loopback address.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// A receiver that remembers the `webhook-id` of every message.
pub struct Receiver {
    address: SocketAddr,
    ids: Arc<Mutex<BTreeSet<String>>>,
    server: ServerHandle,
}

impl Receiver {
    /// Listens on a free port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn start() -> std::io::Result<Self> {
        let ids = Arc::new(Mutex::new(BTreeSet::new()));
        let told = web::Data::from(Arc::clone(&ids));
        let server = HttpServer::new(move || {
            App::new().app_data(told.clone()).route("/alerts", web::post().to(receive))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))?;
        let address =
            server.addrs().first().copied().ok_or_else(|| std::io::Error::other("no address was bound"))?;
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self { address, ids, server: handle })
    }

    /// The URL that alerts are posted to.
    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// How many different messages came.
    pub fn received(&self) -> usize {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

async fn receive(request: HttpRequest, ids: web::Data<Mutex<BTreeSet<String>>>) -> HttpResponse {
    match request.headers().get("webhook-id").and_then(|value| value.to_str().ok()) {
        Some(id) => {
            ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
            HttpResponse::NoContent().finish()
        }
        None => HttpResponse::BadRequest().finish(),
    }
}
