//! Section by section: what the Kafka Broker and Knative Serving do, the local broker does too.

#![allow(clippy::unwrap_used, reason = "a test fails where it does not hold")]

mod activator;
mod dead_letters;
mod delivery;
mod durability;
mod faults;
mod ingress;
mod order;
mod replies;
mod setup;
mod subscriber;
mod timer;
