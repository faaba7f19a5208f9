use std::collections::BTreeMap;

use event_model::alert::{NotificationStatus, Severity, TransitionCause, TransitionKind};
use jiff::Timestamp;
use receivers::AlertChange;
use store::notifications::{FiringRow, Queued, RetractedNotification, Transition};
use uuid::Uuid;

use super::Plan;

/// As of a pipeline that tells of what ended within a day.
fn plan(queued: &[Queued], now: Timestamp) -> Plan<'_> {
    super::plan(queued, now, at(-24 * 60))
}

/// Minute `minute` of the test's hour.
fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_772_366_400 + 60 * minute).unwrap()
}

fn queued(id: i64, kind: TransitionKind, minute: i64) -> Queued {
    Queued {
        id: Uuid::from_u128(id.unsigned_abs().into()),
        repeating: false,
        attempts: 0,
        interrupted: false,
        next_attempt_at: at(0),
        give_up_at: at(24 * 60),
        is_fallback: false,
        fallback_at: None,
        fell_back: false,
        summarizes: None,
        transition: Transition {
            id,
            rule: "TooHot".into(),
            kind,
            at: at(minute),
            value: None,
            cause: Some(TransitionCause::Breach),
            severity: Severity::Warning,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            traceparent: None,
            source: "greenhouse".into(),
            device: "gh-1".into(),
            device_channel: String::new(),
            metric: "temperature".into(),
            unit: "Cel".into(),
        },
        retracted: None,
        firing: None,
        over: false,
    }
}

fn firing(id: i64, minute: i64) -> Queued {
    queued(id, TransitionKind::Firing, minute)
}

fn resolved(id: i64, minute: i64) -> Queued {
    queued(id, TransitionKind::Resolved, minute)
}

/// The retraction of the firing `of`, which had come to `status`.
fn retraction(id: i64, of: &Queued, status: NotificationStatus) -> Queued {
    let retracted = RetractedNotification {
        transition: of.transition.id,
        kind: of.transition.kind,
        at: of.transition.at,
        status: Some(status),
        fell_back: false,
        notification: Some(of.id),
    };
    let minute = of.transition.at.duration_since(at(0)).as_secs() / 60;
    Queued { retracted: Some(retracted), ..queued(id, TransitionKind::Retracted, minute) }
}

/// The messages, by main notification, and the ids of what is dropped.
fn summary(plan: &Plan<'_>) -> (Vec<(i64, AlertChange)>, Vec<i64>) {
    let sent = plan.messages.iter().map(|planned| (planned.main.transition.id, planned.change)).collect();
    (sent, plan.dropped.iter().map(|one| one.transition.id).collect())
}

#[test]
fn an_alert_that_is_over_before_it_was_notified_is_one_message() {
    let queue = [firing(1, 0), resolved(2, 5), firing(3, 9), resolved(4, 12), firing(5, 20)];
    let (sent, dropped) = summary(&plan(&queue, at(30)));
    let passed = |since, end| AlertChange::Passed { since: at(since), at: at(end) };
    assert_eq!(sent, [(2, passed(0, 5)), (4, passed(9, 12)), (5, AlertChange::Firing { since: at(20) })]);
    assert!(dropped.is_empty());
}

#[test]
fn what_was_never_sent_is_dropped_with_its_retraction() {
    let first = firing(1, 0);
    let queue = [first.clone(), retraction(2, &first, NotificationStatus::Pending), firing(3, 9)];
    let (sent, dropped) = summary(&plan(&queue, at(30)));
    assert_eq!((sent, dropped), (vec![(3, AlertChange::Firing { since: at(9) })], vec![1, 2]));
}

#[test]
fn what_may_have_been_sent_is_retracted_aloud() {
    for perhaps in [Queued { attempts: 1, ..firing(1, 0) }, Queued { interrupted: true, ..firing(1, 0) }] {
        let queue = [perhaps.clone(), retraction(2, &perhaps, NotificationStatus::Pending)];
        let (sent, dropped) = summary(&plan(&queue, at(30)));
        assert_eq!((sent, dropped), (vec![(2, AlertChange::Retracted { at: at(0) })], vec![1]));
    }
}

#[test]
fn what_was_notified_and_only_moves_in_time_is_known() {
    let queue = [retraction(2, &firing(1, 5), NotificationStatus::Delivered), firing(3, 4), resolved(4, 8)];
    let plan = plan(&queue, at(30));
    let [moved, over] = plan.messages.as_slice() else { panic!("{plan:?}") };
    assert!(moved.known && moved.main.transition.id == 3 && moved.merged[0].transition.id == 2);
    assert_eq!((over.known, over.change), (false, AlertChange::Resolved { since: None, at: at(8) }));
}

