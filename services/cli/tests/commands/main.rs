//! The `freshet` command as a person runs it: what it prints, where, and how it ends.

mod channel;
mod check;
mod migrate;
mod process;
mod source;
