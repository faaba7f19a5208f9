#![doc = include_str!("../README.md")]

mod eventually;
mod kafka;
mod postgres;
mod process;
pub mod random;
pub mod real_tables;
mod receiver;

pub use eventually::{Holds, eventually};
pub use kafka::{OwnKafka, SecuredKafka, TestKafka, kafka, own_kafka, secured_kafka};
pub use postgres::{OwnPostgres, TestDatabase, own_postgres, postgres, report_skipped};
pub use process::{MAIL_SERVER, Process, free_port, python_with};
pub use random::Random;
pub use receiver::{Received, TestReceiver};
