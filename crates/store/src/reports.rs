//! Reports that were made, the mails that say so, and what they are made of.

use event_model::Severity;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::{StoreError, Transaction};

/// A report that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeReport {
    /// The site's name.
    pub site: String,
    /// `day` or `month`.
    pub kind: String,
    /// Its first date.
    pub first_day: Date,
    /// The zone of its dates.
    pub zone: String,
    /// Where the page is kept.
    pub key: String,
    /// SHA-256 of the page.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: usize,
    /// The subject of the mails that say so.
    pub subject: String,
    /// Their text.
    pub text: String,
    /// Their HTML; `None` where they have none.
    pub html: Option<MailHtml>,
    /// The devices that they name, as their platforms do.
    pub devices: Vec<String>,
}

/// The HTML of mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHtml {
    /// The document.
    pub html: String,
    /// The pictures that it names, by their `Content-ID`: PNG.
    pub images: Vec<(String, Vec<u8>)>,
}

/// What names devices is kept for as long as a mail is to be sent. $1 to $3 are the report's key.
const FREE: &str = "
    update report set text = '', html = null, image_ids = null, images = null, devices = null
    where site = $1 and kind = $2 and first_day = $3
      and not exists (select from report_mail m where m.site = $1 and m.kind = $2 and m.first_day = $3
                      and sent_at is null and given_up_at is null)";

/// What a site has reports of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reported {
    /// The site's name.
    pub site: String,
    /// The first and the newest day.
    pub days: Option<(Date, Date)>,
    /// The newest month, by its first day.
    pub month: Option<Date>,
}

/// What each site has reports of.
///
/// # Errors
/// [`StoreError`]
pub async fn reported(transaction: &Transaction<'_>) -> Result<Vec<Reported>, StoreError> {
    let sql = "
        select site, min(first_day) filter (where kind = 'day'), max(first_day) filter (where kind = 'day'),
               max(first_day) filter (where kind = 'month')
        from report group by site";
    let reported = |row: &Row| {
        let (first, newest): (Option<Date>, Option<Date>) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Reported { site: row.try_get(0)?, days: first.zip(newest), month: row.try_get(3)? })
    };
    Ok(transaction.query(sql, &[]).await?.iter().map(reported).collect::<Result<_, Error>>()?)
}

/// The sources that have devices at a site, by name.
///
/// # Errors
/// [`StoreError`]
pub async fn sources_of(transaction: &Transaction<'_>, site: &str) -> Result<Vec<String>, StoreError> {
    let rows = transaction
        .query("select distinct source from devices where site = $1 order by source", &[&site])
        .await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, Error>>()?)
}

/// Notes that a report was made for a slot, with the mails that are to say so: receiver and `Message-ID`. A mail that is noted already stays as it is.
///
/// # Errors
/// [`StoreError`]
pub async fn record(
    transaction: &Transaction<'_>,
    report: &MadeReport,
    mails: &[(&str, Uuid)],
    (slot, now): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let sql = "
        insert into report (site, kind, first_day, zone, key, sha256, bytes, subject, text, slot, made_at, html, image_ids, images, devices)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        on conflict (site, kind, first_day) do update
        set zone = excluded.zone, key = excluded.key, sha256 = excluded.sha256, bytes = excluded.bytes,
            subject = excluded.subject, text = excluded.text, slot = excluded.slot, made_at = excluded.made_at,
            html = excluded.html, image_ids = excluded.image_ids, images = excluded.images, devices = excluded.devices";
    let MadeReport { site, kind, first_day, zone, key, sha256, bytes, subject, text, html, devices } = report;
    let bytes = i32::try_from(*bytes).unwrap_or(i32::MAX);
    let images = html.as_ref().map(|html| &html.images);
    let ids: Option<Vec<&str>> = images.map(|images| images.iter().map(|(id, _)| id.as_str()).collect());
    let images: Option<Vec<&[u8]>> = images.map(|images| images.iter().map(|(_, png)| &png[..]).collect());
    let html = html.as_ref().map(|html| &html.html);
    let values: [&(dyn ToSql + Sync); 15] = [
        site,
        kind,
        first_day,
        zone,
        key,
        &&sha256[..],
        &bytes,
        subject,
        text,
        &slot,
        &now,
        &html,
        &ids,
        &images,
        devices,
    ];
    transaction.execute(sql, &values).await?;
    let sql = "
        insert into report_mail (site, kind, first_day, receiver, message_id)
        select $1, $2, $3, receiver, message_id from unnest($4::text[], $5::uuid[]) as mail (receiver, message_id)
        on conflict do nothing";
    let (receivers, ids): (Vec<&str>, Vec<Uuid>) = mails.iter().copied().unzip();
    transaction.execute(sql, &[site, kind, first_day, &receivers, &ids]).await?;
    transaction.execute(FREE, &[site, kind, first_day]).await?;
    Ok(())
}

