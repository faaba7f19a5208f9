//! When a failed attempt is made again.

use std::time::Duration;

use event_model::ids;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// The wait after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The time of the next attempt after `attempts` failed ones, at least `asked` from now.
///
/// The wait is between a half and the whole of what the doubling gives, so that what failed together does not come back
/// together; which part is drawn from the notification's id, so that a test can foretell it.
pub(crate) fn next_attempt(id: Uuid, attempts: u32, now: Timestamp, asked: Option<Duration>) -> Timestamp {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    let drawn = ids::derive("retry", &[&id.to_string(), &attempts.to_string()]).as_u128() % 1024;
    // Below 1024: the cast loses nothing.
    let part = 0.5 + (drawn as f64) / 2048.0;
    let wait = doubled.mul_f64(part).max(asked.unwrap_or_default());
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use uuid::Uuid;

    use super::next_attempt;

    #[test]
    fn waits_double_up_to_an_hour_with_jitter() {
        let (id, now) = (Uuid::from_u128(7), Timestamp::UNIX_EPOCH);
        let wait = |attempts| next_attempt(id, attempts, now, None).duration_since(now).as_secs();
        assert!((1..2).contains(&wait(1)), "{}", wait(1));
        assert!((8..16).contains(&wait(4)), "{}", wait(4));
        assert!((1800..3600).contains(&wait(60)), "{}", wait(60));
    }

    #[test]
    fn the_far_sides_wish_is_a_minimum() {
        let now = Timestamp::UNIX_EPOCH;
        let next = next_attempt(Uuid::from_u128(7), 1, now, Some(Duration::from_secs(90)));
        assert_eq!(next.duration_since(now), SignedDuration::from_secs(90));
    }
}
