//! One item at a time: what it says, checked by what all items declare.

pub(crate) mod action;
pub(crate) mod events;
pub(crate) mod links;
pub(crate) mod needs;
pub(crate) mod operations;
pub(crate) mod record;
pub(crate) mod roundtrip;
pub(crate) mod schedule;
pub(crate) mod stages;
pub(crate) mod sync;
pub(crate) mod test;
pub(crate) mod undo;
pub(crate) mod when;
pub(crate) mod workflow;
