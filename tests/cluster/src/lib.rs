//! The chart on a real cluster, in a namespace and a database of its own.
//!
//! [`stand`] installs everything and removes it again. [`cluster`] is the Kubernetes API, [`release`] Helm, [`database`] SQL.
//! [`receiver`] takes notifications within the cluster; [`burst`] and [`steady`] are the traffic; [`pods`] counts
//! what runs; [`outage`] has the servers beside the cluster go away. The scenarios are what has to hold.

pub mod burst;
pub mod cluster;
pub mod database;
pub mod measure;
pub mod outage;
pub mod pods;
pub mod receiver;
pub mod release;
pub mod scenarios;
pub mod settings;
pub mod stand;
pub mod steady;
pub mod topics;
pub mod wait;

/// Why a step failed, as a sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
