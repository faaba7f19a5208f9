//! Keeps what could not be handled, and sends it back.
