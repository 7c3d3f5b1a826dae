//! Runs of `when` and `workflow`: positions in flat code (RUNTIME.md sections 4 and 5).
//!
//! Always true: an unfinished run names its waker in its state; the answer to one effect and the intent of the
//! next are one round; an effect's values are fixed when it is decided and reused by every retry; retries end
//! in `on failure` or an incident, never in silence.

pub(crate) mod action;
pub(crate) mod effect;
pub(crate) mod ending;
pub(crate) mod react;
pub(crate) mod start;
pub(crate) mod step;
pub(crate) mod wake;
pub(crate) mod work;
