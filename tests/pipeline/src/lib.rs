//! The real binaries under `knative-local`, and what must hold whatever happens to them.
//!
//! A payload counts as **accepted** once `ingest` has answered with a 2xx. Then, and after every fault is over and
//! nothing is under way any more:
//!
//! 1. every item of an accepted payload that makes sense is in the database exactly once, with its value;
//! 2. every item that makes no sense is named, with its reason, in exactly one dead letter of its payload;
//! 3. there is no reading that nobody sent;
//! 4. no dead letter is left that was only unavailable;
//! 5. there is exactly one notification for each (transition, receiver), and all its attempts carried one id.
//!
//! [`traffic`] writes the payloads, [`checker`] reads the database with SQL of its own; neither uses the pipeline's code.

pub mod checker;
pub mod farm;
pub mod left_behind;
pub mod messages;
pub mod oracle;
pub mod outage;
pub mod stand;
pub mod traffic;
pub mod up;
