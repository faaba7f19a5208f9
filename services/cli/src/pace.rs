//! How fast a command works.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// No more than so many a second.
#[derive(Debug)]
pub struct Pace(Option<Interval>);

impl Pace {
    /// `None` is no bound.
    pub fn of(rate: Option<u32>) -> Self {
        Self(rate.map(|rate| {
            let mut interval = interval(Duration::from_secs(1) / rate);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Waits until so many more may go.
    pub async fn wait_for(&mut self, number: usize) {
        if let Some(interval) = &mut self.0 {
            for _ in 0..number {
                interval.tick().await;
            }
        }
    }
}
