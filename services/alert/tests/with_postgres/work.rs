//! More work than one event may do, and work that another has.

use cloudevents::AttributesReader as _;
use event_model::cloudevent;
use event_model::event_types::{HEARTBEAT_RECORDED, READINGS_RECORDED};
use event_model::events::{EVALUATION_DUE, EXT_EVALUATION};
use stage::{Delivery, Outcome, Stage as _};

use crate::world::{World, at, config, event, pipeline};

const TOO_HOT: &str = "{TooHot: {metric: temperature, above: 30}}";

#[tokio::test]
async fn what_one_event_may_not_do_is_done_by_the_events_that_it_answers_with() {
    let Some(mut world) = World::new().await else { return };
    let config = config(&pipeline(TOO_HOT), &[("MAX_STREAMS_PER_EVENT", "3")]);
    world.activate(&config.pipeline.hash).await;
    let alert = world.process_of(config);
    for device in 0..10 {
        world.store(&format!("gh-{device}"), 0, 31.0).await;
    }
    let mut event = event(1, &[], None);
    let mut types = vec![];
    loop {
        let delivery = Delivery::at(at(0));
        let Outcome::Reply(reply) = alert.handle(event, delivery).await else { break };
        types.push(reply.ty().to_owned());
        let due = cloudevent::extension(&reply, EXT_EVALUATION).as_deref() == Some(EVALUATION_DUE);
        assert_eq!(due, reply.ty() == READINGS_RECORDED);
        event = *reply;
    }
    assert_eq!(types[..3], [HEARTBEAT_RECORDED, READINGS_RECORDED, HEARTBEAT_RECORDED]);
    assert_eq!(types.len(), 4);
    assert_eq!((world.count("evaluation_request").await, world.count("alert_transition").await), (0, 10));
}

#[tokio::test]
async fn a_stream_that_another_has_keeps_its_mark_and_holds_nobody_up() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let taken = world.store("taken", 0, 31.0).await;
    let free = world.store("free", 0, 31.0).await;
    let mut other = world.other_connection().await;
    let transaction = other.transaction().await.unwrap();
    let lock = "select pg_advisory_xact_lock($1, $2)";
    transaction.query(lock, &[&0x4652_0001_i32, &taken]).await.unwrap();
    world.readings(&alert, &[taken, free]).await;
    assert_eq!((world.effective("taken").await.len(), world.effective("free").await.len()), (0, 1));
    transaction.rollback().await.unwrap();
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("taken").await.len(), 1);
}

#[tokio::test]
async fn a_stream_whose_rows_cannot_be_evaluated_does_not_stop_the_others() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let poison = world.store("poison", 0, 31.0).await;
    let fine = world.store("fine", 0, 31.0).await;
    // A transition that the table refuses, whoever is to blame for it.
    let check = format!("alter table alert_transition add check (stream_id <> {poison})");
    world.sql.batch_execute(&check).await.unwrap();
    world.readings(&alert, &[poison, fine]).await;
    assert_eq!(world.effective("fine").await.len(), 1);
    assert_eq!(world.count("evaluation_request").await, 1);
}
