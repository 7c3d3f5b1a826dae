//! The transaction of one decision, and typed access to the rows in it.
//!
//! Always true: what stands here knows rows and their keys, not what a link or a run does next.

pub(crate) mod agenda;
pub(crate) mod incidents;
pub(crate) mod links;
pub(crate) mod listings;
pub(crate) mod reads;
pub(crate) mod records;
pub(crate) mod retry;
pub(crate) mod runs;
pub(crate) mod scope;
pub(crate) mod transaction;
pub(crate) mod work;
