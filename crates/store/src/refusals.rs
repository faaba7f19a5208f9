//! When payloads were refused that are to be persisted before they are answered. Their senders have them still, and may send them
//! again: until then nobody knows that a device is silent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Error;

use crate::{StoreError, Transaction};

/// $1 when.
pub(crate) const RECORD: &str = "insert into refusal (at) values ($1) on conflict do nothing";
/// How long they are of use to anybody.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Recorded no more often than this: a process that has more than it takes refuses payloads at any time.
const EVERY: SignedDuration = SignedDuration::from_secs(1);

/// What is not recorded yet.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The latest refusal that is not recorded.
    latest: Option<Timestamp>,
    /// The one that was recorded last.
    recorded: Option<Timestamp>,
}

impl Refusals {
    pub(crate) fn note(&self, at: Timestamp) {
        let mut noted = self.noted();
        noted.latest = noted.latest.max(Some(at));
    }

    /// What is to be recorded by now.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let mut noted = self.noted();
        let latest = noted.latest?;
        let is_due = noted.recorded.is_none_or(|recorded| latest.duration_since(recorded).abs() >= EVERY);
        is_due.then(|| {
            *noted = Noted { latest: None, recorded: Some(latest) };
            latest
        })
    }

    /// What is not recorded.
    pub(crate) fn take(&self) -> Option<Timestamp> {
        self.noted().latest.take()
    }

    /// That one was not recorded after all.
    pub(crate) fn give_back(&self, at: Timestamp) {
        self.noted().recorded = None;
        self.note(at);
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Refusals;

    #[test]
    fn the_first_is_due_at_once_and_the_others_a_second_apart() {
        let refusals = Refusals::default();
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(refusals.due(), None);
        refusals.note(at(5));
        assert_eq!(refusals.due(), Some(at(5)));
        refusals.note(at(900));
        refusals.note(at(800));
        assert_eq!(refusals.due(), None);
        refusals.note(at(1005));
        assert_eq!(refusals.due(), Some(at(1005)));
        refusals.give_back(at(1005));
        assert_eq!(refusals.due(), Some(at(1005)));
        refusals.note(at(1100));
        assert_eq!((refusals.due(), refusals.take(), refusals.take()), (None, Some(at(1100)), None));
    }
}