/// A mail that is still to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMail {
    /// The site's name.
    pub site: String,
    /// `day` or `month`.
    pub kind: String,
    /// The report's first date.
    pub first_day: Date,
    /// The receiver's name.
    pub receiver: String,
    /// The same in every attempt.
    pub message_id: Uuid,
    /// How often it was tried.
    pub attempts: i32,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its HTML; `None` where it has none.
    pub html: Option<MailHtml>,
}

/// The next mail that is still to be sent and was tried less often than `attempts`.
///
/// # Errors
/// [`StoreError`]
pub async fn next_mail(transaction: &Transaction<'_>, attempts: i32) -> Result<Option<OpenMail>, StoreError> {
    let sql = "
        select site, kind, first_day, receiver, message_id, attempts, subject, text, html, image_ids, images
        from report_mail join report using (site, kind, first_day)
        where sent_at is null and given_up_at is null and attempts < $1
        order by attempts, first_day, site, kind, receiver limit 1";
    let rows = transaction.query(sql, &[&attempts]).await?;
    let mail = |row: &Row| {
        Ok::<_, Error>(OpenMail {
            site: row.try_get(0)?,
            kind: row.try_get(1)?,
            first_day: row.try_get(2)?,
            receiver: row.try_get(3)?,
            message_id: row.try_get(4)?,
            attempts: row.try_get(5)?,
            subject: row.try_get(6)?,
            text: row.try_get(7)?,
            html: html(row)?,
        })
    };
    Ok(rows.first().map(mail).transpose()?)
}

fn html(row: &Row) -> Result<Option<MailHtml>, Error> {
    let Some(html) = row.try_get(8)? else { return Ok(None) };
    let (ids, images): (Option<Vec<String>>, Option<Vec<Vec<u8>>>) = (row.try_get(9)?, row.try_get(10)?);
    let images = ids.unwrap_or_default().into_iter().zip(images.unwrap_or_default()).collect();
    Ok(Some(MailHtml { html, images }))
}

/// How a mail was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried<'a> {
    /// The server has taken it.
    Sent,
    /// It failed for now.
    Failed(&'a str),
    /// It is not tried again.
    GivenUp(&'a str),
}

impl OpenMail {
    /// Notes how it was tried.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn tried(
        &self,
        transaction: &Transaction<'_>,
        tried: Tried<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "
            update report_mail
            set attempts = attempts + 1, sent_at = case when $5 then $7::timestamptz end, given_up_at = case when $6 then $7 end, last_error = $8
            where site = $1 and kind = $2 and first_day = $3 and receiver = $4";
        let (is_sent, is_given_up, error) = match tried {
            Tried::Sent => (true, false, None),
            Tried::Failed(error) => (false, false, Some(error)),
            Tried::GivenUp(error) => (false, true, Some(error)),
        };
        let Self { site, kind, first_day, receiver, .. } = self;
        transaction
            .execute(sql, &[site, kind, first_day, receiver, &is_sent, &is_given_up, &now, &error])
            .await?;
        transaction.execute(FREE, &[site, kind, first_day]).await?;
        Ok(())
    }
}

/// A device of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteDevice {
    /// Its id; `None` where it has not sent yet.
    pub id: Option<i32>,
    /// The source's name.
    pub source: String,
    /// The name that its platform gives it.
    pub name: String,
    /// Its name for people, where one is known.
    pub shown: Option<String>,
    /// Its tags.
    pub tags: crate::Tags,
    /// When it was last heard of; `None` where never.
    pub last_seen_at: Option<Timestamp>,
    /// How often it is expected to send, in the words of the file.
    pub expected: Option<String>,
    /// Whether it is retired.
    pub is_retired: bool,
}

impl SiteDevice {
    /// Its name for people, else the one that its platform gives it.
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.name)
    }
}

