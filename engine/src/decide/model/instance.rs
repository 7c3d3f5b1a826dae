//! What decisions are about, one at a time, and which of it broke.

use std::cell::RefCell;
use std::collections::BTreeMap;

use dsl::schema::EntityName;

use crate::decide::model::work::{Owner, PointRead};
use crate::ids::{LinkId, RunId};

/// Something that decisions are about, one at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance {
    /// A pair of records.
    Link(LinkId),
    /// A run of a `when` or a workflow.
    Run(RunId),
    /// A read of a record.
    Read(PointRead),
    /// What follows from what is known of a record: reactions, pairs and starts.
    Record(EntityName, String),
    /// A message: the number of its stored delivery, or 0 for the one at hand, and its place in it.
    Message(u64, usize),
    /// A timer that is about no pair and no run, by its key.
    Timer(Vec<u8>),
    /// A listing, by its name.
    Listing(String),
}

impl Instance {
    pub(crate) fn of(owner: &Owner) -> Self {
        match owner {
            Owner::Link(id, _) => Self::Link(*id),
            Owner::Run(id) => Self::Run(*id),
            Owner::Read(read) => Self::Read(read.clone()),
            Owner::Listing(name) => Self::Listing(name.clone()),
            // Like a timer: where it breaks off nothing waits for it.
            Owner::Identify(system) => Self::Timer(system.clone().into_bytes()),
        }
    }
}

/// Which instance is being decided, and which ones broke.
#[derive(Debug, Default)]
pub struct Isolation {
    at: RefCell<Option<Instance>>,
    /// One timer at a time.
    one_timer: bool,
    broken: BTreeMap<Instance, String>,
}

impl Isolation {
    /// The instance that is being decided; after a panic, the one it was about.
    #[must_use]
    pub fn at(&self) -> Option<Instance> {
        self.at.borrow().clone()
    }

    /// One that lets only one timer be carried out at a time, to find the one at fault.
    #[must_use]
    pub fn one_timer() -> Self {
        Self { one_timer: true, ..Self::default() }
    }

    pub(crate) fn one_timer_only(&self) -> bool {
        self.one_timer
    }

    /// The next try stops this instance. False where it has been stopped already: leaving it out did not help.
    pub fn broke(&mut self, instance: Instance, why: String) -> bool {
        self.broken.insert(instance, why).is_none()
    }

    /// Begins to decide about an instance; gives why it broke before, where it did.
    pub(crate) fn begin(&self, instance: &Instance) -> Option<String> {
        let why = self.broken.get(instance).cloned();
        if why.is_none() {
            *self.at.borrow_mut() = Some(instance.clone());
        }
        why
    }

    /// What follows is about no instance.
    pub(crate) fn leave(&self) {
        *self.at.borrow_mut() = None;
    }
}
