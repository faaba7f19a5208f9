//! A device is erased: no row names it any more but the record of that.
//!
//! ```text
//! begin ── the name is gone, and what was received before is stored no more ─ commit
//!   ├─ moments: a page of them, and the requests that they came with, in a transaction ─ again, until none is left
//!   ├─ records: receipts of its source, a page of them; dead letters
//!   └─ end: alerts, series, streams, the device
//! ```
//!
//! What was begun is found again by the device's name ([`begun`]).

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;
use uuid::Uuid;

use super::take_away;
use crate::reprocess::StoredRequest;
use crate::{StoreError, Transaction, name_generation};

/// Moments that go in one transaction.
const MOMENTS: i64 = 1000;
/// Receipts that are looked at in one statement.
const RECEIPTS: i64 = 1000;
/// The shortest name that is looked for in what was not decoded: a shorter one stands in every other text.
const SHORTEST: usize = 4;

/// What there is of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Extent {
    /// Its moments.
    pub moments: i64,
    /// Its series.
    pub series: i64,
    /// Its alerts that are firing: their receivers hear nothing of their end.
    pub firing: i64,
    /// What was recorded of its alerts.
    pub transitions: i64,
    /// Dead letters that name it.
    pub dead_letters: i64,
}

/// The erasure of a device, under way or looked at beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its source.
    pub source: String,
    /// All names that lead to it.
    pub names: Vec<String>,
    /// What was received before is not stored any more.
    pub at: Timestamp,
    /// Its rows of `device`.
    devices: Vec<i32>,
}

/// All names of a device: $1 is the source, $2 one of them, the device's own.
const NAMES: &str = "
    select d.id, n.name
    from (select) as one
    left join device d on d.source = $1 and d.name = $2
    cross join lateral (
        select $2 as name union select alias from device_alias where device_id = d.id) as n
    order by n.name <> $2, n.name";

/// The erasure that would be of a device of this name.
///
/// # Errors
/// Those of the database.
pub async fn preview(
    client: &impl GenericClient,
    source: &str,
    name: &str,
    now: Timestamp,
) -> Result<Erasure, Error> {
    let rows = client.query(NAMES, &[&source, &name]).await?;
    let names = rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>()?;
    let device: Option<i32> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    // With what has not moved to it yet.
    let sql = "select id from device where id = $1 or merged_into = $1 order by id";
    let devices = client.query(sql, &[&device]).await?;
    let devices = devices.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Erasure { source: source.to_owned(), names, at: now, devices })
}

/// Erases a device of a source by its own name: with the commit its names are gone, and what was received before is stored no more;
/// nothing is, where it `retires`. What is received later is of a new device.
///
/// # Errors
/// [`StoreError`]; where another's transaction takes too long ([`StoreError::is_locked`]) the whole may be tried again.
pub async fn begin(
    transaction: &Transaction<'_>,
    source: &str,
    name: &str,
    retires: bool,
) -> Result<Erasure, StoreError> {
    name_generation::begin(transaction).await?;
    let Erasure { names, devices, .. } = preview(&transaction.0, source, name, Timestamp::MIN).await?;
    let sql = "
        with erased as (
            insert into erasure (hash, erased_at, is_retired)
            select erasure_hash($1, name), now.at, $3 from unnest($2::text[]) as name, (select clock_timestamp() as at) as now
            on conflict (hash) do update set erased_at = excluded.erased_at, is_retired = excluded.is_retired
            returning erased_at)
        select max(erased_at) from erased";
    let row = transaction.0.query_one(sql, &[&source, &names, &retires]).await?;
    let at: Timestamp = row.try_get(0)?;
    let sql = "
        update device set name = 'erased ' || gen_random_uuid(), tags = '{}', erased_at = $2 where id = any($1)";
    transaction.execute(sql, &[&devices, &at]).await?;
    transaction
        .execute("delete from device_entry where source = $1 and name = any($2)", &[&source, &names])
        .await?;
    Ok(Erasure { source: source.to_owned(), names, at, devices })
}

