//! Streams as they would be once their changes were stored.

use std::collections::{BTreeMap, BTreeSet};

use event_model::CLOCK_SKEW;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use pipeline_config::source::Unknown;
use rules::StreamNames;
use store::alerts::{self, ChangedCell, FoundStream, MetricRow, Span, StreamRow};
use store::{StoreError, Transaction};

use super::changes::{Account, ReadingChanges, SeriesKey, StreamChanges, StreamKey};
use crate::watched_rules::WatchedRules;

/// A stream that is named, and what changes of it.
pub(super) type Named<'a> = (&'a StreamKey, &'a StreamChanges);

/// A stream with its changes.
#[derive(Debug)]
pub(super) struct Altered {
    pub(super) row: StreamRow,
    /// Its evaluation is requested from here on; `None`: it is not.
    pub(super) from: Option<Timestamp>,
    /// What changes, by time and position.
    accounts: BTreeMap<(Timestamp, i16), Account>,
    /// From here on its changes are not known.
    pub(super) known_until: Option<Timestamp>,
}

impl Altered {
    fn of(row: StreamRow, from: Option<Timestamp>) -> Self {
        Self { row, from, accounts: BTreeMap::new(), known_until: None }
    }

    /// The changed cells in order of time.
    pub(super) fn cells(&self) -> impl Iterator<Item = ChangedCell> {
        self.accounts.iter().map(|(&(at, position), account)| ChangedCell {
            at,
            position,
            reading: account.reading,
        })
    }

    /// Those of a part of its time.
    pub(super) fn cells_in(&self, span: Span) -> impl Iterator<Item = ChangedCell> {
        let Span { after, until } = span;
        self.cells().filter(move |cell| cell.at > after && until.is_none_or(|until| cell.at <= until))
    }
}

/// The streams that are named, and the others of their devices that an evaluation looks at with them. Those that are not there have negative
/// numbers.
pub(super) async fn streams(
    transaction: &Transaction<'_>,
    (named, all_changes): (&[Named<'_>], &ReadingChanges),
    (pipeline, rules): (&Pipeline, &WatchedRules),
) -> Result<BTreeMap<i32, Altered>, StoreError> {
    let names: Vec<_> = named.iter().map(|(key, _)| (&*key.source, &*key.device, &*key.channel)).collect();
    let found = alerts::find_streams(transaction, &names).await?;
    // A device that was awaited is seen: rules look at all that they have awaited of it.
    let is_first = |(found, (_, changes)): &(&FoundStream, &Named<'_>)| {
        !found.row.is_seen && found.row.expected_at.is_some() && changes.gives_values()
    };
    let first: BTreeSet<i32> =
        found.iter().zip(named).filter(is_first).filter_map(|(found, _)| found.device_id).collect();
    let others = if first.is_empty() {
        Vec::new()
    } else {
        alerts::streams_of(transaction, &first.iter().copied().collect::<Vec<_>>()).await?
    };
    let all: BTreeSet<i32> =
        found.iter().filter_map(|found| found.id).chain(others.iter().map(|(stream, _)| *stream)).collect();
    let mut rows = alerts::streams(transaction, &all.into_iter().collect::<Vec<_>>()).await?;
    let mut streams = BTreeMap::<i32, Altered>::new();
    for (made_up, (found, (key, changes))) in (1..).zip(found.into_iter().zip(named)) {
        let holds = pipeline.sources.get(&*key.source).is_some_and(|source| source.unknown == Unknown::Hold);
        if holds && !found.is_known {
            continue;
        }
        let is_first = found.device_id.is_some_and(|device| first.contains(&device));
        let (id, begins_at) = (found.id.unwrap_or(-made_up), found.begins_at);
        // Two names may lead to one stream.
        let altered = streams.entry(id).or_insert_with(|| {
            let metrics = rows.remove(&id).map(|row| row.metrics).unwrap_or_default();
            let row = StreamRow { metrics, ..found.row };
            Altered::of(row, None)
        });
        altered.add(changes, begins_at);
        altered.row.is_seen |= is_first || changes.gives_values();
        let tags = pipeline.tags_of(&altered.row.source, &altered.row.tags);
        let StreamRow { source, device, channel, .. } = &altered.row;
        let from = changes.asked_from(rules, StreamNames { source, device, channel, tags: &tags });
        let expected = altered.row.expected_at.filter(|_| is_first);
        altered.from = [altered.from, from, expected].into_iter().flatten().min();
    }
    for (id, _) in others {
        // One that changes itself is looked at with its changes.
        let row = rows.remove(&id).filter(|row| !all_changes.streams.contains_key(&StreamKey::of_row(row)));
        if let Some(mut row) = row {
            row.is_seen = true;
            let from = row.expected_at;
            streams.insert(id, Altered::of(row, from));
        }
    }
    streams.retain(|_, altered| altered.from.is_some());
    Ok(streams)
}

impl Altered {
    /// Adds changes; what was received before the device began is not stored.
    fn add(&mut self, changes: &StreamChanges, begins_at: Option<Timestamp>) {
        self.row.tags.extend(changes.tags.clone());
        for (key, accounts) in &changes.series {
            let is_given = accounts.values().any(|account| account.reading.is_some());
            let Some(position) = self.position(key, is_given) else { continue };
            let counts = accounts.iter().filter(|(at, account)| {
                at.duration_since(account.received_at) <= CLOCK_SKEW
                    && begins_at.is_none_or(|begins_at| account.received_at >= begins_at)
            });
            for (at, account) in counts {
                let place = self.accounts.entry((*at, position));
                place.and_modify(|old| *old = old.or(*account)).or_insert(*account);
            }
        }
        self.known_until = [self.known_until, changes.known_until].into_iter().flatten().min();
    }

    /// The position of a series, behind all that are there where it is new.
    fn position(&mut self, key: &SeriesKey, is_given: bool) -> Option<i16> {
        let metrics = &mut self.row.metrics;
        let is_it = |metric: &&MetricRow| {
            (&metric.name, &metric.unit, metric.kind) == (&key.metric, &key.unit, Some(key.kind))
        };
        if let Some(found) = metrics.iter().find(is_it) {
            return Some(found.position);
        }
        let position = metrics.iter().map(|metric| metric.position + 1).max().unwrap_or_default();
        let has_room = is_given && metrics.len() < store::MAX_METRICS;
        has_room.then(|| {
            metrics.push(MetricRow {
                position,
                name: key.metric.clone(),
                unit: key.unit.clone(),
                kind: Some(key.kind),
                is_empty: false,
            });
            position
        })
    }
}
