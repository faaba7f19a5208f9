//! Which stage wants which event, how many at once, in which order and for how long: declared once, here.
//!
//! `freshet up` builds its services and Triggers from these tables. `charts/freshet/files/topology.yaml` and the numbers in
//! the chart's `values.yaml` are generated from them: `FRESHET_BLESS=1 cargo test -p chart-tests` writes both.

mod stages;
mod subscriptions;

pub use stages::{KafkaUse, PREWARMS, Prewarm, STAGES, Secrets, StageSpec, WORKER, stage};
pub use subscriptions::{
    Delivery, Filter, Order, PAYLOADS, SUBSCRIPTIONS, Subscription, TICK_TIMER, Timer, timer_source,
};

#[cfg(test)]
mod tests {
    use super::{PREWARMS, SUBSCRIPTIONS, WORKER, stage};

    #[test]
    fn a_stage_always_answers_before_its_delivery_times_out() {
        for subscription in SUBSCRIPTIONS {
            let stage = stage(subscription.stage).expect(subscription.name);
            assert!(subscription.delivery.timeout > stage.timeout, "{}", subscription.name);
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
