use jiff::Timestamp;
use retention::{Retention, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{StoreError, Transaction};

use crate::run::{Job, Progress, SliceError};

/// Takes away what need not be kept any more.
#[derive(Debug, Clone, Copy)]
pub struct Cleanup {
    /// How long things are kept.
    pub retention: Retention,
}

/// The plan, and how far it is carried out.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    steps: Vec<Planned>,
    /// The step that is next.
    next: usize,
    /// The key behind which it goes on.
    after: Option<Value>,
}

/// A step, and the rows that it has taken away so far.
#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    #[serde(flatten)]
    step: Step,
    rows: u64,
}

impl Cleanup {
    /// What a run for the slot at `at` would take away.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn plan(&self, transaction: &Transaction<'_>, at: Timestamp) -> Result<Vec<Step>, StoreError> {
        let facts = store::retention::facts(transaction).await?;
        Ok(retention::plan(self.retention, &facts, at))
    }
}

impl Job for Cleanup {
    async fn slice(
        &self,
        transaction: &Transaction<'_>,
        slot: Timestamp,
        cursor: Option<&Value>,
    ) -> Result<Progress, SliceError> {
        let mut carried = match cursor {
            Some(cursor) => Carried::deserialize(cursor)?,
            None => {
                let steps = self.plan(transaction, slot).await?;
                let steps = steps.into_iter().map(|step| Planned { step, rows: 0 }).collect();
                return Ok(Progress::More(serde_json::to_value(Carried { steps, next: 0, after: None })?));
            }
        };
        let Some(planned) = carried.steps.get_mut(carried.next) else {
            return Ok(Progress::Done(serde_json::to_value(carried.steps)?));
        };
        let taken = store::retention::take_away(transaction, planned.step, carried.after.as_ref()).await?;
        planned.rows += taken.rows;
        carried.next += usize::from(taken.after.is_none());
        carried.after = taken.after;
        Ok(Progress::More(serde_json::to_value(carried)?))
    }
}
