#![doc = include_str!("../README.md")]

mod app;
pub mod body;
mod clock;
pub mod crash;
mod delivery;
mod env;
mod flow;
mod http_client;
mod outcome;
mod run;
mod server;
mod settings;
pub mod telemetry;
pub mod trace;
mod wake;

pub use app::App;
pub use clock::Clock;
pub use env::{ConfigErrors, ConfigMistake, Env};
pub use http_client::{ClientError, ClientOptions, http_client, http_client_builder, tls_config};
pub use outcome::{Delivery, Outcome, Stage};
pub use run::{Runtime, run};
pub use server::{RunningServer, ServerOptions};
pub use settings::Settings;
pub use wake::{Turn, WakeAhead};