/// The devices of a site, sent or not, by source and name, at most so many; and how many there are.
///
/// # Errors
/// [`StoreError`]
pub async fn devices_of(
    transaction: &Transaction<'_>,
    site: &str,
    most: i64,
) -> Result<(Vec<SiteDevice>, u64), StoreError> {
    let sql = "
        select id, source, device, name, labels, last_seen_at, entry ->> 'expected', is_retired, count(*) over ()
        from devices where site = $1 order by source, device limit $2";
    let rows = transaction.query(sql, &[&site, &most]).await?;
    let device = |row: &Row| {
        let labels: serde_json::Value = row.try_get(4)?;
        let tags = labels.as_object().into_iter().flatten();
        Ok(SiteDevice {
            id: row.try_get(0)?,
            source: row.try_get(1)?,
            name: row.try_get(2)?,
            shown: row.try_get(3)?,
            tags: tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            last_seen_at: row.try_get(5)?,
            expected: row.try_get(6)?,
            is_retired: row.try_get(7)?,
        })
    };
    let all = rows.first().map(|row| row.try_get::<_, i64>(8)).transpose()?.unwrap_or_default();
    Ok((rows.iter().map(device).collect::<Result<_, Error>>()?, all.unsigned_abs()))
}

/// The streams of a device: id and channel.
///
/// # Errors
/// [`StoreError`]
pub async fn streams_of(
    transaction: &Transaction<'_>,
    devices: &[i32],
) -> Result<Vec<(i32, i32, String)>, StoreError> {
    let sql = "select id, device_id, channel from stream where device_id = any($1) order by id";
    let rows = transaction.query(sql, &[&devices]).await?;
    Ok(rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_, Error>>()?)
}

/// An alert that was firing at some time.
#[derive(Debug, Clone, PartialEq)]
pub struct PastAlert {
    /// The stream.
    pub stream: i32,
    /// The position of its metric.
    pub position: i16,
    /// The rule's name.
    pub rule: String,
    /// How bad it was.
    pub severity: Severity,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; `None` where it did not before the end of the time that was asked for.
    pub to: Option<Timestamp>,
}

/// The alerts of streams that were firing at some time between `from` and `to`, as far as they began within the year before, in the order of their beginnings: at
/// most so many, first of all those that fire at the end.
///
/// # Errors
/// [`StoreError`]
pub async fn alerts(
    transaction: &Transaction<'_>,
    streams: &[i32],
    (from, to): (Timestamp, Timestamp),
    most: i64,
) -> Result<Vec<PastAlert>, StoreError> {
    let sql = "
        with effective as (
            select id, stream_id, position, rule, severity, kind, at,
                   lead(at) over (partition by stream_id, rule, position order by at, id) as next_at
            from alert_transition
            where stream_id = any($1) and at >= $4 and at < $3 and retracted_by is null and kind in ('firing', 'resolved'))
        select stream_id, position, rule, severity, at, next_at from effective
        where kind = 'firing' and coalesce(next_at, $3) > $2
        order by next_at is not null, at desc, id limit $5";
    let year = from.saturating_sub(SignedDuration::from_hours(366 * 24)).unwrap_or(from);
    let rows = transaction.query(sql, &[&streams, &from, &to, &year, &most]).await?;
    let alert = |row: &Row| {
        Ok(PastAlert {
            stream: row.try_get(0)?,
            position: row.try_get(1)?,
            rule: row.try_get(2)?,
            severity: row.try_get::<_, &str>(3)?.parse().unwrap_or(Severity::Warning),
            from: row.try_get(4)?,
            to: row.try_get(5)?,
        })
    };
    let mut alerts: Vec<PastAlert> = rows.iter().map(alert).collect::<Result<_, Error>>()?;
    alerts.sort_by(|one, other| {
        (one.from, &one.rule, one.stream).cmp(&(other.from, &other.rule, other.stream))
    });
    Ok(alerts)
}

/// How many dead letters of sources came between two times and are still open.
///
/// # Errors
/// [`StoreError`]
pub async fn open_dead_letters(
    transaction: &Transaction<'_>,
    sources: &[&str],
    (from, to): (Timestamp, Timestamp),
) -> Result<u64, StoreError> {
    let sql = "
        select count(*) from dead_letter
        where resolved_at is null and last_at >= $2 and first_at < $3
          and source = any($1::text[] || array(select '/sources/' || name from unnest($1::text[]) name))";
    let rows = transaction.query(sql, &[&sources, &from, &to]).await?;
    let count = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}
