//! What systems tell us: deliveries, repetitions, paces, offsets, and what nobody can read.

pub(crate) mod dedupe;
pub(crate) mod inbox;
pub(crate) mod offsets;
pub(crate) mod parked;
pub(crate) mod route;
pub(crate) mod tombstones;
