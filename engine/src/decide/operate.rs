//! What people ask for, what is looked through now and then, and what is taken as known.

pub(crate) mod commands;
pub(crate) mod seed;
pub(crate) mod skip;
pub(crate) mod sweep;
