//! Frames that their network did not decode, in broker mode and in direct mode.

use pipeline_tests::stand::{Plan, Stand};
use topology::Mode;

const PIPELINE: &str = "
sources:
  field:
    format: ttn_v3
    codec: {script: probe.js}
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
";

/// Port 1 is a frame, port 2 a device that the script does not know, port 3 is a fault of the script's.
const SCRIPT: &str = "
function decodeUplink(input) {
  if (input.fPort === 2) return {errors: ['unknown port']};
  while (input.fPort === 3);
  return {data: {temperature: {value: (input.bytes[0] << 8 | input.bytes[1]) / 10, unit: '°C'}}};
}
";

fn uplink(port: u8, counter: u32) -> Vec<u8> {
    format!(
        r#"{{"end_device_ids":{{"dev_eui":"70B3D57ED0000001"}},"received_at":"2026-03-01T00:{counter:02}:00Z",
            "uplink_message":{{"session_key_id":"s","f_cnt":{counter},"f_port":{port},"frm_payload":"ANc="}}}}"#
    )
    .into_bytes()
}

async fn are_decoded(mode: Mode) {
    let mut plan = Plan::new(PIPELINE);
    (plan.mode, plan.scripts) = (mode, vec![("probe.js", SCRIPT)]);
    let Some(stand) = Stand::up(plan).await else { return };
    for (counter, port) in [1, 2, 3, 1, 3, 1].into_iter().enumerate() {
        stand.post_until_taken("field", uplink(port, u32::try_from(counter).unwrap_or_default())).await;
    }
    // A sender's retry is none of its own.
    stand.post_until_taken("field", uplink(1, 0)).await;
    stand.rest().await;

    let rows = "select (select count(*) from readings where device = '70b3d57ed0000001' and metric = 'temperature' and value = 21.5),
                       (select count(*) from dead_letter where reason like '%unknown port%'),
                       (select count(*) from dead_letter where reason like '%more than 100 ms of processor time%'),
                       (select count(*) from dead_letter)";
    let row = stand.database().await.query_one(rows, &[]).await.expect("the database answers");
    let counts: Vec<i64> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(counts, [3, 1, 2, 3], "{mode:?}");
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_decoded_by_a_script_in_broker_mode() {
    are_decoded(Mode::Broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_decoded_by_a_script_in_direct_mode() {
    are_decoded(Mode::Direct).await;
}
