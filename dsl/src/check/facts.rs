//! What every pass looks things up in, and what it leaves. Nothing is decided here.

pub(crate) mod checker;
pub(crate) mod declared;
pub(crate) mod findings;
pub(crate) mod locks;
pub(crate) mod phrases;
pub(crate) mod typed;
pub(crate) mod types;
pub(crate) mod vocabulary;
