//! Knative's broker and activator contract on one machine.
