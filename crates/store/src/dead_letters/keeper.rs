use futures_util::future::BoxFuture;
use runtime::{FailedEvent, KeepFailed, NotKept};

use super::{DeadEvent, DeadLetter, SentBack, keep, resolve};
use crate::{Database, StoreError};

/// Keeps what a stage could not handle among the dead letters.
#[derive(Debug, Clone)]
pub struct DeadLetterKeeper {
    database: Database,
    stage: &'static str,
}

impl DeadLetterKeeper {
    /// For the stage of this name.
    pub const fn new(database: Database, stage: &'static str) -> Self {
        Self { database, stage }
    }

    async fn keep(&self, failed: FailedEvent) -> Result<(), StoreError> {
        let FailedEvent { event, cause, reason, at } = failed;
        let stage = self.stage.to_owned();
        let dead_letter =
            DeadLetter { event: DeadEvent::of(&event), stage, cause, reason, problems: Vec::new(), at };
        let client = self.database.client().await?;
        let id = keep(&client, &dead_letter).await?;
        // What another stage had kept is this dead letter from now on.
        if let Some(sent_back) = SentBack::of(&event).filter(|sent_back| sent_back.id != id) {
            resolve(&client, &sent_back, at).await?;
        }
        Ok(())
    }
}

impl KeepFailed for DeadLetterKeeper {
    fn keep(&self, failed: FailedEvent) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async {
            let kept = self.keep(failed).await;
            kept.map_err(|error| {
                let why = if error.is_data_error() { NotKept::Refused } else { NotKept::Unavailable };
                why(error.to_string())
            })
        })
    }
}
