//! Which stage wants which event, how many at once, how often and for how long: declared once, here.
//!
//! `freshet up` builds its services and Triggers from these tables. `charts/freshet/files/topology.yaml` and the numbers in
//! the chart's `values.yaml` are generated from them: `FRESHET_BLESS=1 cargo test -p chart-tests` writes both.

mod mode;
mod stages;
mod subscriptions;

pub use mode::Mode;
pub use stages::{KafkaUse, PREWARMS, Prewarm, STAGES, Secrets, StageSpec, WORKER, stage};
pub use subscriptions::{Delivery, PAYLOADS, SUBSCRIPTIONS, Subscription, TICK_TIMER, Timer, timer_source};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use event_model::event_types::PAYLOAD_RECEIVED;

    use super::{Delivery, PREWARMS, SUBSCRIPTIONS, TICK_TIMER, WORKER, stage};

    #[test]
    fn a_stage_always_answers_before_its_delivery_times_out() {
        for subscription in SUBSCRIPTIONS {
            let stage = stage(subscription.stage).expect(subscription.name);
            assert!(subscription.delivery().timeout > stage.timeout, "{}", subscription.name);
        }
    }

    /// The waits between the attempts of one event.
    fn waits(delivery: Delivery) -> impl Iterator<Item = Duration> {
        (1..=delivery.retry).map(move |n| delivery.backoff_delay * n)
    }

    #[test]
    fn a_payload_is_tried_for_an_hour_and_never_left_alone_for_long() {
        let total: Duration = waits(Delivery::PAYLOADS).sum();
        assert!((Duration::from_secs(55 * 60)..Duration::from_secs(60 * 60)).contains(&total), "{total:?}");
        assert_eq!(waits(Delivery::PAYLOADS).max(), Some(Delivery::PAYLOADS.longest_wait()));
        assert_eq!(Delivery::PAYLOADS.longest_wait(), Duration::from_secs(185));
    }

    #[test]
    fn a_hint_is_given_up_before_the_next_tick_and_is_no_dead_letter() {
        for subscription in SUBSCRIPTIONS {
            let delivery = subscription.delivery();
            assert_eq!(
                delivery.dead_letters,
                subscription.event_type == PAYLOAD_RECEIVED,
                "{}",
                subscription.name
            );
            let attempts = delivery.timeout * (delivery.retry + 1);
            let longest = attempts + waits(delivery).sum::<Duration>();
            assert!(delivery.dead_letters || longest <= TICK_TIMER.every, "{}", subscription.name);
        }
    }

    #[test]
    fn trigger_names_are_unique() {
        let mut names: Vec<_> = SUBSCRIPTIONS.iter().map(|subscription| subscription.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUBSCRIPTIONS.len());
    }

    #[test]
    fn only_stages_are_prewarmed() {
        for prewarm in PREWARMS {
            let is_stage = |name| name == WORKER || stage(name).is_some();
            assert!(is_stage(prewarm.stage) && stage(prewarm.next).is_some(), "{prewarm:?}");
        }
    }
}
