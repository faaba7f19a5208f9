//! What a preview says is what an evaluation then records.

use evaluate::{
    AlertChange, AlertEffect, ChangingPayload, Evaluator, Preview, Previewed, ReadingChange, ReadingChanges,
    ReadingEffect,
};
use event_model::Quality;
use event_model::alert::AlertId;
use event_model::reading::ValueKind;
use jiff::Timestamp;
use store::Transaction;
use store::alerts::{self, SHARD_LOCK, SHARDS};
use tokio_postgres::types::ToSql;

use crate::world::{BUDGET, World, at, pipeline, run};

const HOT: &str = "{Hot: {metric: temperature, above: 30}}";
const SILENT: &str = "{Silent: {metric: temperature, absent: 10m}}";

/// A temperature of a device in degrees Celsius.
fn reading(device: &str, second: i64, effect: ReadingEffect) -> ReadingChange<'_> {
    ReadingChange {
        device,
        channel: "",
        metric: "temperature",
        unit: "Cel",
        kind: ValueKind::Number,
        observed_at: at(second),
        received_at: at(second),
        effect,
    }
}

fn stored(device: &str, second: i64, value: f64) -> ReadingChange<'_> {
    reading(device, second, ReadingEffect::Stored(Some(value), Quality::Good))
}

/// A device's level in meters, which is called temperature too.
fn in_meters(device: &str, second: i64, value: f64) -> ReadingChange<'_> {
    ReadingChange { unit: "m", ..stored(device, second, value) }
}

fn emptied(device: &str, second: i64) -> ReadingChange<'_> {
    reading(device, second, ReadingEffect::Emptied)
}

/// Payloads, each with the second in which it was received.
type Payloads<'a> = [(i64, Vec<ReadingChange<'a>>)];

fn changes(payloads: &Payloads<'_>, mut changes: ReadingChanges) -> ReadingChanges {
    for (second, readings) in payloads {
        let readings = readings.iter().map(|one| ReadingChange { received_at: at(*second), ..*one });
        changes.add("greenhouse", &[ChangingPayload { tags: &[], readings: readings.collect() }]);
    }
    changes
}

async fn preview(world: &World, process: &Evaluator, changes: &ReadingChanges) -> Previewed {
    let preview = Preview { pipeline: &process.pipeline, rules: &process.rules, now: world.now() };
    preview.of(&mut world.owner().await, changes).await.unwrap()
}

fn line(effect: AlertEffect, (rule, device, unit): (&str, &str, &str), at: Timestamp, cause: &str) -> String {
    let second = at.as_second() - crate::world::at(0).as_second();
    format!("{effect:?} {rule} {device} {unit} {second} {cause}")
}

fn lines(changes: &[AlertChange]) -> Vec<String> {
    let mut lines: Vec<_> = changes
        .iter()
        .map(|one| line(one.effect, (&one.rule, &one.device, &one.unit), one.at, one.cause.as_str()))
        .collect();
    lines.sort();
    lines
}

