#![doc = include_str!("../README.md")]

mod app;
pub mod body;
mod delivery;
mod flow;
mod outcome;
mod problem;
mod run;
mod server;
mod settings;
pub mod telemetry;

pub use app::App;
pub use outcome::{Delivery, Outcome, Stage};
pub use problem::{problem, problem_with};
pub use run::{Runtime, run};
pub use server::{RunningServer, ServerOptions};
pub use settings::Settings;