/// The erasures of a device of this name, of one source or of any, that were begun and did not end.
///
/// # Errors
/// Those of the database.
pub async fn begun(
    client: &impl GenericClient,
    source: Option<&str>,
    name: &str,
) -> Result<Vec<Erasure>, Error> {
    let sql = "
        select d.source, array_agg(d.id order by d.id), d.erased_at,
               array(select $2 union
                     select a.alias from device_alias a join device o on o.id = a.device_id where o.source = d.source and o.erased_at = d.erased_at)
        from device d
        where d.erased_at is not null and ($1::text is null or d.source = $1)
          and exists (select from erasure e where e.hash = erasure_hash(d.source, $2) and e.erased_at = d.erased_at)
        group by d.source, d.erased_at order by d.source";
    let erasure = |row: &tokio_postgres::Row| {
        Ok(Erasure {
            source: row.try_get(0)?,
            names: row.try_get(3)?,
            at: row.try_get(2)?,
            devices: row.try_get(1)?,
        })
    };
    client.query(sql, &[&source, &name]).await?.iter().map(erasure).collect()
}

/// Moments that go together, and the requests with which they may have come.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    streams: Vec<i32>,
    times: Vec<Timestamp>,
    /// The key of its last moment.
    pub last: (i32, Timestamp),
    /// The requests of the source that were received when they were.
    pub requests: Vec<StoredRequest>,
}

/// What is written in place of a request; `None` where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten<'a> {
    /// The request.
    pub request: &'a StoredRequest,
    /// What it becomes.
    pub body: Option<Vec<u8>>,
}

