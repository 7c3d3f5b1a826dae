//! What goes out when a lane opens, and the answers that come back.

pub(crate) mod answers;
mod denied;
pub(crate) mod identify;
pub(crate) mod listing;
pub(crate) mod open;
pub(crate) mod owners;
pub(crate) mod read;
