//! Timers: events in the form of a PingSource's.

use std::sync::Arc;
use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::TICK;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::broker::{Broker, PublishError};
use crate::config::TimerSpec;
use crate::record::Record;
use crate::stop::stopped;

/// What tells the time of the timers' events.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// PingSource's own attempts; after them the tick is lost.
const RETRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Emits ticks until `stop` is true.
pub(crate) async fn run(broker: Arc<Broker>, timer: TimerSpec, now: Now, mut stop: watch::Receiver<bool>) {
    let Some(every) = timer.every else { return };
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if let Err(error) = tick(&broker, &timer.name, &now).await {
                    tracing::warn!(timer = timer.name, %error, "a tick is lost");
                }
            }
            () = stopped(&mut stop) => return,
        }
    }
}

/// Emits one event of the timer `name` now.
pub(crate) async fn tick(broker: &Broker, name: &str, now: &Now) -> Result<(), PublishError> {
    let source = TimerSpec::source(&broker.namespace, name);
    let mut event = cloudevent::new(TICK, &source, &uuid::Uuid::new_v4().to_string());
    cloudevent::set_time(&mut event, now());
    let record = Record::new(&event, std::iter::empty());
    let mut wait = FIRST_WAIT;
    for _ in 0..RETRIES {
        if broker.publish(name, record.clone()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    broker.publish(name, record).await
}
