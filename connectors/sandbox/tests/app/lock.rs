//! The shipped lock of the app.

use dsl::schema::{Lock, read_lock};

/// `rules/schemas/app.lock`.
pub(crate) fn shipped() -> Lock {
    read(include_str!("../../../../rules/schemas/app.lock"))
}

/// Reads a lock; its line numbers say where in a file it stands and are no part of what it says.
pub(crate) fn read(text: &str) -> Lock {
    let mut lock = read_lock(text).unwrap();
    lock.lines.clear();
    lock
}
