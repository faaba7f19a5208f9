//! The broker as a process: `knative-local CONFIG.json`, a [`knative_local::Config`].
//!
//! It writes one line of JSON with its addresses when it is ready, and stops on SIGTERM and Ctrl-C.

use std::error::Error;
use std::sync::Arc;

use knative_local::{Config, LocalKnative};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: knative-local CONFIG.json")?;
    let config: Config = serde_json::from_slice(&std::fs::read(path)?)?;
    let services: Vec<_> = config.services.iter().map(|service| service.name.clone()).collect();
    let mut terminated = signal(SignalKind::terminate())?;
    #[allow(clippy::disallowed_methods, reason = "a program of its own has no clock but the system's")]
    let running = LocalKnative::start(config, Arc::new(jiff::Timestamp::now)).await?;
    let services: std::collections::BTreeMap<_, _> =
        services.iter().map(|name| (name, running.service_url(name))).collect();
    println!(
        "{}",
        serde_json::json!({
            "broker": running.broker_url(),
            "control": running.control_url(),
            "services": services,
        })
    );
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    running.stop().await;
    Ok(())
}
