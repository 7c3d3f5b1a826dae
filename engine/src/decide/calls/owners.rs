//! The owners of work: a link, a run, a point read, a listing, the question who asks.

use crate::decide::calls::identify::Identify;
use crate::decide::calls::listing::Page;
use crate::decide::links::work::LinkWrite;
use crate::decide::model::work::Owner;
use crate::decide::runs::work::RunEffect;
use crate::decide::store::work::WorkOwner;

/// Who answers for an item of work.
pub(crate) fn of(owner: &Owner) -> Box<dyn WorkOwner> {
    match owner {
        Owner::Link(link, side) => Box::new(LinkWrite { link: *link, side: *side }),
        Owner::Run(run) => Box::new(RunEffect { run: *run }),
        Owner::Read(read) => Box::new(read.clone()),
        Owner::Identify(system) => Box::new(Identify { system: system.clone() }),
        Owner::Listing(name) => Box::new(Page { listing: name.clone() }),
    }
}
