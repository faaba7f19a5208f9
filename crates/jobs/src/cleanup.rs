use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use retention::{Retention, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::floors::{self, Settled};
use store::retention::Taken;
use store::{StoreError, Transaction, rollups};

use crate::parts::MOMENTS;
use crate::rollup::{Cursor, Rollup};
use crate::run::{Job, Progress, SliceError};

/// After so long it is looked again whether the floors are settled.
const UNSETTLED: SignedDuration = SignedDuration::from_secs(60);

/// Rolls up readings and takes away what need not be kept any more.
#[derive(Debug, Clone)]
pub struct Cleanup {
    /// How long things are kept.
    pub retention: Retention,
    pipeline: Arc<Pipeline>,
    /// Moments that are rolled up in one transaction, at most.
    pub page: usize,
    /// For how long writers rely on the floors that they have read.
    pub floor_age: SignedDuration,
}

/// The plan, and how far it is carried out.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    steps: Vec<Planned>,
    /// The step that is next.
    next: usize,
    /// The key behind which it goes on.
    after: Option<Value>,
    /// From when on the floors may be settled.
    settled_from: Option<Timestamp>,
}

/// A step, and the rows that it has taken away so far.
#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    #[serde(flatten)]
    step: Step,
    rows: u64,
}

impl Cleanup {
    /// One that goes by what a pipeline says.
    pub fn new(pipeline: Pipeline) -> Self {
        let retention = pipeline.retention.clone();
        Self { retention, pipeline: Arc::new(pipeline), page: MOMENTS, floor_age: floors::MAX_AGE }
    }

    /// What a run for the slot at `at` would do.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn plan(&self, transaction: &Transaction<'_>, at: Timestamp) -> Result<Vec<Step>, StoreError> {
        let facts = store::retention::facts(transaction).await?;
        Ok(retention::plan(&self.retention, &facts, at))
    }

    /// Whether nobody writes below the floors any more, which a transaction before this one has moved.
    async fn floors_are_settled(
        &self,
        transaction: &Transaction<'_>,
        from: &mut Option<Timestamp>,
    ) -> Result<bool, SliceError> {
        let from = match from {
            Some(from) => *from,
            None => *from.insert(floors::settle_from(transaction, self.floor_age).await?),
        };
        Self::is_settled(transaction, from).await
    }

    /// Whether this time is past and every transaction has ended that may store readings and began before.
    async fn is_settled(transaction: &Transaction<'_>, from: Timestamp) -> Result<bool, SliceError> {
        match floors::settled(transaction, from).await? {
            Settled::Yes => Ok(true),
            Settled::NotYet => Ok(false),
            Settled::WaitsFor(oldest) => {
                if oldest.checked_add(floors::LONG_TRANSACTION).is_ok_and(|long| long < from) {
                    tracing::warn!(since = %oldest, "nothing goes before a transaction ends that is under way for long");
                }
                Ok(false)
            }
            Settled::Unseen => Err(SliceError::Unseen),
        }
    }
}

impl Cleanup {
    /// The next slice of rollups of what ended by `to`, which goes on at `after`, or begins at `first`.
    async fn roll(
        &self,
        transaction: &Transaction<'_>,
        to: Timestamp,
        (after, first): (Option<&Value>, Cursor),
    ) -> Result<Taken, SliceError> {
        let cursor = after.map(Cursor::deserialize).transpose()?.unwrap_or(first);
        let rollup = Rollup { pipeline: &self.pipeline, page: self.page };
        let slice = rollup.roll(transaction, to, cursor).await?;
        Ok(Taken { rows: slice.parts, after: slice.next.map(serde_json::to_value).transpose()? })
    }
}

impl Job for Cleanup {
    async fn slice(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let carried = cursor.map(Carried::deserialize).transpose()?;
        let rolls_up =
            |carried: &Carried| carried.steps.iter().any(|planned| matches!(planned.step, Step::Roll { .. }));
        // A plan of the release before, which rolled nothing up, is made anew.
        let Some(mut carried) = carried.filter(rolls_up) else {
            let steps = self.plan(transaction, slot).await?;
            let steps = steps.into_iter().map(|step| Planned { step, rows: 0 }).collect();
            let carried = Carried { steps, next: 0, after: None, settled_from: None };
            return Ok(Progress::More(serde_json::to_value(carried)?));
        };
        let Carried { steps, next, after, settled_from } = &mut carried;
        let Some(planned) = steps.get_mut(*next) else {
            return Ok(Progress::Done(serde_json::to_value(carried.steps)?));
        };
        match &planned.step {
            Step::Floor { source, to } => floors::move_to(transaction, source, *to).await?,
            Step::Settle if !self.floors_are_settled(transaction, settled_from).await? => {
                return Ok(Progress::Later(serde_json::to_value(carried)?, UNSETTLED));
            }
            Step::Roll { to } if after.is_none() => {
                let from = to.saturating_add(retention::LATENESS).unwrap_or(*to);
                if !Self::is_settled(transaction, from).await? {
                    return Ok(Progress::Later(serde_json::to_value(carried)?, UNSETTLED));
                }
            }
            _ => {}
        }
        let taken = match &planned.step {
            Step::Roll { to } => self.roll(transaction, *to, (after.as_ref(), Cursor::FIRST)).await?,
            Step::Freeze => {
                let taken = self.roll(transaction, slot, (after.as_ref(), Cursor::FIRST_DUE)).await?;
                if taken.after.is_none() && !rollups::freeze(transaction).await? {
                    // Something was written meanwhile.
                    *after = None;
                    return Ok(Progress::Later(serde_json::to_value(carried)?, UNSETTLED));
                }
                taken
            }
            step => store::retention::take_away(transaction, step, after.as_ref()).await?,
        };
        planned.rows += taken.rows;
        if let (Step::ReadingsOf { source, before, .. }, None) = (&planned.step, &taken.after) {
            floors::clear(transaction, source, *before).await?;
        }
        *next += usize::from(taken.after.is_none());
        *after = taken.after;
        Ok(Progress::More(serde_json::to_value(carried)?))
    }
}
