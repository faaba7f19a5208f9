//! When payloads were refused that are to be persisted before they are answered. Their senders have them still, and may send them
//! again: until then nobody knows that a device is silent.

use std::sync::{Mutex, PoisonError};

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::{StoreError, Transaction};

/// $1 when.
pub(crate) const RECORD: &str = "insert into refusal (at) values ($1) on conflict do nothing";
/// How long they are of use to anybody.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The latest refusal that is not recorded yet.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Option<Timestamp>>);

impl Refusals {
    pub(crate) fn note(&self, at: Timestamp) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = (*latest).max(Some(at));
    }

    pub(crate) fn take(&self) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(crate) async fn record(client: &impl GenericClient, at: Timestamp) -> Result<(), Error> {
    client.execute(RECORD, &[&at]).await.map(drop)
}

/// When a payload was last refused, where that is known.
///
/// # Errors
/// Those of the database.
pub async fn latest(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    client.query_one("select max(at) from refusal", &[]).await?.try_get(0)
}

/// When a payload was last refused, if within a day before `now`. What is older goes, and what is noted of fallbacks with it.
///
/// # Errors
/// Those of the database.
pub async fn newest(transaction: &Transaction<'_>, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let since = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    let sql = "with gone as (delete from fallback where at < $1) delete from refusal where at < $1";
    transaction.0.execute(sql, &[&since]).await?;
    Ok(latest(&transaction.0).await?)
}
