use std::error::Error as _;

use deadpool_postgres::PoolError;
use event_model::alert::UnknownWord;
use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Why the database did not do what it was asked. The texts carry neither values nor secrets; sources may.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No connection in time.
    #[error("the database gives no connection")]
    Connect(#[from] PoolError),
    /// The database refused a statement, or the connection broke within it.
    #[error("the database failed")]
    Database(#[from] tokio_postgres::Error),
    /// The schema is older than this binary needs: `freshet migrate` has not run yet.
    #[error("the schema is at version {found}, this binary needs {needed}: migrations have not run yet")]
    SchemaTooOld {
        /// The version of the schema; 0 where there is none.
        found: i32,
        /// The version that this binary needs.
        needed: i32,
    },
    /// It took too long; whether it was done is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// More moments than are held in memory at once.
    #[error("the stream has more than {most} moments that are to be looked at together")]
    TooManyMoments {
        /// How many may be held.
        most: usize,
    },
    /// The name is a device's own.
    #[error("there is a device of this name")]
    NameTaken,
}

impl StoreError {
    /// Whether the fault lies in the data, so that trying again is no use.
    pub fn is_data_error(&self) -> bool {
        match self {
            Self::Database(error) => is_data_error(error),
            Self::NameTaken => true,
            Self::Connect(_) | Self::SchemaTooOld { .. } | Self::Timeout | Self::TooManyMoments { .. } => {
                false
            }
        }
    }

    /// Whether it may come to pass when it is tried once more at once (SQLSTATE class 40).
    pub fn is_rolled_back(&self) -> bool {
        let class = |code: &SqlState| code.code().starts_with("40");
        matches!(self, Self::Database(error) if error.code().is_some_and(class))
    }

    /// Whether this transaction was rolled back so that another one could go on: each had what the other waited for (SQLSTATE 40P01).
    pub fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED))
    }

    /// Whether names of devices lead elsewhere than they did when the streams of a payload were found (SQLSTATE FR001).
    pub fn is_of_registry(&self) -> bool {
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| code.code() == "FR001"))
    }

    /// Whether another transaction held for too long what this one needs (SQLSTATE 55P03).
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether it is too large to be done at once: a statement took longer than it was given (SQLSTATE 57014), or there are too many
    /// moments.
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::Database(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
            other => matches!(other, Self::TooManyMoments { .. }),
        }
    }
}

/// SQLSTATE classes 21 (cardinality), 22 (data), 23 (constraint) and 54 (a limit, such as that of an index entry); a word in
/// a row that only a later release knows.
pub(crate) fn is_data_error(error: &tokio_postgres::Error) -> bool {
    let class = |code: &SqlState| matches!(code.code().get(..2), Some("21" | "22" | "23" | "54"));
    error.code().is_some_and(class) || error.source().is_some_and(<dyn std::error::Error>::is::<UnknownWord>)
}