/// Stores the payloads, as `persist` and a run over requests do it.
async fn write(world: &World, payloads: &Payloads<'_>) {
    let place = "
        with d as (insert into device as d (source, name, first_seen_at, last_seen_at) values ('greenhouse', $1, $2, $2)
                   on conflict (source, name) do update set last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at) returning id),
             s as (insert into stream (device_id, channel) select id, $3 from d
                   on conflict (device_id, channel) do update set channel = excluded.channel returning id)
        select id from s";
    let metric = "
        with m as (insert into metric (stream_id, position, name, unit, kind)
                   select $1, (select count(*) from metric where stream_id = $1), $2, $3, $4
                   where not exists (select from metric where stream_id = $1 and name = $2 and unit = $3 and kind = $4) returning position)
        select position from m union all select position from metric where stream_id = $1 and name = $2 and unit = $3 and kind = $4";
    let moment = r#"insert into moment as m (stream_id, observed_at, received_at, receipt_id, "values", texts, quality)
                    values ($1, $2, $3, gen_random_uuid(), array_fill(null::float8, array[$4::integer]),
                            array_fill(null::text, array[$4::integer]), array_fill(null::smallint, array[$4::integer]))
                    on conflict (stream_id, observed_at) do update
                    set received_at = greatest(m.received_at, excluded.received_at), texts = coalesce(m.texts, excluded.texts),
                        quality = coalesce(m.quality, excluded.quality)"#;
    let cell = r#"update moment set "values"[$3] = $4, texts[$3] = $5, quality[$3] = $6 where stream_id = $1 and observed_at = $2"#;
    let request = "insert into evaluation_request as r (stream_id, from_at, token) values ($1, $2, nextval('evaluation_token'))
                   on conflict (stream_id) do update set from_at = least(r.from_at, excluded.from_at), token = excluded.token";
    let first = "insert into evaluation_request as r (stream_id, from_at, token)
                 select s.id, d.expected_at, nextval('evaluation_token') from device d join stream s on s.device_id = d.id where d.id = any($1)
                 on conflict (stream_id) do update set from_at = least(r.from_at, excluded.from_at), token = excluded.token";
    let awaited =
        "select array(select id from device where expected_at is not null and last_seen_at = '1970-01-01Z')";
    let awaited: Vec<i32> = world.sql.query_one(awaited, &[]).await.unwrap().get(0);
    for (second, readings) in payloads {
        for one in readings {
            let received_at = at(*second);
            let stream: i32 =
                world.sql.query_one(place, &[&one.device, &received_at, &one.channel]).await.unwrap().get(0);
            let kind = one.kind.as_str();
            let position: i16 =
                world.sql.query_one(metric, &[&stream, &one.metric, &one.unit, &kind]).await.unwrap().get(0);
            let (value, text, quality) = match one.effect {
                ReadingEffect::Stored(value, quality) => {
                    (value, value.is_none().then_some("text"), Some(quality.code()))
                }
                ReadingEffect::Kept | ReadingEffect::Emptied => (None, None, None),
            };
            if one.effect != ReadingEffect::Kept {
                let place = i32::from(position) + 1;
                let parameters: [&(dyn ToSql + Sync); 4] = [&stream, &one.observed_at, &received_at, &place];
                world.sql.execute(moment, &parameters).await.unwrap();
                let parameters: [&(dyn ToSql + Sync); 6] =
                    [&stream, &one.observed_at, &place, &value, &text, &quality];
                assert_eq!(world.sql.execute(cell, &parameters).await.unwrap(), 1);
            }
            if one.effect != ReadingEffect::Emptied && one.metric == "temperature" {
                world.sql.execute(request, &[&stream, &one.observed_at]).await.unwrap();
            }
        }
    }
    world.sql.execute(first, &[&awaited]).await.unwrap();
}

/// All rows that a preview might write, and what is locked.
async fn rows(world: &World) -> String {
    let tables = [
        "device",
        "stream",
        "metric",
        "moment",
        "evaluation_request",
        "alert_state",
        "alert_transition",
        "notification",
    ];
    let mut rows = String::new();
    for table in tables {
        let sql =
            format!("select coalesce(md5(string_agg(t::text, ' ' order by t::text)), '') from {table} t");
        rows += &world.sql.query_one(&sql, &[]).await.unwrap().get::<_, String>(0);
    }
    rows
}

