//! Kafka: records in, from where the ledger says; records out, for the twins and for tests.
//!
//! In: the offsets that the ledger holds. Out: [`source::Event`]s over a bounded channel; deliveries of [`sink`].
//! Always true: a client option that would break a promise of this module is refused, not overridden in
//! silence; a reason for a broken connection is the broker's or librdkafka's own, never just "transport failure".
//! Not here: what a record means, where its offset is stored (the ledger's frame, RUNTIME.md law 11).

pub mod sink;
pub mod source;

mod client;

pub use client::Error;
