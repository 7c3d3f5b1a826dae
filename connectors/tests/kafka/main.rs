//! What the Kafka source and sink promise, on a real broker (`KAFKA_BROKERS`; `tests/run.sh` starts one).
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test may")]

mod broker;
mod own;
mod reading;
mod states;
mod writing;