/// What a preview of the payloads says, which is what an evaluation records once they are stored. The preview writes nothing, and waits
/// for nobody who evaluates.
async fn foreseen(world: &World, process: &Evaluator, payloads: &Payloads<'_>) -> Vec<String> {
    let before = rows(world).await;
    let other = world.other_connection().await;
    let lock = "select pg_advisory_lock($1, s) from generate_series(0, $2) s";
    other.execute(lock, &[&SHARD_LOCK, &(SHARDS - 1)]).await.unwrap();
    let previewed = preview(world, process, &changes(payloads, ReadingChanges::default())).await;
    assert!(previewed.not_looked_at.is_empty(), "{previewed:?}");
    assert_eq!(rows(world).await, before);
    other.execute("select pg_advisory_unlock_all()", &[]).await.unwrap();
    let foreseen = lines(&previewed.changes);

    let newest = "select coalesce(max(id), 0) from alert_transition";
    let newest: i64 = world.sql.query_one(newest, &[]).await.unwrap().get(0);
    write(world, payloads).await;
    run(process, &[]).await;
    let recorded = "
        select t.rule, d.name, m.unit, t.at, t.cause, t.kind, coalesce(u.kind, '')
        from alert_transition t join stream s on s.id = t.stream_id join device d on d.id = s.device_id
        join metric m on m.stream_id = t.stream_id and m.position = t.position
        left join alert_transition u on u.id = t.retracts where t.id > $1";
    let recorded = world.sql.query(recorded, &[&newest]).await.unwrap();
    let mut recorded: Vec<String> = recorded
        .iter()
        .map(|row| {
            let effect = match (row.get(5), row.get(6)) {
                ("firing", _) => AlertEffect::Begins,
                ("resolved", _) => AlertEffect::Ends,
                (_, "firing") => AlertEffect::BeginningRetracted,
                _ => AlertEffect::EndRetracted,
            };
            line(effect, (row.get(0), row.get(1), row.get(2)), row.get(3), row.get(4))
        })
        .collect();
    recorded.sort();
    assert_eq!(foreseen, recorded, "what a preview says is what is recorded");
    foreseen
}

/// A process, and readings that it has evaluated.
async fn evaluated(world: &mut World, rules: &str, readings: &[(&str, i64, f64)]) -> Evaluator {
    let process = world.process(&pipeline(rules)).await;
    for (device, second, value) in readings {
        world.at(*second);
        world.store(device, *second, *value).await;
        run(&process, &[]).await;
    }
    process
}

#[tokio::test]
async fn a_wrong_unit_that_is_mended_retracts_the_alert_that_it_made() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("gh-1", 0, 20.0), ("gh-1", 60, 68.0)]).await;
    assert_eq!(world.effective("gh-1").await, [("firing".to_owned(), 60)]);
    let mended = [(60, vec![stored("gh-1", 60, 20.0)])];
    assert_eq!(foreseen(&world, &process, &mended).await, ["BeginningRetracted Hot gh-1 Cel 60 late_data"]);
    // Once more nothing changes, nor where nothing would be stored.
    assert!(foreseen(&world, &process, &mended).await.is_empty());
    let kept = [(60, vec![reading("gh-1", 60, ReadingEffect::Kept)])];
    assert!(foreseen(&world, &process, &kept).await.is_empty());
}

#[tokio::test]
async fn an_alert_of_long_ago_ends_with_the_newest_mended_value_and_is_not_retracted() {
    let Some(mut world) = World::new().await else { return };
    let hot: Vec<_> = (0..5).map(|hour| ("gh-1", hour * 3_600, 68.0)).collect();
    let process = evaluated(&mut world, HOT, &hot).await;
    // Behind the lateness window nothing counts any more.
    assert!(foreseen(&world, &process, &[(0, vec![stored("gh-1", 0, 20.0)])]).await.is_empty());
    let mended: Vec<_> =
        (1..5).map(|hour| (hour * 3_600, vec![stored("gh-1", hour * 3_600, 20.0)])).collect();
    assert_eq!(foreseen(&world, &process, &mended).await, ["Ends Hot gh-1 Cel 14400 cleared"]);
}

#[tokio::test]
async fn late_values_begin_an_alert() {
    let Some(mut world) = World::new().await else { return };
    let process =
        evaluated(&mut world, HOT, &[("gh-1", 0, 20.0), ("gh-2", 0, 20.0), ("gh-1", 600, 20.0)]).await;
    let late = [(700, vec![stored("gh-1", 300, 40.0)]), (701, vec![stored("gh-2", 300, 40.0)])];
    assert_eq!(
        foreseen(&world, &process, &late).await,
        ["Begins Hot gh-1 Cel 300 breach", "Begins Hot gh-2 Cel 300 breach", "Ends Hot gh-1 Cel 600 cleared"]
    );
    // The end is retracted with the value that made it.
    let corrected = [(800, vec![stored("gh-1", 600, 50.0)])];
    assert_eq!(foreseen(&world, &process, &corrected).await, ["EndRetracted Hot gh-1 Cel 600 late_data"]);
}

