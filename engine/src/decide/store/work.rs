//! Who owns work in a lane, and what an owner is asked.
//!
//! Always true: what is sent is composed when the lane opens and not before; whether an item may go is known before
//! anything of it is composed.

use connectors::port::Input;
use dsl::value::Timestamp;

use crate::decide::model::lane::Lane;
use crate::decide::model::task::Answered;
use crate::decide::model::work::Group;
use crate::decide::model::written::Written;
use crate::decide::store::transaction::Context;
use crate::ids::CallId;
use crate::ledger::Error;

/// What is known of an item before it is composed.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    /// The record that it is about: an id may stand only once in a request.
    pub(crate) record: Option<String>,
    /// With whom it may share a request.
    pub(crate) group: Group,
    /// It did not succeed before, so it is no company for others before its own time.
    pub(crate) failed_before: bool,
}

/// What an owner wants to send now.
#[derive(Debug, Default)]
pub(crate) struct Composed {
    pub(crate) input: Input,
    /// What a link's write holds.
    pub(crate) written: Vec<Written>,
    /// A cache may answer it.
    pub(crate) cacheable: bool,
    /// A listing asks for what changed since then.
    pub(crate) since: Option<Timestamp>,
}

/// The owner of an item of work.
pub(crate) trait WorkOwner {
    /// What is known of the item; nothing is changed.
    fn outlook(&self, cx: &Context<'_>, lane: &Lane) -> Result<Outlook, Error>;

    /// Makes the input that leaves with `call` now; nothing where the owner wants nothing any more. The item is out of
    /// its lane then, whatever comes of it.
    fn compose(&self, cx: &mut Context<'_>, lane: &Lane, call: CallId) -> Result<Option<Composed>, Error>;

    /// Accounts for the answer.
    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error>;
}
