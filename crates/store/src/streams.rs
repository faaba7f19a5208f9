//! From names to numbers: which stream a reading belongs to, and at which position its metric stands.
//!
//! A stream is made in a transaction of its own before its first reading, so that no write waits for another's new device.

mod device;
mod register;
mod resolved;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Database, StoreError};

use device::Device;
pub use resolved::{PayloadSamples, ResolvedStream, ResolvedStreams};

/// Tags by name.
pub type Tags = BTreeMap<String, String>;

/// The most metrics that one stream's rows hold.
pub const MAX_METRICS: usize = 1000;
/// Devices that are remembered; beyond, all are forgotten and found again in the database.
const REMEMBERED: usize = 50_000;

/// The streams that this process has met.
#[derive(Debug)]
pub struct Streams {
    database: Database,
    /// By source, then device.
    devices: RwLock<HashMap<String, HashMap<String, Arc<Device>>>>,
}

impl Streams {
    /// Nothing is remembered yet.
    pub fn new(database: Database) -> Self {
        Self { database, devices: RwLock::default() }
    }

    /// Finds the streams and rows of a payload's readings; those that are not there are made.
    ///
    /// # Errors
    /// [`StoreError`]; a data error where a name is none that the database takes.
    pub async fn resolve(&self, samples: &PayloadSamples<'_>) -> Result<ResolvedStreams, StoreError> {
        let wanted = samples.wanted_devices();
        let mut devices: BTreeMap<&str, Arc<Device>> = BTreeMap::new();
        let mut missing = Vec::new();
        for want in &wanted {
            match self.remembered(samples.source, want.name) {
                Some(device) if device.has_all(want) => {
                    devices.insert(want.name, device);
                }
                _ => missing.push(want),
            }
        }
        if !missing.is_empty() {
            let mut client = self.database.client().await?;
            let made = register::register(&mut client, samples, &missing).await?;
            for (want, device) in missing.iter().zip(made) {
                let device = Arc::new(device);
                self.remember(samples.source, want.name, Arc::clone(&device));
                devices.insert(want.name, device);
            }
        }
        Ok(samples.resolved(&devices))
    }

    fn remembered(&self, source: &str, device: &str) -> Option<Arc<Device>> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        devices.get(source)?.get(device).cloned()
    }

    fn remember(&self, source: &str, name: &str, device: Arc<Device>) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        if devices.values().map(HashMap::len).sum::<usize>() >= REMEMBERED {
            devices.clear();
        }
        devices.entry(source.to_owned()).or_default().insert(name.to_owned(), device);
    }
}
