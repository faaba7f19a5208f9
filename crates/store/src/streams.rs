//! From names to numbers: which stream a reading belongs to, and at which position its metric stands.
//!
//! A stream is made in a transaction of its own before its first reading, so that no write waits for another's new device.

mod device;
mod fresh;
mod group;
mod register;
mod resolved;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::{Database, StoreError};

use device::{Device, DeviceKey, Wanted};
use group::Group;
use resolved::wanted_devices;
pub use resolved::{LeftOut, NewDevices, NoRoom, PayloadSamples, ResolvedStream, ResolvedStreams};

/// Tags by name.
pub type Tags = BTreeMap<String, String>;

/// The most metrics that one stream's rows hold.
pub const MAX_METRICS: usize = 1000;
/// The most metrics that the streams of one device hold together.
pub const MAX_DEVICE_METRICS: usize = 10_000;
/// Metrics of devices that are remembered, and about as many devices; beyond, all are forgotten and found again in the database.
const REMEMBERED: usize = 200_000;

/// The streams that this process has met.
#[derive(Debug)]
pub struct Streams {
    database: Database,
    met: RwLock<Met>,
    group: Group,
}

#[derive(Debug, Default)]
struct Met {
    /// By source, then device.
    devices: HashMap<String, HashMap<String, Arc<Device>>>,
    /// What they weigh: one each, and one for each of their metrics.
    weight: usize,
    /// The generation of the registry for which they were found.
    registry: i64,
}

impl Met {
    /// Every reading of a payload at its place, where the payload needs nothing but what was met.
    fn resolved(&self, samples: &PayloadSamples<'_>) -> Option<ResolvedStreams> {
        let of_source = self.devices.get(samples.source)?;
        // Most payloads are of one device.
        let first = samples.samples.first().and_then(|first| of_source.get_key_value(&*first.device));
        let device = |name: &str| match first {
            Some((first, device)) if first == name => Some(device),
            _ => of_source.get(name),
        };
        samples.needs_nothing_of(device).then(|| samples.resolved(device, self.registry))
    }
}

impl Streams {
    /// Nothing is remembered yet.
    pub fn new(database: Database) -> Self {
        Self { database, met: RwLock::default(), group: Group::default() }
    }

    /// Finds the streams and rows of a payload's readings; those that are not there are made, within bounds.
    ///
    /// # Errors
    /// [`StoreError`]; a data error where a name is none that the database takes.
    pub async fn resolve(&self, samples: &PayloadSamples<'_>) -> Result<ResolvedStreams, StoreError> {
        if let Some(resolved) = self.resolve_met(samples) {
            return Ok(resolved);
        }
        self.group.resolve(self, samples).await
    }

    /// The same, where the payload needs nothing but what was met.
    pub fn resolve_met(&self, samples: &PayloadSamples<'_>) -> Option<ResolvedStreams> {
        self.met().resolved(samples)
    }

    /// The same for payloads that came together: what is not there is looked for, and made, once for all of them.
    ///
    /// # Errors
    /// As [`Self::resolve`]; then none of them is resolved.
    pub async fn resolve_all(
        &self,
        payloads: &[PayloadSamples<'_>],
    ) -> Result<Vec<ResolvedStreams>, StoreError> {
        let mut resolved: Vec<Option<ResolvedStreams>> = {
            let met = self.met();
            payloads.iter().map(|samples| met.resolved(samples)).collect()
        };
        let open = payloads.iter().zip(&resolved).filter(|(_, resolved)| resolved.is_none());
        let open: Vec<PayloadSamples<'_>> = open.map(|(samples, _)| *samples).collect();
        let (registry, devices) = self.devices(&open).await?;
        let of = |samples: &PayloadSamples<'_>, resolved: &mut Option<ResolvedStreams>| {
            let device = |name| devices.get(&(samples.source, name));
            resolved.take().unwrap_or_else(|| samples.resolved(device, registry))
        };
        Ok(payloads.iter().zip(&mut resolved).map(|(samples, resolved)| of(samples, resolved)).collect())
    }

    /// The devices of payloads, and the generation of the registry for which they were found.
    async fn devices<'a>(
        &self,
        payloads: &[PayloadSamples<'a>],
    ) -> Result<(i64, BTreeMap<DeviceKey<'a>, Arc<Device>>), StoreError> {
        loop {
            let mut wanted = wanted_devices(payloads);
            let (met_for, mut devices) = self.remembered(&wanted);
            wanted.retain(|key, _| !devices.contains_key(key));
            if wanted.is_empty() {
                return Ok((met_for, devices));
            }
            let mut client = self.database.client().await?;
            let (registry, registered) = register::register(&mut client, payloads, &wanted).await?;
            self.forget_before(registry);
            if registry != met_for && !devices.is_empty() {
                continue;
            }
            for (key, device) in registered {
                let device = Arc::new(device);
                self.remember(registry, key, Arc::clone(&device));
                devices.insert(key, device);
            }
            return Ok((registry, devices));
        }
    }

    /// Those of `wanted` that need no look into the database.
    fn remembered<'a>(
        &self,
        wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
    ) -> (i64, BTreeMap<DeviceKey<'a>, Arc<Device>>) {
        let Met { devices, registry, .. } = &*self.met();
        let known = |(key, want): (&DeviceKey<'a>, &Wanted<'a>)| {
            let device = devices.get(key.0)?.get(key.1)?;
            device.has_all(want).then(|| (*key, Arc::clone(device)))
        };
        (*registry, wanted.iter().filter_map(known).collect())
    }

    /// Forgets all that was met: names lead elsewhere.
    pub fn forget(&self) {
        *self.met.write().unwrap_or_else(PoisonError::into_inner) = Met::default();
    }

    /// Forgets what was met for an earlier generation of the registry.
    fn forget_before(&self, registry: i64) {
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        if met.registry < registry {
            *met = Met { registry, ..Met::default() };
        }
    }

    fn met(&self) -> RwLockReadGuard<'_, Met> {
        self.met.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, registry: i64, (source, name): DeviceKey<'_>, device: Arc<Device>) {
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        if met.registry != registry {
            return;
        }
        let weight = |device: &Device| 1 + device.metrics();
        met.weight += weight(&device);
        if met.weight > REMEMBERED {
            *met = Met { weight: weight(&device), registry, ..Met::default() };
        }
        let before = met.devices.entry(source.to_owned()).or_default().insert(name.to_owned(), device);
        met.weight -= before.map_or(0, |before| weight(&before));
    }
}
