//! What the ledger promises: the same rounds give the same rows, over reopening, full disks and damage.
//! Kills have a binary of their own (`ledger_kill`): a process that is being started holds open files of all threads
//! for a moment, the locks of ledgers among them.

mod common;
mod contract;
mod damage;
mod hooks;