impl Erasure {
    /// What there is of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn extent(&self, client: &impl GenericClient) -> Result<Extent, Error> {
        let sql = format!(
            "with streams as materialized (select id from stream where device_id = any($4))
             select (select count(*) from moment where stream_id in (select id from streams)),
                    (select count(*) from metric where stream_id in (select id from streams)),
                    (select count(*) from alert_state where status = 'firing' and stream_id in (select id from streams)),
                    (select count(*) from alert_transition where stream_id in (select id from streams)),
                    (select count(*) from dead_letter where {})",
            dead_letters()
        );
        let row = client.query_one(&sql, &[&self.at, &self.sought(), &self.names, &self.devices]).await?;
        Ok(Extent {
            moments: row.try_get(0)?,
            series: row.try_get(1)?,
            firing: row.try_get(2)?,
            transitions: row.try_get(3)?,
            dead_letters: row.try_get(4)?,
        })
    }

    /// The moments of it behind a key, in the order of their keys; `None` where none is left.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn moments(
        &self,
        client: &impl GenericClient,
        after: Option<(i32, Timestamp)>,
    ) -> Result<Option<Page>, Error> {
        let sql = "
            select m.stream_id, m.observed_at, m.received_at, m.received_ats
            from stream s
            cross join lateral (
                select * from moment
                where stream_id = s.id and (s.id > $3 or observed_at > $4) order by observed_at limit $2) as m
            where s.device_id = any($1) and s.id >= $3
            order by m.stream_id, m.observed_at limit $2";
        let (stream, at) = after.unwrap_or((0, Timestamp::UNIX_EPOCH));
        let rows = client.query(sql, &[&self.devices, &MOMENTS, &stream, &at]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (mut streams, mut times, mut received) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            streams.push(row.try_get(0)?);
            times.push(row.try_get(1)?);
            received.push(row.try_get::<_, Timestamp>(2)?);
            let others: Option<Vec<Option<Timestamp>>> = row.try_get(3)?;
            received.extend(others.into_iter().flatten().flatten());
        }
        let last = streams.last().copied().zip(times.last().copied()).unwrap_or_default();
        received.sort_unstable();
        received.dedup();
        let sql = "
            select r.received_at, r.id, coalesce(q.body, r.request)
            from receipt r left join request q on q.received_at = r.received_at and q.receipt_id = r.id
            where r.received_at = any($2) and r.source = $1 and coalesce(q.body, r.request) is not null";
        let requests = client.query(sql, &[&self.source, &received]).await?;
        let requests = requests.iter().map(stored).collect::<Result<_, _>>()?;
        Ok(Some(Page { streams, times, last, requests }))
    }

    /// Takes away a page of moments, and what names the device in the requests.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn take_away(
        &self,
        transaction: &Transaction<'_>,
        page: &Page,
        requests: &[Rewritten<'_>],
    ) -> Result<(), StoreError> {
        rewrite(transaction, requests).await?;
        let sql = "
            delete from moment m using unnest($1::integer[], $2::timestamptz[]) as gone (stream_id, observed_at)
            where m.stream_id = gone.stream_id and m.observed_at = gone.observed_at";
        transaction.execute(sql, &[&page.streams, &page.times]).await?;
        Ok(())
    }

    /// The requests of the source that name it, though none of its moments came with them, among the next receipts behind a key; and the
    /// key of the last of these, where there are more. Only what was received before it was erased is looked at.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn requests(
        &self,
        client: &impl GenericClient,
        after: Option<(Timestamp, Uuid)>,
    ) -> Result<(Vec<StoredRequest>, Option<(Timestamp, Uuid)>), Error> {
        let sql = "
            with page as materialized (
                select received_at, id, request from receipt
                where source = $1 and (received_at, id) > ($2, $3) and received_at < $4 order by received_at, id limit $5)
            select p.received_at, p.id, named.body
            from page p left join lateral (
                select coalesce(q.body, p.request) as body
                from (select) as one left join request q on q.received_at = p.received_at and q.receipt_id = p.id) as named
              on exists (select from unnest($6::text[]) as name where strpos(lower(encode(named.body, 'escape')), name) > 0)
            order by p.received_at, p.id";
        let (at, id) = after.unwrap_or((Timestamp::UNIX_EPOCH, Uuid::nil()));
        let rows = client.query(sql, &[&self.source, &at, &id, &self.at, &RECEIPTS, &self.sought()]).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= RECEIPTS);
        let last = rows.last().filter(|_| full).map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let mut requests = Vec::new();
        for row in &rows {
            if row.try_get::<_, Option<&[u8]>>(2)?.is_some() {
                requests.push(stored(row)?);
            }
        }
        Ok((requests, last.transpose()?))
    }

    /// The payloads that are held and may name it: of the source, received before it was erased.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn held(&self, client: &impl GenericClient) -> Result<Vec<StoredRequest>, Error> {
        let sql = format!(
            "select received_at, id, coalesce(data, '') from held h
             where source = $1 and received_at < $3
               and (exists (select from held_device d where d.source = h.source and d.received_at = h.received_at and d.id = h.id
                            and d.device = any($4))
                    or {} or {})
             order by received_at, id",
            names_it("encode(convert_to(attributes::text, 'UTF8'), 'escape')"),
            names_it("encode(coalesce(data, ''), 'escape')"),
        );
        let rows = client.query(&sql, &[&self.source, &self.sought(), &self.at, &self.names]).await?;
        rows.iter().map(stored).collect()
    }

    /// Takes away what names it in payloads that are held.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn rewrite_held(
        &self,
        transaction: &Transaction<'_>,
        held: &[Rewritten<'_>],
    ) -> Result<(), StoreError> {
        for Rewritten { request, body } in held {
            let sql = "
                update held set data = $4, attributes = attributes - 'partitionkey'
                where source = $1 and received_at = $2 and id = $3 and $4::bytea is not null";
            transaction
                .execute(sql, &[&self.source, &request.received_at, &request.receipt_id, body])
                .await?;
            let sql = "
                delete from held_device where source = $1 and received_at = $2 and id = $3 and device = any($4)";
            transaction
                .execute(sql, &[&self.source, &request.received_at, &request.receipt_id, &self.names])
                .await?;
            let sql = "
                delete from held h
                where source = $1 and received_at = $2 and id = $3
                  and ($4 or not exists (
                      select from held_device d where d.source = h.source and d.received_at = h.received_at and d.id = h.id))";
            let goes = body.is_none();
            transaction
                .execute(sql, &[&self.source, &request.received_at, &request.receipt_id, &goes])
                .await?;
        }
        Ok(())
    }

    /// Its names as they are looked for in bytes: in lower case, what is not ASCII in octal (`encode`, format `escape`).
    fn sought(&self) -> Vec<String> {
        let long = self.names.iter().filter(|name| name.len() >= SHORTEST);
        long.map(|name| escaped(&name.to_lowercase())).collect()
    }

    /// Takes away dead letters that name it, and keys, ids of events and problems of receipts that do; how many dead letters.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn records(&self, transaction: &Transaction<'_>) -> Result<u64, StoreError> {
        let (source, names) = (&self.source, self.sought());
        let letters = format!("delete from dead_letter where {}", dead_letters());
        let dead_letters = transaction.execute(&letters, &[&self.at, &names, &self.names]).await?;
        let keys = format!(
            "delete from receipt_key where source = $1 and received_at < $3 and {}",
            names_it("encode(convert_to(key, 'UTF8'), 'escape')")
        );
        transaction.execute(&keys, &[source, &names, &self.at]).await?;
        let receipts = format!(
            "update receipt set event_id = '', record_problems = null where source = $1 and received_at < $3 and ({} or {})",
            names_it("encode(convert_to(event_id, 'UTF8'), 'escape')"),
            names_it("coalesce(encode(convert_to(record_problems::text, 'UTF8'), 'escape'), '')"),
        );
        transaction.execute(&receipts, &[source, &names, &self.at]).await?;
        // A mail that names it is not sent any more.
        let named = names_it("encode(convert_to(text, 'UTF8'), 'escape')").replace("$2", "$1");
        let mails = format!(
            "with named as (
                 update report set text = '', html = null, image_ids = null, images = null, devices = null
                 where text <> '' and ({named} or devices && $2) returning site, kind, first_day)
             update report_mail m set given_up_at = now(), last_error = 'a device was erased'
             from named n where m.site = n.site and m.kind = n.kind and m.first_day = n.first_day
               and m.sent_at is null and m.given_up_at is null"
        );
        transaction.execute(&mails, &[&names, &self.names]).await?;
        Ok(dead_letters)
    }

    /// Takes away its alerts, series and streams, and itself.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let of_alerts = [
            "delete from notification where transition_id in (
                 select id from alert_transition where stream_id in (STREAMS))",
            "delete from alert_transition where stream_id in (STREAMS)",
            "delete from device_alias where device_id = any($1)",
        ];
        take_away(transaction, &self.devices, &of_alerts).await
    }
}

