//! The vocabulary of decisions: what comes in and goes out, the rows and their keys. No logic.

pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod hash;
pub(crate) mod incident;
pub(crate) mod input;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod meta;
pub(crate) mod need;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod row;
pub(crate) mod run;
pub(crate) mod settings;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod work;
pub(crate) mod written;
