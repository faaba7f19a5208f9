use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use event_model::reading::ValueKind;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::query;

/// A stream's names, and what its positions mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The device's tags.
    pub tags: BTreeMap<String, String>,
    /// Its metrics by position.
    pub metrics: Vec<MetricRow>,
}

/// What one position of a stream's rows means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricRow {
    /// The position, from 0.
    pub position: i16,
    /// The canonical metric.
    pub name: String,
    /// Its unit; empty if unknown.
    pub unit: String,
    /// Whether its values are numbers (or flags, 0 and 1).
    pub is_numeric: bool,
}

/// The stream with this id; `None` where there is none.
///
/// # Errors
/// Those of the database.
pub async fn stream(transaction: &impl GenericClient, stream: i32) -> Result<Option<StreamRow>, Error> {
    let sql = "
        select d.source, d.name, s.channel, d.tags, m.position, m.name, m.unit, m.kind
        from stream s join device d on d.id = s.device_id join metric m on m.stream_id = s.id
        where s.id = $1 order by m.position";
    let rows = query(transaction, sql, &[&stream]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let Json(tags): Json<BTreeMap<String, serde_json::Value>> = first.try_get(3)?;
    let tags = tags.into_iter().filter_map(|(tag, value)| Some((tag, value.as_str()?.to_owned())));
    Ok(Some(StreamRow {
        source: first.try_get(0)?,
        device: first.try_get(1)?,
        channel: first.try_get(2)?,
        tags: tags.collect(),
        metrics: rows.iter().map(MetricRow::read).collect::<Result<_, _>>()?,
    }))
}

impl MetricRow {
    fn read(row: &Row) -> Result<Self, Error> {
        let kind: &str = row.try_get(7)?;
        Ok(Self {
            position: row.try_get(4)?,
            name: row.try_get(5)?,
            unit: row.try_get(6)?,
            is_numeric: kind == ValueKind::Number.as_str() || kind == ValueKind::Flag.as_str(),
        })
    }
}
