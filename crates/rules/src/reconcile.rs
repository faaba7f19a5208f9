//! What an evaluation computed against what is recorded and still effective.

use std::collections::HashSet;

use event_model::alert::TransitionKind;
use jiff::Timestamp;

use crate::evaluate::Transition;

/// A transition in the database that nothing has retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its row.
    pub id: i64,
    /// Firing or resolved.
    pub kind: TransitionKind,
    /// When, by event time.
    pub at: Timestamp,
}

/// What has to be done so that the effective transitions are the computed ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Later data made this one untrue.
    Retract(Recorded),
    /// This one is missing.
    Record(Transition),
}

/// Compares the effective transitions after a checkpoint with those computed from it.
///
/// Both are in order of time; rows at or before the checkpoint must not be among `recorded`, because nothing computes them any
/// more. What is retracted comes before what is recorded, so that the last row says how it stands.
pub fn reconcile(recorded: &[Recorded], computed: &[Transition]) -> Vec<Change> {
    let wanted: HashSet<_> = computed.iter().map(|transition| (transition.kind, transition.at)).collect();
    let mut kept = HashSet::new();
    // A second row of one transition, which nothing should ever write, is retracted too.
    let untrue = recorded.iter().filter(|row| {
        let key = (row.kind, row.at);
        !wanted.contains(&key) || !kept.insert(key)
    });
    let mut changes: Vec<_> = untrue.copied().map(Change::Retract).collect();
    let missing = computed.iter().filter(|transition| !kept.contains(&(transition.kind, transition.at)));
    changes.extend(missing.copied().map(Change::Record));
    changes
}

#[cfg(test)]
mod tests {
    use event_model::alert::{TransitionCause, TransitionKind};
    use jiff::Timestamp;

    use super::{Change, Recorded, reconcile};
    use crate::evaluate::Transition;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn firing(second: i64) -> Transition {
        Transition {
            kind: TransitionKind::Firing,
            at: at(second),
            value: Some(1.0),
            cause: TransitionCause::Breach,
        }
    }

    fn row(id: i64, kind: TransitionKind, second: i64) -> Recorded {
        Recorded { id, kind, at: at(second) }
    }

    #[test]
    fn what_is_recorded_already_needs_nothing() {
        assert_eq!(reconcile(&[row(1, TransitionKind::Firing, 5)], &[firing(5)]), []);
    }

    #[test]
    fn what_is_no_longer_computed_is_retracted_before_the_rest_is_recorded() {
        let untrue = row(1, TransitionKind::Firing, 5);
        assert_eq!(reconcile(&[untrue], &[firing(4)]), [Change::Retract(untrue), Change::Record(firing(4))]);
    }

    #[test]
    fn a_row_that_is_there_twice_is_retracted_once() {
        let rows = [row(1, TransitionKind::Firing, 5), row(2, TransitionKind::Firing, 5)];
        assert_eq!(reconcile(&rows, &[firing(5)]), [Change::Retract(rows[1])]);
    }
}
