//! The real binaries under knative-local.
