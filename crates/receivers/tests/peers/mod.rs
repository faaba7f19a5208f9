//! Real peers, where they are installed.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::PathBuf;
use std::process::Child;

use event_model::Severity;
use jiff::Timestamp;
use pipeline_config::Network;
use pipeline_config::network::Allowed;
use receivers::{AddressPolicy, Alert, AlertChange, Message, Outgoing};
use uuid::Uuid;

/// A server of the test's own; killed when it is dropped.
pub(crate) struct Peer(pub(crate) Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // One that has ended already needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `Some` of `found`; else reports the running test as skipped, and fails it under CI.
pub(crate) fn need<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {what}, which was not found");
        println!("skipped: {test}: {what} was not found");
    }
    found
}

/// The program `name`, where it is in the `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Outgoing connections that may reach this machine.
pub(crate) fn outgoing(roots_file: Option<PathBuf>) -> Outgoing {
    let allow = vec![Allowed::Range("127.0.0.0/8".parse().unwrap()), Allowed::Host("localhost".into())];
    Outgoing::new(AddressPolicy::new(Network { allow }), roots_file)
}

/// The time now: the peers read the system's clock.
#[allow(clippy::disallowed_methods, reason = "the peers read the system's clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// An alert that fires.
pub(crate) fn firing(id: u128) -> Message {
    Message {
        id: Uuid::from_u128(id),
        thread: None,
        change: AlertChange::Firing { since: now() },
        alert: Alert {
            key: "GreenhouseTooHot/1/0".into(),
            rule: "GreenhouseTooHot".into(),
            severity: Severity::Critical,
            source: "greenhouse".into(),
            device: "gewächshaus-1".into(),
            metric: "temperature".into(),
            unit: "Cel".into(),
            value: Some(31.5),
            labels: [("alertname", "GreenhouseTooHot"), ("device", "gewächshaus-1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            annotations: [("summary".to_owned(), "it is <hot> & dry".to_owned())].into(),
            ..Alert::default()
        },
    }
}
