//! What a request costs, and what HubSpot says when it is asked too fast or cannot be asked now (CONTRACT 3.4, 5).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Response;
use serde_json::Value as Json;

use super::{HubSpot, owners};
use crate::http::{retry_after, trouble as plain_trouble};
use crate::port::{Answer, Input, LinkChange, Request, Verb};

/// Inputs of one batch, records of one page (CONTRACT 3.1).
pub(super) const BATCH: usize = 100;

pub(super) fn max_batch(verb: &Verb) -> usize {
    match verb {
        Verb::List { .. } | Verb::Operation { .. } => 1,
        _ => BATCH,
    }
}

/// How many calls the request takes at most: HubSpot counts a batch as one.
pub(super) fn calls(hubspot: &HubSpot, request: &Request) -> u32 {
    match &request.verb {
        Verb::Read { entity, .. } if owners::is_owner(entity) => hubspot.owner_pages.load(Ordering::Relaxed),
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
        Verb::Create { .. } | Verb::Delete { .. } | Verb::Operation { .. } => 1,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What a response means whatever its words; `None` where the words of a 4xx decide. `write`: it may have changed
/// something.
pub(super) fn trouble<B>(response: &Response<B>, json: &Json, write: bool) -> Option<Answer> {
    let said = json["message"].as_str().unwrap_or_default();
    match response.status().as_u16() {
        429 => {
            // Two bodies: the general one names its policy, search only a category (CONTRACT 5).
            let policy = ["policyName", "category", "errorType"].iter().find_map(|name| json[*name].as_str());
            let search = policy == Some("RATE_LIMITS");
            let after = retry_after(response).or_else(|| search.then_some(Duration::from_secs(1)));
            Some(Answer::RateLimited { after, policy: policy.map(str::to_owned) })
        }
        // Locked for two seconds under heavy sync.
        423 => {
            let after = retry_after(response).unwrap_or_default().max(Duration::from_secs(2));
            Some(Answer::Retry { after: Some(after), cause: cause(response, said) })
        }
        // The account moves to another data centre.
        477 => Some(Answer::Retry { after: retry_after(response), cause: cause(response, said) }),
        _ => plain_trouble(response, write, said),
    }
}

fn cause<B>(response: &Response<B>, said: &str) -> String {
    let status = response.status();
    if said.is_empty() { format!("HTTP {}", status.as_u16()) } else { format!("HTTP {}: {said}", status.as_u16()) }
}
