//! Why something cannot be decided yet, or ever.

use dsl::eval::Halt;
use dsl::fault::Fault;
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::ledger::Error;

/// What must be known before a decision can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A record, by id or by a unique field, as it is at `not_before` or later.
    Record { entity: EntityName, by: String, value: String, not_before: Timestamp, cacheable: bool },
    /// All records of an entity, no older than `not_before`.
    Listing { entity: EntityName, not_before: Timestamp },
    /// The partner of a record under a sync.
    Partner { sync: String, side: dsl::program::Side, id: String },
}

/// What a waiting link needs, for tests of the invariant that everything unfinished names its waker.
pub(crate) fn needs_partner(need: &Need) -> bool {
    matches!(need, Need::Partner { .. })
}

/// Why an expression has no value: it waits, it cannot be, or the ledger failed.
#[derive(Debug)]
pub(crate) enum Blocked {
    Need(Need),
    Fault(Fault),
    Ledger(Error),
}

impl From<Error> for Blocked {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<Halt<Blocked>> for Blocked {
    fn from(halt: Halt<Blocked>) -> Self {
        match halt {
            Halt::Need(stop) => stop,
            Halt::Fault(fault) => Self::Fault(fault),
        }
    }
}