/// Whether a text in SQL holds one of the names that $2 is.
fn names_it(text: &str) -> String {
    format!("exists (select from unnest($2::text[]) as name where strpos(lower({text}), name) > 0)")
}

/// Dead letters from before $1 that hold one of the names that $2 is, or are of a device that $3 names.
fn dead_letters() -> String {
    format!(
        "first_at < $1 and ({} or {} or {} or attributes ->> 'partitionkey' = any($3::text[]))",
        names_it("encode(convert_to(attributes::text, 'UTF8'), 'escape')"),
        names_it("encode(convert_to(problems::text || reason, 'UTF8'), 'escape')"),
        names_it("coalesce(encode(data, 'escape'), '')"),
    )
}

/// Writes requests anew, or takes them away.
///
/// # Errors
/// [`StoreError`]
pub async fn rewrite(transaction: &Transaction<'_>, requests: &[Rewritten<'_>]) -> Result<(), StoreError> {
    for Rewritten { request, body } in requests {
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&request.received_at, &request.receipt_id];
        match body {
            Some(body) => {
                let sql = "update request set body = $3 where received_at = $1 and receipt_id = $2";
                transaction.execute(sql, &[key[0], key[1], body]).await?;
                let sql = "
                    update receipt set request = $3 where received_at = $1 and id = $2 and request is not null";
                transaction.execute(sql, &[key[0], key[1], body]).await?;
            }
            None => {
                let sql = "delete from request where received_at = $1 and receipt_id = $2";
                transaction.execute(sql, &key).await?;
                let sql = "
                    update receipt set request = null where received_at = $1 and id = $2 and request is not null";
                transaction.execute(sql, &key).await?;
            }
        }
    }
    Ok(())
}

fn stored(row: &tokio_postgres::Row) -> Result<StoredRequest, Error> {
    Ok(StoredRequest { received_at: row.try_get(0)?, receipt_id: row.try_get(1)?, body: row.try_get(2)? })
}

/// As PostgreSQL's `encode(..., 'escape')` writes it.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'\\' => escaped.push_str("\\\\"),
            1..=127 => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "\\{byte:03o}");
            }
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_are_escaped_as_postgresql_does() {
        assert_eq!(escaped("a\\b"), "a\\\\b");
        assert_eq!(escaped("grün"), "gr\\303\\274n");
    }
}
