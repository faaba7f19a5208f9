//! The control of a broker that runs as a process: its stats, its faults, its ticks.
//!
//! | request | does |
//! |---|---|
//! | `GET /stats` | [`crate::Stats`] as JSON |
//! | `GET /violations` | the list of [`crate::Violation`] as JSON |
//! | `GET /quiet` | `true` or `false`: whether nothing is under way |
//! | `GET /services` | address and process ids by name |
//! | `POST /ticks/{timer}` | emits an event of that timer |
//! | `POST /kill/{service}` | kills its processes |
//! | `POST /faults` | [`Switches`] as JSON; what is absent stays as it is |

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::faults::Faults;
use crate::running::Parts;

const MAX_BODY_BYTES: usize = 64 * 1024;

pub(crate) type Control = Parts;

/// Faults to switch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// [`Faults::sink_down`]
    pub sink_down: Option<bool>,
    /// [`Faults::dead_letter_sink_down`]
    pub dead_letter_sink_down: Option<bool>,
    /// [`Faults::duplicate_every`]
    pub duplicate_every: Option<u64>,
    /// [`Faults::reorder`]
    pub reorder: Option<bool>,
    /// [`Faults::crash`], where it is true
    pub crash: bool,
    /// [`Faults::crash_after_next_answer`], where it is true
    pub crash_after_next_answer: bool,
}

impl Switches {
    /// Switches these faults.
    pub fn apply(&self, faults: &Faults) {
        if let Some(down) = self.sink_down {
            faults.sink_down(down);
        }
        if let Some(down) = self.dead_letter_sink_down {
            faults.dead_letter_sink_down(down);
        }
        if let Some(every) = self.duplicate_every {
            faults.duplicate_every(every);
        }
        if let Some(on) = self.reorder {
            faults.reorder(on);
        }
        if self.crash_after_next_answer {
            faults.crash_after_next_answer();
        }
        if self.crash {
            faults.crash();
        }
    }
}

/// A service as the control shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceView {
    /// Where its requests are taken.
    pub url: String,
    /// Its serving processes.
    pub pids: Vec<u32>,
}

pub(crate) async fn answer(control: &Arc<Control>, request: &HttpRequest, body: Payload) -> HttpResponse {
    let mut path = request.path().trim_matches('/').splitn(2, '/');
    let action = path.next().unwrap_or_default();
    let name = path.next().unwrap_or_default();
    match (request.method().as_str(), action) {
        ("GET", "stats") => HttpResponse::Ok().json(control.stats()),
        ("GET", "violations") => HttpResponse::Ok().json(control.violations()),
        ("GET", "quiet") => HttpResponse::Ok().json(control.quiet()),
        ("GET", "services") => HttpResponse::Ok().json(services(control)),
        ("POST", "ticks") => match control.tick(name).await {
            Ok(()) => HttpResponse::NoContent().finish(),
            Err(error) => HttpResponse::BadRequest().body(error.to_string()),
        },
        ("POST", "kill") => match control.services.get(name) {
            Some(service) => {
                service.kill();
                HttpResponse::NoContent().finish()
            }
            None => HttpResponse::NotFound().finish(),
        },
        ("POST", "faults") => switch(control, body).await,
        _ => HttpResponse::NotFound().finish(),
    }
}

fn services(control: &Control) -> BTreeMap<&str, ServiceView> {
    let view = |address| format!("http://{address}/");
    let services = control.services.values();
    services
        .map(|service| {
            (service.spec.name.as_str(), ServiceView { url: view(service.address), pids: service.pids() })
        })
        .collect()
}

async fn switch(control: &Control, body: Payload) -> HttpResponse {
    let Ok(Ok(body)) = body.to_bytes_limited(MAX_BODY_BYTES).await else {
        return HttpResponse::BadRequest().finish();
    };
    match serde_json::from_slice::<Switches>(&body) {
        Ok(switches) => {
            switches.apply(&control.broker.faults);
            HttpResponse::NoContent().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}