#[tokio::test]
async fn another_unit_is_a_series_of_its_own_and_ends_the_alert_of_the_one_before() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("tank", 0, 50.0)]).await;
    let mended = [(60, vec![emptied("tank", 0), in_meters("tank", 0, 3.0), in_meters("tank", 60, 40.0)])];
    assert_eq!(
        foreseen(&world, &process, &mended).await,
        ["BeginningRetracted Hot tank Cel 0 late_data", "Begins Hot tank m 60 breach"]
    );
    // Where the old value stays, the new series takes its place.
    let process = evaluated(&mut world, HOT, &[("other", 100, 50.0)]).await;
    let beside = [(160, vec![in_meters("other", 160, 3.0)])];
    assert_eq!(foreseen(&world, &process, &beside).await, ["Ends Hot other Cel 160 series_changed"]);
}

#[tokio::test]
async fn a_series_that_is_emptied_has_its_alert_as_long_as_no_payload_gives_what_a_rule_watches() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("gh-1", 0, 50.0)]).await;
    let humidity = ReadingChange { metric: "relative_humidity", unit: "%RH", ..stored("gh-1", 0, 50.0) };
    assert!(foreseen(&world, &process, &[(0, vec![emptied("gh-1", 0), humidity])]).await.is_empty());
}

#[tokio::test]
async fn a_device_that_is_not_there_begins_with_its_whole_history() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("gh-1", 0, 20.0)]).await;
    world.at(100_000);
    // More than are looked at one by one, and longer ago than the lateness.
    let day: Vec<_> = (0..100).map(|n| stored("new", n * 900, if n == 10 { 40.0 } else { 20.0 })).collect();
    let of_channel = ReadingChange { channel: "soil", ..stored("new", 5, 40.0) };
    let found = foreseen(&world, &process, &[(90_000, day), (90_001, vec![of_channel])]).await;
    assert_eq!(
        found,
        ["Begins Hot new Cel 5 breach", "Begins Hot new Cel 9000 breach", "Ends Hot new Cel 9900 cleared"]
    );
}

#[tokio::test]
async fn a_condition_that_is_to_hold_for_a_time_is_foreseen_too() {
    let Some(mut world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30, clear: 28, for: 10m}}";
    let process = evaluated(&mut world, rules, &[("gh-1", 0, 31.0), ("gh-1", 700, 31.0)]).await;
    let late = [(701, vec![stored("gh-1", 300, 20.0)])];
    assert_eq!(foreseen(&world, &process, &late).await, ["BeginningRetracted Hot gh-1 Cel 600 late_data"]);
    let back = [(702, vec![stored("gh-1", 300, 31.0)])];
    assert_eq!(foreseen(&world, &process, &back).await, ["Begins Hot gh-1 Cel 600 breach"]);
}

#[tokio::test]
async fn a_silence_is_foreseen_also_where_it_is_broken_by_texts_or_by_doubtful_values() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, SILENT, &[("gh-1", 0, 20.0), ("gh-2", 0, 20.0)]).await;
    for second in (0..=900).step_by(300) {
        world.heartbeat(&process, second).await;
    }
    assert_eq!(world.effective("gh-1").await, [("firing".to_owned(), 600)]);
    let doubtful = reading("gh-1", 500, ReadingEffect::Stored(Some(1.0), Quality::Bad));
    let text = ReadingChange {
        kind: ValueKind::Text,
        unit: "",
        ..reading("gh-2", 700, ReadingEffect::Stored(None, Quality::Good))
    };
    assert_eq!(
        foreseen(&world, &process, &[(901, vec![doubtful]), (902, vec![text])]).await,
        ["BeginningRetracted Silent gh-1 Cel 600 late_data", "Ends Silent gh-2 Cel 700 series_changed"]
    );
    // A device that comes with a gap in its history.
    let gap = [(903, vec![stored("gh-3", 0, 20.0), stored("gh-3", 890, 20.0)])];
    assert_eq!(
        foreseen(&world, &process, &gap).await,
        ["Begins Silent gh-3 Cel 600 silence", "Ends Silent gh-3 Cel 890 returned"]
    );
}

