//! From zero pods a burst of seven formats, poison among them, to rows, transitions and signed messages.

use super::Came;
use crate::stand::{Stand, TICK};
use crate::{Failure, burst, pods};

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    let burst = burst::send(stand).await?;
    burst::settled(stand, &burst).await?;
    Ok(Came::Held(format!("{} requests from zero pods, every sum agrees", burst.requests)))
}
