//! Syncs: which records are the same thing, and the three-way merge that moves values between them.

pub(crate) mod advance;
pub(crate) mod answer;
pub(crate) mod archive;
pub(crate) mod catch_up;
pub(crate) mod existence;
pub(crate) mod matching;
pub(crate) mod merge;
pub(crate) mod oscillation;
pub(crate) mod overwritten;
pub(crate) mod own_key;
pub(crate) mod plan;
pub(crate) mod schedule;
pub(crate) mod sides;
pub(crate) mod work;
pub(crate) mod write;