#[tokio::test]
async fn the_alert_of_a_device_that_was_awaited_ends_with_its_first_reading_of_any_stream() {
    for (channel, metric) in [("", "temperature"), ("probe", "temperature"), ("", "humidity")] {
        let Some(world) = World::new().await else { return };
        let process = world.process(&pipeline(SILENT)).await;
        world.expect("new", Some("1h")).await;
        for second in (0..=900).step_by(300) {
            world.at(second);
            world.make_expected(&process).await;
            world.heartbeat(&process, second).await;
        }
        assert_eq!(world.effective("new").await, [("firing".to_owned(), 600)]);
        let first = ReadingChange { channel, metric, ..stored("new", 950, 20.0) };
        let found = foreseen(&world, &process, &[(950, vec![first])]).await;
        assert_eq!(found.len(), 1, "{channel} {metric}");
        assert!(found[0].starts_with("Ends Silent new"), "{found:?}");
    }
}

#[tokio::test]
async fn of_a_retired_device_and_by_a_rule_that_selects_others_nothing_is_foreseen() {
    let Some(mut world) = World::new().await else { return };
    let process =
        evaluated(&mut world, "{Hot: {metric: temperature, above: 30, select: {device: 'gh-*'}}}", &[]).await;
    world.store("gh-1", 0, 20.0).await;
    run(&process, &[]).await;
    world.retire("gh-1").await;
    let hot = [(10, vec![stored("gh-1", 10, 40.0), stored("tank", 10, 40.0), stored("gh-2", 10, 40.0)])];
    assert_eq!(foreseen(&world, &process, &hot).await, ["Begins Hot gh-2 Cel 10 breach"]);
}

#[tokio::test]
async fn a_device_that_is_called_by_another_name_is_the_one_that_the_name_leads_to() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("gh-1", 0, 40.0), ("gh-1", 60, 20.0)]).await;
    let alias =
        "insert into device_alias (source, alias, device_id) select 'greenhouse', 'a-tomato', id from device";
    world.sql.execute(alias, &[]).await.unwrap();
    // What it gives by one name it does not take away by another.
    let payload = [(0, vec![stored("a-tomato", 0, 40.0), stored("a-tomato", 30, 40.0), emptied("gh-1", 0)])];
    assert!(
        preview(&world, &process, &changes(&payload, ReadingChanges::default())).await.changes.is_empty()
    );
    let payload = [(0, vec![stored("a-tomato", 0, 20.0)])];
    let found = preview(&world, &process, &changes(&payload, ReadingChanges::default())).await;
    assert_eq!(
        lines(&found.changes),
        ["BeginningRetracted Hot gh-1 Cel 0 late_data", "EndRetracted Hot gh-1 Cel 60 late_data"]
    );
}

#[tokio::test]
async fn a_new_device_has_the_tags_that_its_payload_gives_and_is_held_where_nobody_knows_it() {
    let Some(world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30, select: {tags: {row: '3'}}}}";
    let tags = [("new".into(), "row".to_owned(), "3".to_owned())];
    let readings = vec![stored("new", 0, 40.0), stored("other", 0, 40.0)];
    let mut hot = ReadingChanges::default();
    hot.add("greenhouse", &[ChangingPayload { tags: &tags, readings }]);
    let process = world.process(&pipeline(rules)).await;
    let begins = ["Begins Hot new Cel 0 breach"];
    assert_eq!(lines(&preview(&world, &process, &hot).await.changes), begins);
    let holding = pipeline(rules).replace("{format: json,", "{format: json, unknown: hold,");
    let process = world.process(&holding).await;
    assert!(preview(&world, &process, &hot).await.changes.is_empty());
    world.expect("new", Some("1h")).await;
    assert_eq!(lines(&preview(&world, &process, &hot).await.changes), begins);
}

#[tokio::test]
async fn a_transaction_that_is_begun_to_read_refuses_to_write() {
    let Some(world) = World::new().await else { return };
    let mut client = world.owner().await;
    let transaction = Transaction::begin_to_read(&mut client, BUDGET).await.unwrap();
    let alert = AlertId { rule: "Hot", stream: 1, position: 0 };
    assert!(alerts::delete_states(&transaction, &[alert]).await.is_err());
}

/// Numbers that look like chance, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % most
    }
}

