//! Readings out of the database, page by page.
//!
//! ```text
//! devices by source and name ──> their streams and metrics by channel ──> their moments by time ──> a page of lines
//! ```
//!
//! Each arrow is a statement of its own, bounded in what it looks at, which has ended before its page is used: who writes the lines
//! away slowly holds up nothing in the database. What is stored while an export runs may be in it, or not.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use event_model::Quality;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use crate::{Client, Tags};

/// Which readings.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of this source; `None` is any.
    pub source: Option<String>,
    /// Of the devices of this name; `None` is any.
    pub device: Option<String>,
    /// Of devices that have all these labels: tags that came with payloads, or what people say.
    pub tags: Tags,
    /// Of this metric; `None` is any.
    pub metric: Option<String>,
    /// Measured at or after.
    pub from: Option<Timestamp>,
    /// Measured before.
    pub until: Option<Timestamp>,
}

/// How much is held at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Devices of one statement.
    pub devices: u32,
    /// Metrics of one statement; a stream is taken with all of its own.
    pub metrics: u32,
    /// Moments of one statement.
    pub moments: u32,
    /// Values of a page; beyond, it ends with the moment.
    pub values: usize,
    /// Bytes of a page; beyond, it ends with the moment.
    pub bytes: usize,
    /// How long a statement may read moments; one that asks for fewer is tried then.
    pub time: Duration,
}

impl Default for PageSize {
    fn default() -> Self {
        Self {
            devices: 500,
            metrics: 4096,
            moments: 4096,
            values: 32_768,
            bytes: 1024 * 1024,
            time: Duration::from_secs(5),
        }
    }
}

/// Bytes of the longest text that a reading may have.
const LONGEST_TEXT: usize = 4096;
/// Moments that the first statement asks for: how wide they are is not known yet.
const FIRST_MOMENTS: u32 = 64;

/// The readings of a selection, in the order of source, device, channel, time, and position of the metric in its stream.
#[derive(Debug)]
pub struct Export {
    selection: Selection,
    size: PageSize,
    /// Devices whose streams are not all found yet. Those of the first up to `channel` are.
    devices: VecDeque<Device>,
    channel: Option<String>,
    /// Source and name behind which there are more devices; `None` where there are none.
    more_devices: Option<(String, String)>,
    /// Streams whose moments are not all read yet. Those of the first up to `read_to` are.
    streams: VecDeque<Arc<Stream>>,
    read_to: Option<Timestamp>,
    /// Moments that the next statement asks for.
    moments: u32,
}

#[derive(Debug, Clone)]
struct Device {
    id: i32,
    source: Arc<str>,
    name: Arc<str>,
}

/// A stream and what its moments mean.
#[derive(Debug)]
pub struct Stream {
    pub(crate) id: i32,
    /// The source's name.
    pub source: Arc<str>,
    /// The device's name.
    pub device: Arc<str>,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// Those that are selected, in the order of their positions.
    pub metrics: Vec<Metric>,
}

/// A metric of a stream.
#[derive(Debug)]
pub struct Metric {
    pub(crate) position: usize,
    /// Its name.
    pub name: String,
    /// The unit's symbol.
    pub unit: Option<String>,
    /// `number`, `flag`, `text` or `bytes`.
    pub kind: String,
}

/// Some moments with their values.
#[derive(Debug, Default)]
pub struct Page {
    moments: Vec<Moment>,
    /// How many values they may have.
    values: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Moment {
    stream: Arc<Stream>,
    observed_at: Timestamp,
    received_at: Timestamp,
    values: Vec<Option<f64>>,
    texts: Option<Vec<Option<String>>>,
    quality: Option<Vec<Option<i16>>>,
    received_ats: Option<Vec<Option<Timestamp>>>,
}

/// One value, by the columns of the view `readings`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The device's name.
    pub device: &'a str,
    /// The channel; empty where the device has one only.
    pub channel: &'a str,
    /// The canonical metric.
    pub metric: &'a str,
    /// When it was measured.
    pub observed_at: Timestamp,
    /// The number, or a flag as 0 or 1.
    pub value: Option<f64>,
    /// The text, or bytes in hexadecimal.
    pub text: Option<&'a str>,
    /// The unit's symbol.
    pub unit: Option<&'a str>,
    /// `number`, `flag`, `text` or `bytes`.
    pub kind: &'a str,
    /// `good`, `uncertain` or `bad`.
    pub quality: &'static str,
    /// When its payload was received.
    pub received_at: Timestamp,
}

impl Line<'_> {
    /// The names of its columns, in their order.
    pub const COLUMNS: [&'static str; 11] = [
        "source",
        "device",
        "channel",
        "metric",
        "observed_at",
        "value",
        "text",
        "unit",
        "kind",
        "quality",
        "received_at",
    ];
}

