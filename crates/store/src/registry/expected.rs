//! Devices that are expected to send and have not: each has a row, a stream, and the series whose silence rules watch, so that it is
//! counted from when they were expected.

use jiff::Timestamp;

use crate::device_name::{NEVER, folded};
use crate::streams::MAX_METRICS;
use crate::writer::tables;
use crate::{EvaluationRequest, StoreError, Transaction};

/// Devices in one transaction.
const MOST: i64 = 500;

/// A series by the name of its metric, and its unit.
pub type Awaited<'a> = (&'a str, &'a str);

/// Makes rows of those of these devices, or of all where none are given, that are expected to send, and have none.
pub(super) async fn appear(
    transaction: &Transaction<'_>,
    devices: Option<(&[&str], &[&str])>,
) -> Result<(), StoreError> {
    // What sends already by another spelling of its address is known.
    let sql = format!(
        "with wanted as materialized (
            select e.source, e.name from device_entry e
            where (e.registered || e.configured) ? 'expected' and not (e.registered || e.configured) ? 'retired_at'
              and ($1::text[] is null or (e.source, e.name) in (select * from unnest($1::text[], $2::text[])))
              and not exists (select from device d where d.source = e.source and d.name = e.name)
              and not exists (select from device_alias a where a.source = e.source and a.alias = e.name)),
        made as (
            insert into device (source, name, first_seen_at, last_seen_at, begins_at)
            select w.source, w.name, {NEVER}, {NEVER}, e.erased_at
            from wanted w left join erasure e on e.hash = erasure_hash(w.source, w.name)
            where e.is_retired is not true and (w.source, w.name) not in (select source, {} from device)
            order by w.source, w.name
            on conflict do nothing returning id)
        insert into stream (device_id, channel) select id, '' from made",
        folded("name")
    );
    let (sources, names) = devices.unzip();
    transaction.execute(&sql, &[&sources, &names]).await?;
    Ok(())
}

/// Makes the series of the next devices that have a row and have not sent, as the pipeline of this hash says which series of a device, by source
/// and name, are awaited; whether there may be more. Nothing where that is not the pipeline in force. A device is expected from when this
/// first finds it.
///
/// # Errors
/// [`StoreError`]
pub async fn make_series<'a>(
    transaction: &Transaction<'_>,
    ((pipeline, number), now): ((&str, i64), Timestamp),
    awaited: impl Fn(&str, &str) -> Vec<Awaited<'a>>,
) -> Result<bool, StoreError> {
    let sql = format!(
        "with unseen as materialized (
            select id, source, name, coalesce(expected_at, $3) as expected_at from device d
            where last_seen_at = {NEVER} and (expected_by < $1 or expected_by > $1 or expected_by is null)
              and erased_at is null and merged_into is null and exists (select from active_pipeline where hash = $4)
              and exists (select from device_entry e where e.source = d.source and e.name = d.name
                          and (e.registered || e.configured) ? 'expected' and not (e.registered || e.configured) ? 'retired_at')
            order by id limit $2 for no key update of d skip locked),
        noted as (update device d set expected_by = $1, expected_at = u.expected_at from unseen u where d.id = u.id)
        select s.id, u.source, u.name, u.expected_at, array(select name from metric where stream_id = s.id order by position)
        from unseen u join stream s on s.device_id = u.id and s.channel = '' order by s.id"
    );
    let unseen = transaction.query(&sql, &[&number, &MOST, &now, &pipeline]).await?;
    let (mut streams, mut positions, mut names, mut units) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut requests = Vec::new();
    for row in &unseen {
        let (stream, source, name): (i32, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let known: Vec<String> = row.try_get(4)?;
        let is_new = |series: &&Awaited<'_>| known.iter().all(|known| known != series.0);
        let room = MAX_METRICS.saturating_sub(known.len());
        let series = awaited(source, name);
        for (place, (metric, unit)) in series.iter().filter(is_new).take(room).enumerate() {
            streams.push(stream);
            positions.push(i16::try_from(known.len() + place).expect("MAX_METRICS fits"));
            names.push(*metric);
            units.push(*unit);
        }
        if !series.is_empty() {
            requests.push(EvaluationRequest { stream_id: stream, from_at: row.try_get(3)? });
        }
    }
    let sql = "
        insert into metric (stream_id, position, name, unit, kind)
        select *, 'number' from unnest($1::integer[], $2::smallint[], $3::text[], $4::text[])";
    transaction.execute(sql, &[&streams, &positions, &names, &units]).await?;
    tables::request_evaluation(transaction, std::iter::once((None, requests.as_slice()))).await?;
    Ok(i64::try_from(unseen.len()).is_ok_and(|devices| devices >= MOST))
}

/// Has rules look at those of these devices that have not sent, and are expected no more; where they are again, that counts from then.
pub(super) async fn look_again(
    transaction: &Transaction<'_>,
    (sources, names): (&[&str], &[&str]),
) -> Result<(), StoreError> {
    let sql = format!(
        "with withdrawn as (
            select d.id, d.expected_at
            from unnest($1::text[], $2::text[]) as w (source, name)
            join device d on d.source = w.source and d.name = w.name and d.last_seen_at = {NEVER} and d.expected_at is not null
            where not exists (select from device_entry e where e.source = d.source and e.name = d.name
                              and (e.registered || e.configured) ? 'expected' and not (e.registered || e.configured) ? 'retired_at')),
        forgotten as (update device d set expected_at = null, expected_by = null from withdrawn w where d.id = w.id)
        select s.id, w.expected_at from withdrawn w join stream s on s.device_id = w.id order by s.id"
    );
    let rows = transaction.query(&sql, &[&sources, &names]).await?;
    tables::request_evaluation_of(transaction, &rows).await
}
