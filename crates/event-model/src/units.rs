//! Units. Filled in next.
