//! What `freshet status` and `freshet drain` count. Rows outlive pods, so that these figures do too.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, Row};

use crate::canary::{self, Standing};
use crate::fallbacks::{self, Fallbacks};
use crate::{refusals, topic_offsets};

/// More gaps are not named.
const MOST_GAPS: i64 = 100;

/// What the tables tell of each stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Payloads in `receipt` since the asked time: what `transform` or the worker has seen.
    pub receipts: i64,
    /// Those of them that were not stored whole.
    pub faulty_receipts: i64,
    /// When the newest payload of all was received.
    pub newest_receipt_at: Option<Timestamp>,
    /// Rows of `evaluation_request` that are not put off: streams that no rule has looked at yet.
    pub evaluation_requests: i64,
    /// Since when the oldest of them waits.
    pub oldest_request_at: Option<Timestamp>,
    /// Those that are: streams whose evaluation failed by itself.
    pub streams_put_off: i64,
    /// Rows of `alert_transition` since the asked time.
    pub transitions: i64,
    /// Rows of `notification` that were delivered since the asked time.
    pub delivered: i64,
    /// Those that were queued since the asked time and given up.
    pub given_up: i64,
    /// Notifications that are due now, leased ones included.
    pub due: i64,
    /// Notifications that wait for a later attempt.
    pub retrying: i64,
    /// The newest heartbeat.
    pub newest_heartbeat_at: Option<Timestamp>,
    /// Dead letters by the stage that failed.
    pub dead_letters: Vec<StageDeadLetters>,
    /// How far the worker is in each partition of a topic.
    pub partitions: Vec<PartitionStanding>,
    /// Partitions in which other records were found than were to be read, since the asked time.
    pub gaps: Vec<String>,
    /// Payloads since the asked time that went to the Broker in direct mode.
    pub fallbacks: Option<Fallbacks>,
    /// When a payload was last refused in direct mode.
    pub refused_at: Option<Timestamp>,
    /// How the canary stands; `None` where no run of it is over.
    #[serde(default)]
    pub canary: Option<Standing>,
}

/// How far the worker is in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStanding {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset behind what is stored.
    pub next: i64,
    /// How often it was given to a worker.
    pub epoch: i64,
    /// The latest time whose records are all stored.
    pub caught_up_at: Option<Timestamp>,
    /// How far its end lies behind `next`, where Kafka was asked.
    pub lag: Option<i64>,
}

/// The dead letters of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDeadLetters {
    /// The stage.
    pub stage: String,
    /// Those that failed since the asked time.
    pub since: i64,
    /// Those that are open.
    pub open: i64,
    /// Of the open ones those that are sent back by themselves.
    pub to_send_back: i64,
}

/// How many connections the server takes.
///
/// # Errors
/// Those of the database.
pub async fn max_connections(client: &impl GenericClient) -> Result<i32, Error> {
    client.query_one("select current_setting('max_connections')::int", &[]).await?.try_get(0)
}

/// Counts; `since` bounds what grows without end.
///
/// # Errors
/// Those of the database.
pub async fn overview(
    client: &impl GenericClient,
    since: Timestamp,
    now: Timestamp,
) -> Result<Overview, Error> {
    let sql = "
        select coalesce(sum(coalesce(records, 1)), 0)::bigint,
               coalesce(sum(case when records is null then (outcome in ('partial', 'rejected'))::int
                                 else coalesce((record_outcomes ->> 'partial')::int, 0)
                                      + coalesce((record_outcomes ->> 'rejected')::int, 0) end), 0)::bigint,
               (select max(received_at) from receipt), (select count(*) from evaluation_request where attempts = 0),
               (select count(*) from alert_transition where recorded_at >= $1), (select max(at) from heartbeat),
               (select count(*) from evaluation_request where attempts > 0)
        from receipt where received_at >= $1";
    let row = client.query_one(sql, &[&since]).await?;
    // What was delivered or given up since then was queued at most a day before.
    let sql = "
        select count(*) filter (where status = 'delivered' and delivered_at >= $1),
               count(*) filter (where status = 'failed' and created_at >= $1),
               count(*) filter (where status = 'pending' and next_attempt_at <= $2),
               count(*) filter (where status = 'pending' and next_attempt_at > $2
                                   or status = 'repeating' and last_error is not null)
        from notification
        where created_at >= $1::timestamptz - interval '24 hours' or status in ('pending', 'repeating')";
    let told = client.query_one(sql, &[&since, &now]).await?;
    Ok(Overview {
        receipts: row.try_get(0)?,
        faulty_receipts: row.try_get(1)?,
        newest_receipt_at: row.try_get(2)?,
        evaluation_requests: row.try_get(3)?,
        transitions: row.try_get(4)?,
        newest_heartbeat_at: row.try_get(5)?,
        streams_put_off: row.try_get(6)?,
        oldest_request_at: oldest_request(client).await?,
        delivered: told.try_get(0)?,
        given_up: told.try_get(1)?,
        due: told.try_get(2)?,
        retrying: told.try_get(3)?,
        dead_letters: dead_letters(client, since).await?,
        partitions: partitions(client).await?,
        gaps: topic_offsets::gaps(client, since, MOST_GAPS).await?,
        fallbacks: fallbacks::since(client, since).await?,
        refused_at: refusals::latest(client).await?,
        canary: canary::standing(client, now).await?,
    })
}

