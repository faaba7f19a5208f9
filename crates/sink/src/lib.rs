//! Where events go: HTTP to K_SINK.
