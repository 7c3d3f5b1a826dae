//! Names of things in the ledger: newtypes, so that ids never mix.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, concat!($letter, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A pairing of two records under one sync.
    LinkId,
    "l"
);
id!(
    /// One run of a `when` or a workflow.
    RunId,
    "r"
);
id!(
    /// One call to a system.
    CallId,
    "c"
);
