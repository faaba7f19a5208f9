//! Delivers queued notifications.
