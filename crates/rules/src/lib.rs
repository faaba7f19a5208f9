#![doc = include_str!("../README.md")]

pub mod adopt;
mod condition;
pub mod evaluate;
mod hash;
pub mod heartbeat;
pub mod keys;
pub mod labels;
pub mod reconcile;
pub mod rule;
pub mod selector;
pub mod series;
pub mod state;
pub mod template;
mod unmoved;

pub use adopt::{Adoption, adopt, first_checkpoint};
pub use evaluate::{Evaluation, Horizon, Transition, evaluate};
pub use event_model::glob::{Glob, compared};
pub use heartbeat::{HeartbeatRun, Heartbeats};
pub use reconcile::{Change, Recorded, reconcile};
pub use rule::{Condition, Direction, Rule, Selector};
pub use series::{Point, Series, StreamNames};
pub use state::{Checkpoint, State, Status};
pub use template::{Template, TemplateError};
pub use unmoved::leaves_unmoved;
