//! What could not be handled, and why.
//!
//! ```text
//!            keep          mark_sent                 resolve: it is stored
//! (failed) ───────> open ─────────────> sent back ─────────────────────────> resolved
//!                   ^ └─ mark_refused:      │ └─ after an hour: due again        │
//!                   │    `rejected`, waits  │                                    │
//!                   │    for a person       │                                    │
//!                   ├───────────────── keep: it failed again ───────────────────┘
//!                   └─ discard ─> discarded
//! ```
//!
//! What holds no payload is resolved when it is sent: nobody stores it.

mod keeper;
mod model;

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::storable;
use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Statement};
use topology::{PAYLOADS, WORKER};
use uuid::Uuid;

pub use event_model::{DeadLetterCause as Cause, DeadLetterState as State};
pub use keeper::DeadLetterKeeper;
pub use model::{DeadEvent, DeadLetter, DeadProblem, Filter, SentBack, StoredDeadLetter};

/// How often one event is sent back without a person.
pub const MAX_REPLAYS: i32 = 20;

/// $1 ids in order, $2 sources, $3 event ids, $4 types, $5 stages, $6 causes, $7 reasons, $8 problems, $9 attributes,
/// $10 data, $11 when. One that is there already failed once more.
pub(crate) const KEEP: &str = "
    insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, problems, attributes, data,
                             first_at, last_at)
    select id, source, event_id, event_type, stage, cause, reason, problems, attributes, data, at, at
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
                $9::jsonb[], $10::bytea[], $11::timestamptz[])
         as dead_letter (id, source, event_id, event_type, stage, cause, reason, problems, attributes, data, at)
    on conflict (id) do update
    set cause = excluded.cause, reason = excluded.reason, problems = excluded.problems,
        deliveries = dead_letter.deliveries + 1, last_at = greatest(dead_letter.last_at, excluded.last_at),
        sent_back = false, resolved_at = null, discarded = null";

/// The stages that store payloads and nothing else.
const OF_PAYLOADS: [&str; 2] = [PAYLOADS.stage, WORKER];

/// Which dead letters hold a payload: those of the type that `ingest` gives them, and those of the stages that store payloads,
/// whatever their type.
pub(crate) fn holds_a_payload() -> String {
    format!("(event_type = '{PAYLOAD_RECEIVED}' or stage in ('{}'))", OF_PAYLOADS.join("', '"))
}

impl DeadLetter {
    /// Whether it holds a payload.
    pub fn holds_a_payload(&self) -> bool {
        self.event.event_type == PAYLOAD_RECEIVED || OF_PAYLOADS.contains(&&*self.stage)
    }
}

/// Keeps a dead letter; the same one again is counted, and open again. Gives its id.
///
/// # Errors
/// Those of the database. None is for what the dead letter holds: it is written so that the table takes it.
pub async fn keep(client: &impl GenericClient, dead_letter: &DeadLetter) -> Result<Uuid, Error> {
    let id = dead_letter.id();
    let statement = client.prepare_cached(KEEP).await?;
    keep_all(client, &statement, &BTreeMap::from([(id, dead_letter)])).await?;
    Ok(id)
}

