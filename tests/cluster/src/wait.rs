//! Patience with a limit.

use std::time::{Duration, Instant};

use crate::Failure;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks until `look` gives something.
///
/// # Errors
/// Where `look` fails, or nothing came within the limit; `what` says what was waited for.
pub async fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begin.elapsed() > limit {
            return Err(format!("{what}: not within {} s", limit.as_secs()).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