impl Page {
    fn push(&mut self, moment: Moment) {
        self.values += moment.width();
        self.bytes += moment.bytes();
        self.moments.push(moment);
    }

    const fn is_full(&self, size: &PageSize) -> bool {
        self.values >= size.values || self.bytes >= size.bytes
    }

    /// The values, in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.moments.iter().flat_map(|moment| {
            moment.stream.metrics.iter().filter_map(move |metric| moment.line(&moment.stream, metric))
        })
    }
}

impl Moment {
    fn read(stream: &Arc<Stream>, row: &Row) -> Result<Self, Error> {
        Ok(Self {
            stream: Arc::clone(stream),
            observed_at: row.try_get(1)?,
            received_at: row.try_get(2)?,
            values: row.try_get(3)?,
            texts: row.try_get(4)?,
            quality: row.try_get(5)?,
            received_ats: row.try_get(6)?,
        })
    }

    /// The value of a metric, where the moment has one.
    fn line<'a>(&'a self, stream: &'a Stream, metric: &'a Metric) -> Option<Line<'a>> {
        let at = metric.position;
        let is_textual = matches!(metric.kind.as_str(), "text" | "bytes");
        let value = self.values.get(at).copied().flatten().filter(|_| !is_textual);
        let text = self.texts.as_ref().and_then(|texts| texts.get(at)?.as_deref()).filter(|_| is_textual);
        if value.is_none() && text.is_none() {
            return None;
        }
        let received_at = self.received_ats.as_ref().and_then(|times| times.get(at).copied().flatten());
        let quality = self.quality.as_ref().and_then(|codes| codes.get(at).copied().flatten());
        Some(Line {
            source: &stream.source,
            device: &stream.device,
            channel: &stream.channel,
            metric: &metric.name,
            observed_at: self.observed_at,
            value,
            text,
            unit: metric.unit.as_deref(),
            kind: &metric.kind,
            quality: Quality::from_code(quality.unwrap_or_default()).as_str(),
            received_at: received_at.unwrap_or(self.received_at),
        })
    }

    /// How many values it may have.
    fn width(&self) -> usize {
        self.values.len().max(self.texts.as_ref().map_or(0, Vec::len))
    }

    /// The bytes that it holds.
    fn bytes(&self) -> usize {
        let texts = self.texts.iter().flatten().flatten().map(String::len).sum::<usize>();
        let each = size_of::<Option<f64>>()
            + self.texts.as_ref().map_or(0, |_| size_of::<String>())
            + self.quality.as_ref().map_or(0, |_| size_of::<Option<i16>>())
            + self.received_ats.as_ref().map_or(0, |_| size_of::<Option<Timestamp>>());
        size_of::<Self>() + self.width() * each + texts
    }
}

impl Export {
    /// Nothing is read yet.
    pub fn new(selection: Selection, size: PageSize) -> Self {
        // All names come behind these.
        let first = (selection.source.clone().unwrap_or_default(), String::new());
        Self {
            selection,
            size,
            devices: VecDeque::new(),
            channel: None,
            more_devices: Some(first),
            streams: VecDeque::new(),
            read_to: None,
            moments: size.moments.min(FIRST_MOMENTS),
        }
    }

    /// Those of one stream between two times.
    pub fn of_stream(
        stream: Arc<Stream>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        size: PageSize,
    ) -> Self {
        let selection = Selection { from, until, ..Selection::default() };
        Self { streams: VecDeque::from([stream]), more_devices: None, ..Self::new(selection, size) }
    }

