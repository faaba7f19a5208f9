//! Which dead letters a command is about.

use jiff::Timestamp;
use runtime::Failure;
use store::dead_letters::{Cause, Filter, State};
use uuid::Uuid;

use super::DeadLetterStore;
use crate::words;

/// Only some of them.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Only of this cause: rejected, unavailable or malformed
    #[arg(long, value_parser = super::cause)]
    cause: Option<Cause>,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only of this device, as far as a payload is of one device, or its problem is at it
    #[arg(long)]
    device: Option<String>,
    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that failed last at or after this time, such as 24h or 2026-11-28
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Timestamp>,
    /// Only those that failed last before this, written like --from
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    until: Option<Timestamp>,
}

impl FilterArgs {
    /// The filter; with those that are resolved, or without.
    pub(super) fn filter(&self, resolved_too: bool) -> Filter {
        let Self { cause, source, device, reason, from, until } = self;
        Filter {
            resolved_too,
            cause: *cause,
            source: source.clone(),
            device: device.clone(),
            reason: reason.clone(),
            from: *from,
            until: *until,
        }
    }
}

/// The dead letters that something is done with.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// The ids, as `freshet dead-letters list` prints them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<Uuid>,
    /// All that are open, or those of them that the options name
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// How many `--all` is at most; what is left is for the next run.
const BATCH: u16 = 1000;

impl Chosen {
    /// Their ids, in the order in which they came.
    pub(super) async fn ids(&self, store: &DeadLetterStore) -> Result<Vec<Uuid>, Failure> {
        let filter = self.filter.filter(false);
        if !self.all {
            if filter != Filter::default() {
                return Err(Failure::new("ids say which dead letters, and the options do too")
                    .hint("with --all the options choose"));
            }
            return Ok(self.ids.clone());
        }
        let lines = store.list(&filter, BATCH).await?;
        Ok(lines.iter().rev().filter(|line| line.state == State::Open).map(|line| line.id).collect())
    }
}
