//! What only all items together can have wrong.

pub(crate) mod conditions;
pub(crate) mod disjoint;
pub(crate) mod limits;
pub(crate) mod lints;
pub(crate) mod loops;
pub(crate) mod writers;