/// How a partition's topic is called: with its source before it where it is one of a source.
const CALLED: &str = "case source when '' then topic else source || '/' || topic end";

/// The partitions of the pipeline's own `topics`, and of those of `sources`, that the worker has not caught up with since, with when
/// it had, at most so many.
///
/// # Errors
/// Those of the database.
pub async fn partitions_behind(
    client: &impl GenericClient,
    (topics, sources): (&[String], &[String]),
    (since, most): (Timestamp, i64),
) -> Result<Vec<PartitionStanding>, Error> {
    let sql = format!(
        "select {CALLED}, \"partition\", next, epoch, caught_up_at from topic_offset
         where (source = '' and topic = any($1) or source = any($2)) and left_at is null
           and coalesce(caught_up_at, made_at) < $3
         order by coalesce(caught_up_at, made_at) limit $4"
    );
    client.query(&sql, &[&topics, &sources, &since, &most]).await?.iter().map(standing).collect()
}

/// Those of `topics`, each `SOURCE/TOPIC`, of which the worker was never given a partition.
///
/// # Errors
/// Those of the database.
pub async fn never_read(client: &impl GenericClient, topics: &[String]) -> Result<Vec<String>, Error> {
    let sql = "
        select called from unnest($1::text[]) called
        where not exists (select from topic_offset where source <> '' and source || '/' || topic = called)";
    client.query(sql, &[&topics]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Since when the oldest evaluation request waits that is not put off.
///
/// # Errors
/// Those of the database.
pub async fn oldest_request(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    let sql = "select min(requested_at) from evaluation_request where attempts = 0";
    client.query_one(sql, &[]).await?.try_get(0)
}

fn standing(row: &Row) -> Result<PartitionStanding, Error> {
    Ok(PartitionStanding {
        topic: row.try_get(0)?,
        partition: row.try_get(1)?,
        next: row.try_get(2)?,
        epoch: row.try_get(3)?,
        caught_up_at: row.try_get(4)?,
        lag: None,
    })
}

async fn partitions(client: &impl GenericClient) -> Result<Vec<PartitionStanding>, Error> {
    let sql = format!(
        "select {CALLED}, \"partition\", next, epoch, caught_up_at from topic_offset
         where left_at is null order by source, topic, \"partition\" limit 1000"
    );
    client.query(&sql, &[]).await?.iter().map(standing).collect()
}

async fn dead_letters(client: &impl GenericClient, since: Timestamp) -> Result<Vec<StageDeadLetters>, Error> {
    let sql = "
        select stage, count(*) filter (where last_at >= $1), count(*) filter (where resolved_at is null),
               count(*) filter (where resolved_at is null and (cause = 'unavailable' or sent_back))
        from dead_letter where last_at >= $1 or resolved_at is null group by stage order by stage";
    let read = |row: &Row| {
        Ok(StageDeadLetters {
            stage: row.try_get(0)?,
            since: row.try_get(1)?,
            open: row.try_get(2)?,
            to_send_back: row.try_get(3)?,
        })
    };
    client.query(sql, &[&since]).await?.iter().map(read).collect()
}
