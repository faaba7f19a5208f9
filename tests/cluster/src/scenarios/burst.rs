//! From zero pods a burst of seven formats, poison among them, to rows, transitions and signed messages.

use topology::Mode;

use super::Came;
use crate::stand::{Stand, TICK};
use crate::{Failure, burst, pods};

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    let burst = burst::send(stand).await?;
    burst::settled(stand, &burst).await?;
    Ok(Came::Held(format!("{} requests from zero pods, every sum agrees", burst.requests)))
}

/// Through the Broker. The plan is that of a first burst, whose devices are new and of which no alert fires yet.
pub(super) async fn run_in_broker_mode(stand: &Stand) -> Result<Came, Failure> {
    stand.install(&Stand::in_mode(stand.values(), Mode::Broker)).await?;
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    stand.database.empty().await?;
    run(stand).await
}