    /// The next stream, of whose moments none is read; `None` where there are no more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_stream(&mut self, client: &Client) -> Result<Option<Arc<Stream>>, Error> {
        while self.streams.is_empty() {
            if !self.devices.is_empty() {
                self.next_streams(client).await?;
            } else if let Some((source, name)) = self.more_devices.clone() {
                self.next_devices(client, (&source, &name)).await?;
            } else {
                return Ok(None);
            }
        }
        Ok(self.streams.pop_front())
    }

    /// The next values; `None` where there are no more. A page without a line is not the last.
    ///
    /// # Errors
    /// Those of the database; where a single moment takes too long, that of a statement which was cancelled.
    pub async fn next_page(&mut self, client: &mut Client) -> Result<Option<Page>, Error> {
        loop {
            if !self.streams.is_empty() {
                match self.next_moments(client).await {
                    Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) && self.moments > 1 => {
                        self.moments = (self.moments / 8).max(1);
                    }
                    page => return page.map(Some),
                }
            } else if !self.devices.is_empty() {
                self.next_streams(client).await?;
            } else if let Some((source, name)) = self.more_devices.clone() {
                self.next_devices(client, (&source, &name)).await?;
            } else {
                return Ok(None);
            }
        }
    }

    async fn next_devices(
        &mut self,
        client: &Client,
        (after_source, after_name): (&str, &str),
    ) -> Result<(), Error> {
        let sql = "
            select id, source, name from device d
            where (source, name) > ($1, $2) and erased_at is null
              and ($3::text is null or source = $3) and ($4::text is null or name = $4)
              and tags || coalesce((
                      select coalesce(registered -> 'labels', '{}') || coalesce(configured -> 'labels', '{}')
                      from device_entry e where e.source = d.source and e.name = d.name), '{}') @> $5
            order by source, name limit $6";
        let Selection { source, device, tags, .. } = &self.selection;
        let tags = serde_json::json!(tags);
        let limit = i64::from(self.size.devices.max(1));
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&after_source, &after_name, source, device, &tags, &limit];
        let rows = client.query(sql, &parameters).await?;
        let mut sources = Sources::default();
        let device = |row: &Row| {
            Ok(Device {
                id: row.try_get(0)?,
                source: sources.of(row.try_get(1)?),
                name: row.try_get::<_, &str>(2)?.into(),
            })
        };
        let devices: VecDeque<Device> = rows.iter().map(device).collect::<Result<_, Error>>()?;
        let is_last = rows.len() < self.size.devices.max(1) as usize;
        self.more_devices = devices
            .back()
            .filter(|_| !is_last)
            .map(|last| (last.source.as_ref().to_owned(), last.name.as_ref().to_owned()));
        self.devices = devices;
        Ok(())
    }

    async fn next_streams(&mut self, client: &Client) -> Result<(), Error> {
        let sql = "
            select d.number, s.id, s.channel, m.position, m.name, nullif(m.unit, ''), m.kind
            from unnest($1::integer[]) with ordinality as d (id, number)
            join stream s on s.device_id = d.id and (d.number > 1 or $2::text is null or s.channel > $2)
            join metric m on m.stream_id = s.id
            where $3::text is null or m.name = $3
            order by d.number, s.channel, m.position limit $4";
        let devices: Vec<i32> = self.devices.iter().map(|device| device.id).collect();
        let limit = i64::from(self.size.metrics.max(1));
        let rows = client.query(sql, &[&devices, &self.channel, &self.selection.metric, &limit]).await?;
        let mut streams: Vec<(usize, Stream)> = Vec::new();
        for row in &rows {
            let (number, id) = (index(row)?, row.try_get(1)?);
            if streams.last().is_none_or(|(_, stream)| stream.id != id) {
                let Device { source, name, .. } = &self.devices[number];
                let (source, device) = (Arc::clone(source), Arc::clone(name));
                let stream = Stream { id, source, device, channel: row.try_get(2)?, metrics: Vec::new() };
                streams.push((number, stream));
            }
            if let Some((_, stream)) = streams.last_mut() {
                stream.metrics.push(Metric::read(row, 3)?);
            }
        }
        if rows.len() < self.size.metrics.max(1) as usize {
            self.devices.clear();
            self.channel = None;
        } else {
            // The last may have more metrics.
            if streams.len() > 1 {
                streams.pop();
            } else if let Some((_, stream)) = streams.last_mut() {
                stream.metrics = self.metrics_of(client, stream.id).await?;
            }
            if let Some((number, stream)) = streams.last() {
                self.devices.drain(..number);
                self.channel = Some(stream.channel.clone());
            }
        }
        self.streams = streams.into_iter().map(|(_, stream)| Arc::new(stream)).collect();
        self.read_to = None;
        Ok(())
    }

    async fn metrics_of(&self, client: &Client, stream: i32) -> Result<Vec<Metric>, Error> {
        let sql = "
            select position, name, nullif(unit, ''), kind from metric
            where stream_id = $1 and ($2::text is null or name = $2) order by position";
        let rows = client.query(sql, &[&stream, &self.selection.metric]).await?;
        rows.iter().map(|row| Metric::read(row, 0)).collect()
    }

    /// Moments of the streams, as many as are asked for or as a page holds.
    async fn next_moments(&mut self, client: &mut Client) -> Result<Page, Error> {
        let asked = self.asked();
        let (page, last) = self.read_moments(client, asked).await?;
        let (taken, is_full) =
            (u32::try_from(page.moments.len()).unwrap_or(u32::MAX), page.is_full(&self.size));
        if is_full || taken == asked {
            self.streams.drain(..last);
            self.read_to = page.moments.last().map(|moment| moment.observed_at);
        } else {
            self.streams.clear();
        }
        // As many as fill a page.
        self.moments = if is_full { taken } else { asked.saturating_mul(2).min(self.size.moments) };
        Ok(page)
    }

    /// Moments that the next statement asks for. Behind narrow ones there may be wide ones, of which it gives more than a page takes, and what it gives is
    /// held until it is read or left: as many as are bounded also where each text is as long as one may be.
    fn asked(&self) -> u32 {
        let widest = self.streams.iter().map(|stream| stream.metrics.len()).max().unwrap_or_default();
        let is_text = |metric: &&Metric| matches!(metric.kind.as_str(), "text" | "bytes");
        let texts = self.streams.iter().map(|stream| stream.metrics.iter().filter(is_text).count()).max();
        let by_values = self.size.values.saturating_mul(4) / widest.max(1);
        let by_bytes = self.size.bytes.saturating_mul(8) / (texts.unwrap_or_default() * LONGEST_TEXT).max(1);
        self.moments.min(u32::try_from(by_values.min(by_bytes)).unwrap_or(u32::MAX)).max(1)
    }

    /// Up to `asked` moments, and to which of the streams the last belongs.
    async fn read_moments(&self, client: &mut Client, asked: u32) -> Result<(Page, usize), Error> {
        let sql = r#"
            select s.number, r.observed_at, r.received_at, r."values", r.texts, r.quality, r.received_ats
            from unnest($1::integer[]) with ordinality as s (id, number)
            cross join lateral (
                select observed_at, received_at, "values", texts, quality, received_ats from moment
                where stream_id = s.id and observed_at < coalesce($4::timestamptz, 'infinity')
                  and observed_at >= case when s.number = 1 and $2::timestamptz is not null then $2 + interval '1 microsecond'
                                          else coalesce($3::timestamptz, '-infinity') end
                order by observed_at limit $5) as r
            order by s.number, r.observed_at limit $5"#;
        // Nothing is sorted that an index has in order, whatever the planner believes of a stream's length.
        let settings = format!(
            "set local statement_timeout = {}; set local jit = off;
             set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off",
            self.size.time.as_millis()
        );
        let ids: Vec<i32> = self.streams.iter().map(|stream| stream.id).collect();
        let limit = i64::from(asked);
        let Selection { from, until, .. } = &self.selection;
        let parameters: [&(dyn ToSql + Sync); 5] = [&ids, &self.read_to, from, until, &limit];
        let transaction = client.transaction().await?;
        transaction.batch_execute(&settings).await?;
        let statement = transaction.prepare_cached(sql).await?;
        let (mut page, mut last) = (Page::default(), 0);
        {
            let mut rows = pin!(transaction.query_raw(&statement, parameters).await?);
            while let Some(row) = rows.try_next().await? {
                last = index(&row)?;
                page.push(Moment::read(&self.streams[last], &row)?);
                if page.is_full(&self.size) {
                    break;
                }
            }
        }
        transaction.commit().await?;
        Ok((page, last))
    }
}

