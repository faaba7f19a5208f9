//! The one signal that ends the tasks of a broker.

use tokio::sync::watch;

/// Returns when the broker is stopping, or gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is as good as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}