#[test]
fn what_may_have_been_notified_is_notified_with_its_true_time() {
    let perhaps = Queued { attempts: 2, ..firing(1, 5) };
    let queue = [perhaps.clone(), retraction(2, &perhaps, NotificationStatus::Pending), firing(3, 4)];
    let plan = plan(&queue, at(30));
    assert_eq!(summary(&plan), (vec![(3, AlertChange::Firing { since: at(4) })], vec![1]));
    assert!(!plan.messages[0].known);
}

#[test]
fn a_resolution_that_is_retracted_leaves_the_alert_firing_or_gone() {
    let back = retraction(3, &resolved(2, 9), NotificationStatus::Delivered);
    let began = FiringRow {
        at: at(1),
        status: Some(NotificationStatus::Delivered),
        fell_back: false,
        notification: None,
    };
    let still = [Queued { firing: Some(began), ..back.clone() }];
    assert_eq!(
        summary(&plan(&still, at(30))).0,
        [(3, AlertChange::StillFiring { since: Some(at(1)), at: at(9) })]
    );
    let gone = [retraction(4, &firing(1, 1), NotificationStatus::Superseded), back];
    let plan = plan(&gone, at(30));
    assert_eq!(summary(&plan).0, [(3, AlertChange::Retracted { at: at(9) })]);
    assert_eq!(plan.messages[0].merged.len(), 1);
}

#[test]
fn a_retraction_of_what_this_receiver_gave_up_is_not_notified_here() {
    let queue = [retraction(2, &firing(1, 0), NotificationStatus::Failed)];
    assert_eq!(summary(&plan(&queue, at(30))), (vec![], vec![2]));
}

#[test]
fn a_repetition_goes_on_until_something_later_is_notified() {
    let repeating = Queued { repeating: true, attempts: 3, next_attempt_at: at(10), ..firing(1, 0) };
    let alone = [repeating.clone()];
    assert!(plan(&alone, at(9)).messages.is_empty());
    assert_eq!(summary(&plan(&alone, at(10))).0, [(1, AlertChange::Firing { since: at(0) })]);

    let ended = [repeating.clone(), resolved(2, 5)];
    let plan_of_end = plan(&ended, at(10));
    assert_eq!(summary(&plan_of_end).0, [(2, AlertChange::Resolved { since: None, at: at(5) })]);
    assert_eq!(plan_of_end.messages[0].ends[0].transition.id, 1);

    let over = [Queued { over: true, ..repeating }];
    assert_eq!(plan(&over, at(10)).ended.len(), 1);
}

#[test]
fn what_was_over_before_a_day_and_never_sent_is_dropped() {
    let old = [firing(1, -3000), resolved(2, -2000)];
    assert_eq!(summary(&plan(&old, at(0))), (vec![], vec![1, 2]));
    let tried = [Queued { attempts: 1, ..old[0].clone() }, old[1].clone()];
    let passed = AlertChange::Passed { since: at(-3000), at: at(-2000) };
    assert_eq!(summary(&plan(&tried, at(0))), (vec![(2, passed)], vec![]));
    let lasting = [firing(1, -3000)];
    assert_eq!(summary(&plan(&lasting, at(0))).0, [(1, AlertChange::Firing { since: at(-3000) })]);
}

#[test]
fn a_message_about_many_is_no_part_of_its_own_alert() {
    let many = Queued { summarizes: Some(7), next_attempt_at: at(10), ..firing(1, 0) };
    let counted = FiringRow {
        at: at(0),
        status: Some(NotificationStatus::Summarized),
        fell_back: false,
        notification: Some(many.id),
    };
    let queue = [
        many.clone(),
        Queued { firing: Some(counted), ..resolved(2, 5) },
        retraction(3, &many, NotificationStatus::Summarized),
        firing(4, 8),
    ];
    let firing_again = (4, AlertChange::Firing { since: at(8) });
    assert_eq!(summary(&plan(&queue, at(9))), (vec![firing_again], vec![2, 3]));
    let more = (1, AlertChange::More { count: 7, at: at(0) });
    assert_eq!(summary(&plan(&queue, at(10))), (vec![firing_again, more], vec![2, 3]));
}
