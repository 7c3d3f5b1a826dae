//! Why something cannot be decided yet, or ever.

use dsl::eval::Interrupt;
use dsl::fault::Fault;
use dsl::program::Side;
use dsl::schema::EntityName;

use crate::decide::model::work::PointRead;
use crate::ledger::Error;

/// What must be known before a decision can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A record, by id or by a unique field; a cache may answer where texts and lookups only ask.
    Record { read: PointRead, cacheable: bool },
    /// All records of an entity.
    Listing(EntityName),
    /// The partner of a record under a sync.
    Partner { sync: String, side: Side, id: String },
}

impl Need {
    /// A record by its id, as it is now.
    pub(crate) fn record(entity: &EntityName, id: &str) -> Self {
        Self::Record { read: PointRead::by_id(entity, id), cacheable: false }
    }
}

/// Does it wait for a partner, which comes only when another link is whole?
pub(crate) fn needs_partner(need: &Need) -> bool {
    matches!(need, Need::Partner { .. })
}

/// Why it is not known yet: something must be read or paired first, or the ledger failed.
#[derive(Debug)]
pub(crate) enum Unmet {
    Need(Need),
    Ledger(Error),
}

impl From<Error> for Unmet {
    fn from(error: Error) -> Self {
        Self::Ledger(error)
    }
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

impl From<Fault> for Blocked {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unmet> for Blocked {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Need(need) => Self::Need(need),
            Unmet::Ledger(error) => Self::Ledger(error),
        }
    }
}

impl From<Interrupt<Blocked>> for Blocked {
    fn from(interrupt: Interrupt<Blocked>) -> Self {
        match interrupt {
            Interrupt::Need(blocked) => blocked,
            Interrupt::Fault(fault) => Self::Fault(fault),
        }
    }
}