/// The number of a row's device or stream among those that were asked for, from 0.
fn index(row: &Row) -> Result<usize, Error> {
    let number: i64 = row.try_get(0)?;
    Ok(usize::try_from(number - 1).unwrap_or_default())
}

impl Metric {
    /// Of the four columns from `first` on.
    fn read(row: &Row, first: usize) -> Result<Self, Error> {
        let position: i16 = row.try_get(first)?;
        Ok(Self {
            position: usize::try_from(position).unwrap_or_default(),
            name: row.try_get(first + 1)?,
            unit: row.try_get(first + 2)?,
            kind: row.try_get(first + 3)?,
        })
    }
}

/// Names of sources, each held once for its neighbours.
#[derive(Default)]
struct Sources(Option<Arc<str>>);

impl Sources {
    fn of(&mut self, name: &str) -> Arc<str> {
        let known = self.0.take().filter(|known| **known == *name).unwrap_or_else(|| name.into());
        Arc::clone(self.0.insert(known))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Line;

    #[test]
    fn a_line_has_the_columns_that_are_stated() {
        let line = Line {
            source: "s",
            device: "d",
            channel: "",
            metric: "m",
            observed_at: Timestamp::UNIX_EPOCH,
            value: None,
            text: None,
            unit: None,
            kind: "flag",
            quality: "good",
            received_at: Timestamp::UNIX_EPOCH,
        };
        let text = serde_json::to_string(&line).unwrap();
        let places: Vec<_> = Line::COLUMNS.iter().map(|name| text.find(&format!(r#""{name}":"#))).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
        assert_eq!(text.matches("\":").count(), Line::COLUMNS.len());
    }
}
