//! The daemon over loopback, as a library and as a process; with Kafka on a real broker (`KAFKA_BROKERS`;
//! `tests/run.sh` starts one).

mod accounts;
mod backup;
mod cache;
mod inside;
mod kafka;
mod parked;
mod process;
mod stage;
