//! The dependency rules of the house, checked.
