//! What a stage is given, and what it answers.

use std::future::Future;
use std::time::Duration;

use cloudevents::Event;
use jiff::Timestamp;
use runtime::Deadline;
use runtime::trace::TraceContext;

use crate::settings::DELIVERY_BUDGET;

/// What one service does with one event: decode, load, decide, encode.
pub trait Stage: Send + Sync + 'static {
    /// Handles one delivery. It may come again, also at the same time in another process.
    fn handle(&self, event: Event, delivery: Delivery) -> impl Future<Output = Outcome> + Send;
}

/// What is known of a delivery beside its event.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The trace that the work belongs to (W3C Trace Context), to be kept with what is stored.
    pub trace: Option<TraceContext>,
    /// When the request came in.
    pub received_at: Timestamp,
    deadline: Deadline,
}

impl Delivery {
    /// A delivery without a trace that came in at `received_at`, and has the time that the settings' defaults give it.
    pub fn at(received_at: Timestamp) -> Self {
        Self { trace: None, received_at, deadline: Deadline::within(DELIVERY_BUDGET) }
    }

    /// The same with this time from now on.
    #[must_use]
    pub fn within(self, budget: Duration) -> Self {
        Self { deadline: Deadline::within(budget), ..self }
    }

    /// By when it must be answered: before the stage's own time-out.
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// What a stage answers to a delivery.
///
/// ```text
///             taken ─┬─ Reply        200 + one event    the Broker publishes it, then acknowledges
///                    ├─ Done, Skip   202, empty         the Broker acknowledges
/// event ─ handle ────┤
///                    ├─ Malformed    ┬ kept as a dead letter by the shell: 202
///           no use ──┼─ Rejected     ┤ database away: 503, whatever is wrong with the event
///                    │               └ database refuses it: 400, 422, and the dead letter sink
///        try again ──┼─ Unavailable  503 ┐
///                    └─ Overloaded   429 ┴ tried again, at last dead letter sink
/// ```
///
/// A panic is `Rejected`. What is not done at its deadline is kept as unavailable, to be sent back; a hint is 503. The texts
/// are kept in dead letters: they carry no secret and no payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// 200 with this event in binary mode. The shell adds the cause's `partitionkey` where the event has none.
    Reply(Box<Event>),
    /// 202: everything is safe, and nobody else needs to know.
    Done,
    /// 202: not for this stage.
    Skip,
    /// Not an event that this stage can read.
    Malformed(String),
    /// An event that the stage does not take, now or later.
    Rejected(String),
    /// 503: something that is needed is not there now.
    Unavailable(String),
    /// 429: too much at once.
    Overloaded,
}

impl Outcome {
    /// The HTTP status where the shell keeps nothing.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Reply(_) => 200,
            Self::Done | Self::Skip => 202,
            Self::Malformed(_) => 400,
            Self::Rejected(_) => 422,
            Self::Unavailable(_) => 503,
            Self::Overloaded => 429,
        }
    }

    /// The bounded word that metrics and logs have for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Reply(_) => "reply",
            Self::Done => "done",
            Self::Skip => "skip",
            Self::Malformed(_) => "malformed",
            Self::Rejected(_) => "rejected",
            Self::Unavailable(_) => "unavailable",
            Self::Overloaded => "overloaded",
        }
    }
}
