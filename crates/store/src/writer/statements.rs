//! The writer's SQL. Every statement is given its rows in key order, and the tables are always taken in the same order:
//! two writers wait for each other, never in a circle.

use crate::device_name::never;

/// Receipts of the array of `receipt_row` that a parameter is.
macro_rules! insert_receipts {
    ($rows:literal) => {
        concat!(
            "
    insert into receipt (received_at, id, source, event_id, format, traceparent, outcome, readings, problems,
                         record_topic, record_partition, record_offset, pipeline)
    select received_at, id, source, event_id, format, traceparent, outcome, readings, problems, record_topic,
           record_partition, record_offset, pipeline
    from unnest(",
            $rows,
            "::receipt_row[])"
        )
    };
}

/// The requests that those receipts bring.
macro_rules! insert_requests {
    () => {
        "
    insert into request (received_at, receipt_id, body)
    select received_at, id, request from unnest($1::receipt_row[]) where request is not null"
    };
}

/// Whether what the rows were made with holds still: the last moment at which the transaction may begin ([`crate::floors`]) and the
/// generation of the registry ([`crate::name_generation`]) are parameters. It is asked once a statement.
macro_rules! guard {
    ($until:literal, $generation:literal) => {
        concat!("guard as materialized (select writes_hold(", $until, ", ", $generation, ") as holds)")
    };
}

/// Rows of the array of `moment_account` that a parameter is, behind a [`guard`].
macro_rules! insert_rows {
    ($rows:literal) => {
        concat!(
            r#"
    insert into moment (stream_id, observed_at, received_at, receipt_id, revised_at, "values", texts, quality,
                        received_ats, receipt_ids, generation, generations)
    select stream_id, observed_at, received_at, receipt_id, revised_at, "values", texts, quality, received_ats, receipt_ids,
           generation, generations
    from unnest("#,
            $rows,
            "::moment_account[]) where (select holds from guard)"
        )
    };
}

/// As [`KEYS`], but every key is new.
pub(super) const FRESH_KEYS: &str = "
    insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::text[])";

/// As [`RECEIPTS`] and then [`NEW_ROWS`], whose parameters are $2, $3 and $4, but all are new. PostgreSQL carries out the statement itself first, and
/// what it does not refer to behind it (`ExecPostprocessPlan`): the receipts are written before any moment.
const FRESH: &str =
    concat!("with ", guard!("$3", "$4"), ", moments as (", insert_rows!("$2"), ")", insert_receipts!("$1"));

/// The same with the requests that are kept beside the receipts.
const FRESH_WITH_REQUESTS: &str = concat!(
    "with ",
    guard!("$3", "$4"),
    ", moments as (",
    insert_rows!("$2"),
    "), requests as (",
    insert_requests!(),
    ")",
    insert_receipts!("$1")
);

/// The one that writes what there is.
pub(super) const fn fresh(with_requests: bool) -> &'static str {
    if with_requests { FRESH_WITH_REQUESTS } else { FRESH }
}

/// As [`NEW_ROWS`], but every row is new, and its receipt is written already.
pub(super) const FRESH_ROWS: &str = concat!("with ", guard!("$2", "$3"), insert_rows!("$1"));

/// $1 sources, $2 keys, $3 receive times, $4 expiries, $5 receipts, $6 outcomes. Returns the receipts whose keys were free.
///
/// A key is free again when it has expired, when what held it was not stored whole, or when what held it was
/// received so much later that this one cannot be its repetition.
pub(super) const KEYS: &str = "
    insert into receipt_key as held (source, key, received_at, expires_at, receipt_id, outcome)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::text[])
                  as wanted (source, key)
    on conflict (source, key) do update
    set received_at = greatest(held.received_at, excluded.received_at),
        expires_at = greatest(held.expires_at, excluded.expires_at),
        receipt_id = excluded.receipt_id, outcome = excluded.outcome
    where held.outcome <> 'stored' or held.expires_at <= excluded.received_at or held.received_at >= excluded.expires_at
    returning receipt_id";

