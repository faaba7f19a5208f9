//! `freshet up`: the whole pipeline on one machine.
//!
//! [`directory`] is where it keeps its state, [`addresses`] lets other commands find it, [`house`] turns the table of stages into what `knative-local` runs,
//! [`screen`] shows the stages go 0 → 1 → 0, [`log`] what went wrong beside them, [`idle`] says what an idle hour costs.

pub mod addresses;
pub mod directory;
pub mod house;
pub mod idle;
pub mod log;
pub mod screen;
