//! Evaluates rules and records transitions.
