//! What every pass looks things up in, and what it leaves. Here nothing is decided.

pub(crate) mod findings;
pub(crate) mod locks;
pub(crate) mod phrases;
pub(crate) mod typed;
pub(crate) mod vocabulary;
pub(crate) mod world;