/// $1 rows. Returns the ids of those that were not there, or not stored whole.
pub(super) const RECEIPTS: &str = concat!(
    insert_receipts!("$1"),
    "
    on conflict (received_at, id) do update
    set outcome = excluded.outcome, readings = excluded.readings, problems = excluded.problems,
        pipeline = excluded.pipeline
    where receipt.outcome <> 'stored'
    returning id"
);

/// $1 receipts as [`RECEIPTS`] has them, which is sent before: two writers of one request wait for each other there.
pub(super) const REQUESTS: &str = concat!(insert_requests!(), " on conflict do nothing");

/// $1 rows in key order, $2 until when the floors hold, $3 the generation of the registry. Returns the keys of those that were not there.
pub(crate) const NEW_ROWS: &str = concat!(
    "with ",
    guard!("$2", "$3"),
    insert_rows!("$1"),
    "
    on conflict (stream_id, observed_at) do nothing
    returning stream_id, observed_at"
);

/// $1 streams, $2 moments, in key order.
pub(crate) const EXISTING_ROWS: &str = r#"
    select r.stream_id, r.observed_at, r.received_at, r.receipt_id, r.revised_at, r."values", r.texts, r.quality,
           r.received_ats, r.receipt_ids, r.generation, r.generations
    from unnest($1::integer[], $2::timestamptz[]) as key (stream_id, observed_at)
    join moment r on r.stream_id = key.stream_id and r.observed_at = key.observed_at
    order by r.stream_id, r.observed_at
    for update of r"#;

/// $1 rows, which are locked already.
pub(crate) const REVISE_ROWS: &str = r#"
    update moment r
    set received_at = new.received_at, receipt_id = new.receipt_id, revised_at = new.revised_at,
        "values" = new."values", texts = new.texts, quality = new.quality,
        received_ats = new.received_ats, receipt_ids = new.receipt_ids, generation = new.generation,
        generations = new.generations
    from unnest($1::moment_account[]) as new
    where r.stream_id = new.stream_id and r.observed_at = new.observed_at"#;

/// $1 receive times, $2 receipts, $3 how many of their readings were not stored.
pub(super) const EXPIRED: &str = "
    update receipt r set expired = e.readings
    from unnest($1::timestamptz[], $2::uuid[], $3::integer[]) as e (received_at, id, readings)
    where r.received_at = e.received_at and r.id = e.id";

/// $1 streams in order, $2 from when, $3 traces. The fresh token tells `alert` that there is more to see.
pub(crate) const EVALUATION_REQUESTS: &str = "
    insert into evaluation_request (stream_id, from_at, token, traceparent)
    select stream_id, from_at, nextval('evaluation_token'), traceparent
    from unnest($1::integer[], $2::timestamptz[], $3::text[]) as request (stream_id, from_at, traceparent)
    on conflict (stream_id) do update
    set from_at = least(evaluation_request.from_at, excluded.from_at), token = excluded.token,
        traceparent = coalesce(excluded.traceparent, evaluation_request.traceparent)";

/// $1 devices, $2 times. A device that another transaction holds was seen by that. Rules look at what they have awaited of one that had not sent.
pub(super) const SEEN: &str = concat!(
    "
    with free as materialized (
        select id, first_seen_at = ",
    never!(),
    " as is_first, expected_at
        from device where id = any($1) order by id for no key update skip locked),
    seen as (
        update device d
        set last_seen_at = greatest(d.last_seen_at, seen.at), first_seen_at = case when is_first then seen.at else d.first_seen_at end
        from unnest($1::integer[], $2::timestamptz[]) as seen (id, at)
        join free using (id)
        where d.id = seen.id)
    insert into evaluation_request as r (stream_id, from_at, token)
    select s.id, free.expected_at, nextval('evaluation_token')
    from free join stream s on s.device_id = free.id
    where is_first and expected_at is not null order by s.id
    on conflict (stream_id) do update set from_at = least(r.from_at, excluded.from_at), token = excluded.token"
);
