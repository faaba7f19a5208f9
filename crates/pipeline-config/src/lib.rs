#![doc = include_str!("../README.md")]

pub mod canary;
pub mod credential;
pub mod device;
mod files;
mod hash;
pub mod jobs;
mod load;
pub mod network;
pub mod pipeline;
pub mod receiver;
mod reference;
pub mod reports;
pub mod rollup;
pub mod route;
mod rule;
pub mod secret;
pub mod site;
pub mod source;
pub mod topic;

pub use canary::Canary;
pub use credential::{Algorithm, Credential, Encoding, Hmac};
pub use device::{DeviceEntry, Devices};
pub use files::{Files, VARIABLE};
pub use jobs::Jobs;
pub use load::{LoadError, schema};
pub use network::Network;
pub use pipeline::{Emit, FallbackAfter, Pipeline};
pub use receiver::Receiver;
pub use reports::Reports;
pub use rollup::{MetricEntry, Rollups};
pub use route::{AlertFacts, Route};
pub use secret::{Secret, SecretError, SecretRef};
pub use settings::{Findings, Mistake, Place, parse_duration};
pub use site::Site;
pub use source::Source;
pub use topic::SourceTopics;
