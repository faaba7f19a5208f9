//! Heartbeats: when ticks came through. Silence counts only within a run of them.
//!
//! ```text
//!  heartbeats     |   |   |   |                    |   |   |
//!  runs       [-----------]                    [-------]
//!  counted    ============    (an outage)      ========
//! ```

use jiff::{SignedDuration, Timestamp};

/// A span of time in which heartbeats came no more than 2.5 ticks apart; both ends are heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatRun {
    /// The first heartbeat.
    pub from: Timestamp,
    /// The last heartbeat.
    pub to: Timestamp,
}

/// What is known of the heartbeats at one moment, and how far later heartbeats can still change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeats {
    runs: Vec<HeartbeatRun>,
    open_from: Timestamp,
    settled: Timestamp,
}

impl Heartbeats {
    /// Makes runs of `instants`, which are in ascending order.
    ///
    /// A heartbeat is recorded when it happens, so that those to come are not before `now` (but for the time that a write takes:
    /// two gaps of slack). Once the newest run is too old to grow, the time up to there is settled without it.
    pub fn new(instants: impl IntoIterator<Item = Timestamp>, tick: SignedDuration, now: Timestamp) -> Self {
        let gap = widest_gap(tick);
        let mut runs: Vec<HeartbeatRun> = Vec::new();
        for at in instants {
            match runs.last_mut() {
                Some(run) if at.duration_since(run.to) <= gap => run.to = run.to.max(at),
                _ => runs.push(HeartbeatRun { from: at, to: at }),
            }
        }
        let too_old = earlier(now, gap.saturating_add(gap));
        match runs.last() {
            Some(run) if run.to >= too_old => Self { open_from: run.from, settled: run.to, runs },
            _ => Self { open_from: too_old, settled: too_old, runs },
        }
    }

    /// What of it holds at `at`, when readings after that are left out: time passes up to there and no further.
    #[must_use]
    pub fn as_of(&self, at: Timestamp) -> Self {
        let begun = self.runs.iter().filter(|run| run.from <= at);
        let runs: Vec<_> = begun.map(|run| HeartbeatRun { to: run.to.min(at), ..*run }).collect();
        let settled = self.settled.min(at);
        let open = runs.last().filter(|run| run.to >= settled);
        Self { open_from: open.map_or(self.open_from.min(settled), |run| run.from), settled, runs }
    }

    /// The newest heartbeat.
    pub fn last(&self) -> Option<Timestamp> {
        self.runs.last().map(|run| run.to)
    }

    /// The runs in ascending order.
    pub fn runs(&self) -> &[HeartbeatRun] {
        &self.runs
    }

    /// Up to here no later heartbeat changes what silence was counted.
    pub fn settled(&self) -> Timestamp {
        self.settled
    }

    /// When a silence that began at `last` has counted `after`, if within the known heartbeats it has, after `floor`.
    pub(crate) fn silence_ends(
        &self,
        last: Timestamp,
        after: SignedDuration,
        floor: Timestamp,
    ) -> Option<Timestamp> {
        let first = self.runs.partition_point(|run| run.to <= last);
        self.runs[first..]
            .iter()
            .map(|run| (later(last.max(run.from), after), run.to))
            .find(|(end, to)| end <= to && *end > floor)
            .map(|(end, _)| end)
    }

    /// When, at the earliest, heartbeats to come could let a silence that began at `last` count `after`.
    pub(crate) fn silence_may_end(&self, last: Timestamp, after: SignedDuration) -> Option<Timestamp> {
        let end = later(last.max(self.open_from), after);
        (end > self.settled).then_some(end)
    }
}

/// Two heartbeats belong to one run up to this distance: 2.5 ticks, so that one lost tick is no outage.
pub fn widest_gap(tick: SignedDuration) -> SignedDuration {
    tick.checked_mul(5).map_or(SignedDuration::MAX, |five| five / 2)
}

/// `at` plus `duration`, at most the end of time.
pub(crate) fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `at` minus `duration`, at least the beginning of time.
pub(crate) fn earlier(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{HeartbeatRun, Heartbeats};

    const TICK: SignedDuration = SignedDuration::from_mins(5);

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
    }

    fn heartbeats(minutes: &[i64], now: i64) -> Heartbeats {
        Heartbeats::new(minutes.iter().copied().map(minute), TICK, minute(now))
    }

    #[test]
    fn one_lost_tick_is_no_outage() {
        assert_eq!(heartbeats(&[0, 5, 15], 15).runs(), [HeartbeatRun { from: minute(0), to: minute(15) }]);
    }

    #[test]
    fn two_lost_ticks_start_a_new_run() {
        let expected = [
            HeartbeatRun { from: minute(0), to: minute(5) },
            HeartbeatRun { from: minute(20), to: minute(20) },
        ];
        assert_eq!(heartbeats(&[0, 5, 20], 20).runs(), expected);
    }

    #[test]
    fn time_is_settled_up_to_the_last_heartbeat_or_once_no_heartbeat_can_reach_back() {
        assert_eq!(heartbeats(&[0, 5], 20).settled(), minute(5));
        assert_eq!(heartbeats(&[0, 5], 100).settled(), minute(75));
        assert_eq!(heartbeats(&[], 100).settled(), minute(75));
    }

    #[test]
    fn a_silence_starts_anew_after_an_outage() {
        let known = heartbeats(&[0, 5, 10, 60, 65, 70, 75], 75);
        let after = SignedDuration::from_mins(12);
        assert_eq!(known.silence_ends(minute(1), after, Timestamp::MIN), Some(minute(72)));
        assert_eq!(known.silence_ends(minute(66), after, Timestamp::MIN), None);
        assert_eq!(known.silence_may_end(minute(66), after), Some(minute(78)));
    }
}
