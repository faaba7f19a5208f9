//! Where the `freshet up` that runs in this folder is reached; a command built without it finds none.

#[cfg(feature = "local")]
pub use local::addresses::{broker_url, database_url};

/// The database.
#[cfg(not(feature = "local"))]
pub const fn database_url() -> Option<String> {
    None
}

/// The Broker.
#[cfg(not(feature = "local"))]
pub const fn broker_url() -> Option<String> {
    None
}
