//! A device that is expected and has never sent is silent; what it sends first ends that, however its platform spells its address.

use jiff::{SignedDuration, Timestamp};
use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::eventually;
use topology::Mode;

const PIPELINE: &str = "
tick: 5m
sources:
  field:
    format: json
    max_new_devices: 0
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
devices:
  field:
    a84041000181c061: {expected: 1h}
    spare: {expected: 1h}
rules:
  Silent: {metric: temperature, absent: 30m}
";

async fn is_missed_until_it_sends(mode: Mode) {
    let mut now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let Some(stand) = Stand::up(Plan { clock: Some(now), mode, ..Plan::new(PIPELINE) }).await else { return };
    let database = stand.database().await;
    let one = async |sql: &str| -> String {
        let sql = format!("select coalesce(({sql})::text, '')");
        database.query_one(&sql, &[]).await.unwrap().get(0)
    };
    for _ in 0..8 {
        stand.tick().await;
        now += SignedDuration::from_mins(5);
        stand.set_clock(now);
    }
    let firing = "select string_agg(kind || ' ' || cause, ', ' order by t.id) from alert_transition t join stream s on s.id = t.stream_id
                  join device d on d.id = s.device_id where d.name ~* '^a8'";
    assert_eq!(one(firing).await, "firing silence");
    let names = "select string_agg(device || ' ' || coalesce(last_seen_at::text, 'never'), ', ' order by device) from devices";
    assert_eq!(one(names).await, "a84041000181c061 never, spare never");

    let body = |channel: &str| {
        format!(
            r#"{{"device": "A8-40-41-00-01-81-C0-61", "channel": "{channel}", "time": "{now}", "temperature": 20}}"#
        )
    };
    stand.post_until_taken("field", body("").into_bytes()).await;
    eventually(PATIENCE, async || one(firing).await == "firing silence, resolved returned").await;
    assert_eq!(
        one("select string_agg(name, ', ' order by name) from device").await,
        "A8-40-41-00-01-81-C0-61, spare"
    );
    assert_eq!(one("select count(*) from readings").await, "1");
    let first =
        "select count(*) from device where first_seen_at = last_seen_at and expected_at < first_seen_at";
    assert_eq!(one(first).await, "1");
    // The other one is missed as before, and nobody says so twice.
    stand.tick().await;
    assert_eq!(one("select count(*) from alert_state where status = 'firing'").await, "1");
    assert_eq!(one("select count(*) from alert_transition").await, "3");
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_sent_is_missed_until_it_does_in_broker_mode() {
    is_missed_until_it_sends(Mode::Broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_sent_is_missed_until_it_does_in_direct_mode() {
    is_missed_until_it_sends(Mode::Direct).await;
}
