//! What a request costs, and how much one may carry (CONTRACT 3.1, 5).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::HubSpot;
use crate::port::{Input, LinkChange, Request, Verb};

/// Inputs of one batch, records of one page (CONTRACT 3.1).
pub(super) const BATCH: usize = 100;

/// The lock's entity that stands for owners: they are no objects, so they have no type id.
pub(super) fn is_owner(entity: &str) -> bool {
    entity == "Owner"
}

pub(super) fn max_batch(verb: &Verb) -> usize {
    match verb {
        Verb::List { .. } | Verb::Archived { .. } | Verb::Identify | Verb::Operation { .. } => 1,
        _ => BATCH,
    }
}

/// How many calls the request takes at most: HubSpot counts a batch as one.
pub(super) fn calls(hubspot: &HubSpot, request: &Request) -> u32 {
    match &request.verb {
        Verb::Read { entity, .. } if is_owner(entity) => hubspot.owner_pages.load(Ordering::Relaxed),
        Verb::Read { entity, links, .. } | Verb::List { entity, links, .. } => {
            // Links to one entity share a call.
            let targets = links.iter().filter_map(|link| hubspot.entity(entity)?.links.get(link).map(|link| &link.to));
            1 + count(targets.collect::<BTreeSet<_>>().len())
        }
        Verb::Update { .. } => {
            let values = request.inputs.iter().any(|input| !input.values.is_empty());
            let changes = |touches: fn(&LinkChange) -> bool| {
                let names = |input: &Input| -> Vec<String> {
                    input.links.iter().filter(|(_, change)| touches(change)).map(|(name, _)| name.clone()).collect()
                };
                count(request.inputs.iter().flat_map(names).collect::<BTreeSet<_>>().len())
            };
            u32::from(values) + changes(|change| change.remove.is_some()) + changes(|change| change.add.is_some())
        }
        // Where the version of the paths does not have the question, it is asked once more.
        Verb::Identify => 2,
        Verb::Create { .. } | Verb::Delete { .. } | Verb::Archived { .. } | Verb::Operation { .. } => 1,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
