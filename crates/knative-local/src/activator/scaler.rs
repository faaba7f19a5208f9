//! How many processes a service has: enough for its load, none when it is idle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Service;

/// Knative looks every 2 s at averages over 6 or 60 s; one machine can be quicker.
const TICK: Duration = Duration::from_millis(250);

/// Runs until the service is closed.
pub(super) async fn run(service: Arc<Service>) {
    let spec = &service.spec;
    let (min, max) = (spec.min_scale as usize, spec.max_scale as usize);
    let mut ticks = tokio::time::interval(TICK.min(spec.idle / 4).max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = 0;
    while !*service.closed.borrow() {
        ticks.tick().await;
        // A peak of one moment starts nothing beyond the first process.
        let now = service.gate.wanted();
        let wanted = now.min(before).max(now.min(1)).clamp(min, max);
        before = now;
        while service.gate.claim_start(wanted) {
            service.spawn_life();
        }
        for process in service.gate.retire_idle(spec.idle, min) {
            process.stop(spec.timeout);
        }
    }
}
