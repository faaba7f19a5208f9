//! What payloads say of devices that are not known is held.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Statement};

use super::payload::Payload;
use crate::dead_letters::DeadLetter;
use crate::held::{Held, MOST_BYTES, MOST_PAYLOADS, give_up};

/// $1 sources, $2 receive times, $3 ids, $4 receipts, $5 keys, $6 sources, $7 ids and $8 types of events, $9 stages, $10 attributes,
/// $11 data, $12 when each is held, $13 the devices of each as a JSON list. The oldest of the source go where there are too many.
fn hold() -> String {
    let reason = format!(
        "'nobody has adopted its devices, and more than {MOST_PAYLOADS} payloads, or {} MiB, of the source are held'",
        MOST_BYTES / 1024 / 1024
    );
    format!(
        "with incoming as materialized (
            select * from unnest($1::text[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                                 $9::text[], $10::jsonb[], $11::bytea[], $12::timestamptz[], $13::jsonb[])
                 as i (source, received_at, id, receipt_id, key, event_source, event_id, event_type, stage, attributes, data, held_at, devices)),
        more as (select source, count(*) as payloads, coalesce(sum(octet_length(data)), 0) as bytes from incoming group by source),
        ranked as (
            select h.source, h.received_at, h.id, row_number() over newest as payloads, sum(octet_length(h.data)) over newest as bytes
            from held h where h.source in (select source from more)
            window newest as (partition by h.source order by h.received_at desc, h.id desc)),
        gone as (
            delete from held h using ranked r join more m on m.source = r.source
            where h.source = r.source and h.received_at = r.received_at and h.id = r.id
              and (r.payloads + m.payloads > {MOST_PAYLOADS} or r.bytes + m.bytes > {MOST_BYTES})
            returning h.*),
        {},
        held_now as (
            insert into held (source, received_at, id, receipt_id, key, event_source, event_id, event_type, stage, attributes, data, held_at)
            select source, received_at, id, receipt_id, key, event_source, event_id, event_type, stage, attributes, data, held_at from incoming
            on conflict do nothing)
        insert into held_device (source, device, received_at, id)
        select distinct source, device, received_at, id from incoming, jsonb_array_elements_text(devices) as device
        on conflict do nothing",
        give_up(&reason)
    )
}

/// The statement of [`hold_all`].
pub(super) async fn prepare(client: &impl GenericClient) -> Result<Statement, Error> {
    client.prepare_cached(&hold()).await
}

/// Holds what payloads say of devices that are not known.
pub(super) async fn hold_all(
    client: &impl GenericClient,
    statement: &Statement,
    payloads: &[(&Payload, &Held)],
) -> Result<(), Error> {
    let letters: Vec<_> = payloads.iter().map(|(_, held)| held.letter.storable()).collect();
    let texts =
        |text: fn(&DeadLetter) -> &str| letters.iter().map(|letter| text(letter)).collect::<Vec<&str>>();
    let receipts = || payloads.iter().map(|(payload, _)| &payload.receipt);
    client
        .execute(
            statement,
            &[
                &receipts().map(|receipt| &*receipt.source).collect::<Vec<&str>>(),
                &receipts().map(|receipt| receipt.received_at).collect::<Vec<_>>(),
                &payloads.iter().map(|(_, held)| held.letter.id()).collect::<Vec<_>>(),
                &receipts().map(|receipt| receipt.id).collect::<Vec<_>>(),
                &payloads
                    .iter()
                    .map(|(payload, _)| payload.key.as_ref().map(|key| key.key.as_str()))
                    .collect::<Vec<_>>(),
                &texts(|letter| &letter.event.source),
                &texts(|letter| &letter.event.id),
                &texts(|letter| &letter.event.event_type),
                &texts(|letter| &letter.stage),
                &letters.iter().map(|letter| Json(&letter.event.attributes)).collect::<Vec<_>>(),
                &letters.iter().map(|letter| letter.event.data.as_deref()).collect::<Vec<_>>(),
                &letters.iter().map(|letter| letter.at).collect::<Vec<_>>(),
                &payloads.iter().map(|(_, held)| Json(&held.devices)).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}
