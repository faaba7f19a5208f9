use std::error::Error;
use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runtime::{Clock, Deadline, crash};
use serde_json::Value;
use store::jobs::{self, Claim};
use store::{Database, StoreError, Transaction};
use thiserror::Error as ThisError;

/// For one slice; a statement of it that takes longer fails.
const SLICE: Duration = Duration::from_secs(20);
/// How long nobody else works on a slot; longer than any delivery.
const LEASE: SignedDuration = SignedDuration::from_secs(120);

/// Why a slice failed; it is tried again later.
#[derive(Debug, ThisError)]
pub enum SliceError {
    /// The database did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor is none of this release.
    #[error("how far the slot is cannot be read")]
    Cursor(#[from] serde_json::Error),
    /// What it waits for cannot be seen.
    #[error("the role may not see the transactions of others: it needs pg_read_all_stats")]
    Unseen,
    /// What is outside of the database failed.
    #[error(transparent)]
    Outside(Box<dyn Error + Send + Sync>),
    /// It ended as often as it may.
    #[error("its process ended {0} times without a word")]
    Ended(i32),
}

/// Work that is done at times, in slices.
pub trait Job: Send + Sync {
    /// What one slice of the slot at `slot` comes to, from `cursor` on; none at its beginning. All that it does is done in `transaction`.
    ///
    /// # Errors
    /// [`SliceError`]
    fn slice(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        cursor: Option<&Value>,
    ) -> impl Future<Output = Result<Progress, SliceError>> + Send;
}

/// How far a slot is after a slice.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// There is more to do, from here on.
    More(Value),
    /// There is, but not yet: so long the slot waits, whoever works on it then.
    Later(Value, SignedDuration),
    /// It is done, and came to this.
    Done(Value),
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    /// Slices that were committed.
    pub slices: u32,
    /// Slots that are done.
    pub done: u32,
    /// The time was up before all slots were done.
    pub more: bool,
}

/// Works on the slots of a job.
#[derive(Debug)]
pub struct Runner<J> {
    /// The job's name in freshet.yaml.
    pub name: &'static str,
    /// What it does.
    pub job: J,
    /// Where its slots are.
    pub database: Database,
    /// The time.
    pub clock: Clock,
}

/// What became of a slot in one slice.
enum Slice {
    More,
    Done,
    Later,
    /// Another process has it.
    Lost,
}

impl<J: Job> Runner<J> {
    /// Works on what is open until there is no more or the time is up.
    ///
    /// # Errors
    /// [`StoreError`] where the database is not there. What a slice fails for is noted with its slot.
    pub async fn run(&self, deadline: Deadline) -> Result<Ran, StoreError> {
        let mut ran = Ran::default();
        let mut steps = deadline.steps(SLICE);
        while let Some(mut claim) = self.claim().await? {
            loop {
                if steps.next().is_none() {
                    claim.release(&self.database.client().await?).await?;
                    return Ok(Ran { more: true, ..ran });
                }
                match self.slice(&mut claim).await {
                    Ok(Slice::More) => ran.slices += 1,
                    Ok(Slice::Done) => {
                        (ran.slices, ran.done) = (ran.slices + 1, ran.done + 1);
                        break;
                    }
                    Ok(Slice::Later) => {
                        ran.slices += 1;
                        break;
                    }
                    Ok(Slice::Lost) => {
                        tracing::warn!(job = self.name, slot = %claim.slot, "the lease ran out; another process goes on");
                        break;
                    }
                    Err(error) => {
                        self.fail(claim, &error).await?;
                        return Ok(ran);
                    }
                }
            }
        }
        Ok(ran)
    }

    async fn claim(&self) -> Result<Option<Claim>, StoreError> {
        jobs::claim(&self.database.client().await?, self.name, self.lease()).await
    }

    /// Now, and until when a slot that is claimed now is this process's.
    fn lease(&self) -> (Timestamp, Timestamp) {
        let now = self.clock.now();
        (now, now.checked_add(LEASE).unwrap_or(now))
    }

    /// Notes why a slice failed, where the database is there.
    async fn fail(&self, claim: Claim, error: &SliceError) -> Result<(), StoreError> {
        let (job, slot) = (self.name, claim.slot);
        let reason = chain(error);
        let given_up = claim.fail(&self.database.client().await?, (&reason, self.clock.now())).await?;
        if given_up {
            tracing::error!(job, %slot, reason, "a job failed as often as it may, and is given up");
        } else {
            tracing::warn!(job, %slot, reason, "a job failed; it is tried again");
        }
        Ok(())
    }

    async fn slice(&self, claim: &mut Claim) -> Result<Slice, SliceError> {
        if claim.attempts >= jobs::MAX_ATTEMPTS {
            return Err(SliceError::Ended(claim.attempts));
        }
        let mut client = self.database.client().await?;
        let transaction = Transaction::begin(&mut client).await?;
        if !claim.hold(&transaction, SLICE).await? {
            return Ok(Slice::Lost);
        }
        let progress = self.job.slice(&transaction, claim.slot, claim.cursor.as_ref()).await?;
        let (now, until) = self.lease();
        let slice = match progress {
            Progress::More(cursor) => {
                claim.advance(&transaction, (cursor, until)).await?;
                Slice::More
            }
            Progress::Later(cursor, wait) => {
                let not_before = now.checked_add(wait).unwrap_or(now);
                claim.put_off(&transaction, (cursor, not_before)).await?;
                Slice::Later
            }
            Progress::Done(result) => {
                claim.finish(&transaction, (&result, now)).await?;
                tracing::info!(job = self.name, slot = %claim.slot, %result, "a job is done");
                Slice::Done
            }
        };
        crash::point("before-write");
        transaction.commit().await?;
        crash::point("after-commit");
        Ok(slice)
    }
}

/// An error and what it comes from. What the database says of a statement of a job holds no values of payloads.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