#[tokio::test]
async fn whatever_changes_a_preview_says_what_is_recorded() {
    let Some(world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30, clear: 28}, Long: {metric: temperature, above: 30, for: 10m},
                  Silent: {metric: temperature, absent: 10m}, Probe: {metric: temperature, below: 5, select: {channel: probe}}}";
    let process = world.process(&pipeline(rules)).await;
    let mut numbers = Numbers(1);
    let mut effects = std::collections::BTreeMap::<String, usize>::new();
    for round in 0..60 {
        let now = (round + 1) * 400;
        world.heartbeat(&process, now).await;
        let mut payloads = Vec::new();
        for payload in 0..numbers.below(4) {
            let mut readings = Vec::new();
            for _ in 0..=numbers.below(3) {
                let device = ["a", "b", "c"][usize::try_from(numbers.below(3)).unwrap()];
                let second = (now - numbers.below(1_500)).max(0) / 20 * 20;
                let value = [1.0, 20.0, 29.0, 40.0][usize::try_from(numbers.below(4)).unwrap()];
                let one = match numbers.below(8) {
                    0 => emptied(device, second),
                    1 => in_meters(device, second, value),
                    2 => ReadingChange { channel: "probe", ..stored(device, second, value) },
                    3 => reading(device, second, ReadingEffect::Stored(Some(value), Quality::Uncertain)),
                    _ => stored(device, second, value),
                };
                let place = |one: &ReadingChange<'_>| {
                    (one.device.to_owned(), one.channel.to_owned(), one.unit.to_owned(), one.observed_at)
                };
                if readings.iter().all(|other| place(other) != place(&one)) {
                    readings.push(one);
                }
            }
            payloads.push((now + payload, readings));
        }
        for one in foreseen(&world, &process, &payloads).await {
            *effects.entry(one.split(' ').take(2).collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
    }
    // All that may happen did.
    for effect in ["Begins", "Ends", "BeginningRetracted", "EndRetracted"] {
        for rule in ["Hot", "Long", "Silent"] {
            assert!(effects.contains_key(&format!("{effect} {rule}")), "{effects:?}");
        }
    }
}

#[tokio::test]
async fn what_is_beyond_the_bound_is_counted_and_changes_no_earlier_part_of_its_stream() {
    let Some(mut world) = World::new().await else { return };
    let hot: Vec<_> = (1..=6).map(|second| ("gh-1", second, 40.0)).collect();
    let process = evaluated(&mut world, HOT, &hot).await;
    assert_eq!(world.effective("gh-1").await, [("firing".to_owned(), 1)]);
    let payloads: Vec<_> = (1..=6)
        .map(|second| (second, vec![stored("gh-1", second, 20.0)]))
        .chain([(30, vec![stored("gh-2", 30, 40.0)])])
        .collect();
    // The names of a stream weigh as much as eight readings. That it is hot at 4 as things are does not begin an alert.
    let bounded = changes(&payloads, ReadingChanges::up_to(11));
    assert_eq!(bounded.left_out(), 4);
    let found = preview(&world, &process, &bounded).await;
    assert_eq!(lines(&found.changes), ["BeginningRetracted Hot gh-1 Cel 1 late_data"]);
}

#[tokio::test]
async fn a_stream_with_too_many_moments_is_named_and_others_go_on() {
    let Some(mut world) = World::new().await else { return };
    let process = evaluated(&mut world, HOT, &[("gh-1", 0, 20.0), ("long", 0, 20.0)]).await;
    let stream = world.store("long", 0, 20.0).await;
    run(&process, &[]).await;
    let many = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                  select $1, $2::timestamptz + n * interval '1 second', $2::timestamptz + interval '1 year', gen_random_uuid(), '{20}' from generate_series(1, 250001) n"#;
    world.sql.execute(many, &[&stream, &at(0)]).await.unwrap();
    let payload = [(10, vec![stored("long", 10, 40.0), stored("gh-1", 10, 40.0)])];
    let found = preview(&world, &process, &changes(&payload, ReadingChanges::default())).await;
    assert_eq!(found.not_looked_at, ["greenhouse/long"]);
    assert_eq!(lines(&found.changes), ["Begins Hot gh-1 Cel 10 breach"]);
}
