//! Decodes payloads and stores readings.
