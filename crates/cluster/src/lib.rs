#![doc = include_str!("../README.md")]

pub mod api;
pub mod doctor;
mod error;
pub mod forward;
pub mod inside;
pub mod object;
pub mod release;
pub mod route;
pub mod status;

pub use api::{Cluster, kinds};
pub use release::Release;
