//! What the stages used: process-seconds since an instant.

use knative_local::Stats;

/// The process-seconds of all stages at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Reading(f64);

impl Reading {
    /// Reads `stats`.
    pub fn of(stats: &Stats) -> Self {
        Self(stats.services.values().map(|stage| stage.process_seconds).sum())
    }

    /// What was used since.
    pub fn used(self, stats: &Stats) -> f64 {
        Self::of(stats).0 - self.0
    }
}