/// The same for many, by [`KEEP`].
pub(crate) async fn keep_all(
    client: &impl GenericClient,
    statement: &Statement,
    dead_letters: &BTreeMap<Uuid, &DeadLetter>,
) -> Result<(), Error> {
    if dead_letters.is_empty() {
        return Ok(());
    }
    let storable: BTreeMap<_, _> = dead_letters.iter().map(|(id, one)| (id, one.storable())).collect();
    let texts = |f: fn(&DeadLetter) -> &str| storable.values().map(|one| f(one)).collect::<Vec<&str>>();
    client
        .execute(
            statement,
            &[
                &storable.keys().collect::<Vec<_>>(),
                &texts(|one| &one.event.source),
                &texts(|one| &one.event.id),
                &texts(|one| &one.event.event_type),
                &texts(|one| &one.stage),
                &texts(|one| one.cause.as_str()),
                &texts(|one| &one.reason),
                &storable.values().map(|one| Json(&one.problems)).collect::<Vec<_>>(),
                &storable.values().map(|one| Json(&one.event.attributes)).collect::<Vec<_>>(),
                &storable.values().map(|one| one.event.data.as_deref()).collect::<Vec<_>>(),
                &storable.values().map(|one| one.at).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// Up to `limit` dead letters, the one that failed last first: without their data, and of their problems the first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    client: &impl GenericClient,
    filter: &Filter,
    limit: u16,
) -> Result<Vec<StoredDeadLetter>, Error> {
    let sql = "
        select id, source, event_id, event_type, stage, cause, reason,
               case when jsonb_array_length(problems) > 1 then jsonb_build_array(problems -> 0) else problems end as problems,
               attributes, null::bytea as data, deliveries, first_at, last_at, replays, replayed_at, sent_back, resolved_at, discarded
        from dead_letter
        where ($1 or resolved_at is null) and ($2::text is null or cause = $2)
          and ($3::text is null or source in ($3, '/sources/' || $3))
          and ($4::text is null or attributes ->> 'partitionkey' = $4
               or exists (select from jsonb_array_elements(problems) p
                          where p ->> 'place' = $4 or starts_with(p ->> 'place', $4 || '/')))
          and ($5::text is null or strpos(lower(reason), lower($5)) > 0
               or exists (select from jsonb_array_elements(problems) p where strpos(lower(p ->> 'reason'), lower($5)) > 0))
          and ($6::timestamptz is null or last_at >= $6) and ($7::timestamptz is null or last_at < $7)
        order by last_at desc, id limit $8";
    let Filter { resolved_too, cause, source, device, reason, from, until } = filter;
    let cause = cause.map(Cause::as_str);
    let limit = i64::from(limit);
    let rows =
        client.query(sql, &[resolved_too, &cause, source, device, reason, from, until, &limit]).await?;
    rows.iter().map(StoredDeadLetter::read).collect()
}

/// One dead letter.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &impl GenericClient, id: Uuid) -> Result<Option<StoredDeadLetter>, Error> {
    let row = client.query_opt("select * from dead_letter where id = $1", &[&id]).await?;
    row.as_ref().map(StoredDeadLetter::read).transpose()
}

/// Which dead letters are due to be sent back at $1, less than $2 times before: those that failed only because something was
/// unavailable, the n-th time 5 x n minutes after the one before, at most an hour, which is 13 hours in all; and whatever was sent
/// back an hour ago and has come to nothing since.
pub(crate) const DUE: &str = "
    resolved_at is null and replays < $2
    and case when sent_back then replayed_at + interval '1 hour' <= $1
             else cause = 'unavailable'
                  and (replayed_at is null or replayed_at + least(replays, 12) * interval '5 minutes' <= $1) end";

/// Up to `limit` of those that are due at `now`, the oldest first; each is due at most [`MAX_REPLAYS`] times.
///
/// # Errors
/// Those of the database.
pub async fn to_send_back(
    client: &impl GenericClient,
    now: Timestamp,
    limit: u16,
) -> Result<Vec<StoredDeadLetter>, Error> {
    let sql = format!("select * from dead_letter where {DUE} order by last_at, id limit $3");
    let rows = client.query(&sql, &[&now, &MAX_REPLAYS, &i64::from(limit)]).await?;
    rows.iter().map(StoredDeadLetter::read).collect()
}

/// Records that a dead letter was sent back. It may have been stored before this is recorded, for the Broker delivers at once,
/// and then stays resolved; or have failed again, and then it has more deliveries than `dead_letter` and stays open.
///
/// # Errors
/// Those of the database.
pub async fn mark_sent(
    client: &impl GenericClient,
    dead_letter: &StoredDeadLetter,
    at: Timestamp,
) -> Result<(), Error> {
    let holds_a_payload = holds_a_payload();
    let sql = format!(
        "
        update dead_letter
        set replays = replays + 1, replayed_at = $2,
            sent_back = {holds_a_payload} and deliveries = $3 and resolved_at is null,
            resolved_at = case when not {holds_a_payload} and deliveries = $3 then $2 else resolved_at end
        where id = $1"
    );
    client.execute(&sql, &[&dead_letter.id, &at, &dead_letter.deliveries]).await?;
    Ok(())
}

/// Records that an event which was sent back has come to what it was kept for: its payload is stored, or is a dead letter of the
/// stage that stores payloads.
///
/// # Errors
/// Those of the database.
pub async fn resolve(client: &impl GenericClient, sent_back: &SentBack, at: Timestamp) -> Result<(), Error> {
    let SentBack { id, source, event_id } = sent_back;
    // Whatever id an event claims to be kept by, it resolves none but its own.
    let sql = "
        update dead_letter set sent_back = false, resolved_at = $4
        where id = $1 and source = $2 and event_id = $3 and resolved_at is null";
    client.execute(sql, &[id, source, event_id, &at]).await?;
    Ok(())
}

/// Records that a person has decided to lose an open dead letter, and why; whether it was open.
///
/// # Errors
/// Those of the database.
pub async fn discard(
    client: &impl GenericClient,
    id: Uuid,
    (reason, at): (&str, Timestamp),
) -> Result<bool, Error> {
    let sql = "
        update dead_letter set discarded = $2, resolved_at = $3, sent_back = false where id = $1 and resolved_at is null";
    Ok(client.execute(sql, &[&id, &storable(reason), &at]).await? > 0)
}

/// Records that a dead letter cannot be sent back: from now on it waits for a person.
///
/// # Errors
/// Those of the database.
pub async fn mark_refused(client: &impl GenericClient, id: Uuid, reason: &str) -> Result<(), Error> {
    let sql = "update dead_letter set cause = 'rejected', reason = $2 where id = $1";
    client.execute(sql, &[&id, &reason]).await?;
    Ok(())
}
