//! A call that brought no results, and what its status means whatever its words (CONTRACT 3.4, 5).
//!
//! In: a response that is no success. Out: an answer that is the same for every input, or HubSpot's words, which
//! `answer` reads.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::Value as Json;

use crate::http::{retry_after, text, trouble as plain_trouble};
use crate::port::{Answer, LimitWindow};

/// A call that brought no results.
#[derive(Debug)]
pub(super) enum Failure {
    /// It means the same for every input.
    Same(Answer),
    /// HubSpot refuses the request as a whole, in these words.
    Words {
        /// The 4xx.
        status: StatusCode,
        /// The body; null where it is no JSON.
        json: Json,
    },
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
            Some(Answer::RateLimited { after, window: window(policy), policy: policy.map(str::to_owned) })
        }
        // Locked for two seconds under heavy sync.
        423 => {
            let after = retry_after(response).unwrap_or_default().max(Duration::from_secs(2));
            Some(Answer::Retry { after: Some(after), cause: cause(response, said) })
        }
        // The account moves to another data centre.
        477 => Some(Answer::Retry { after: retry_after(response), cause: cause(response, said) }),
        403 => plain_trouble(response, write, &with_scopes(said, json)),
        _ => plain_trouble(response, write, said),
    }
}

/// What is said, and the scopes that are missing, which only the context names.
pub(super) fn with_scopes(said: &str, json: &Json) -> String {
    let errors = json["errors"].as_array().into_iter().flatten();
    let contexts = std::iter::once(json).chain(errors).map(|error| &error["context"]);
    let named = |context: &Json| {
        let lists = ["requiredGranularScopes", "requiredScopes"].map(|name| context[name].clone());
        lists.into_iter().flat_map(|list| list.as_array().cloned().unwrap_or_default())
    };
    let scopes: BTreeSet<String> = contexts.flat_map(named).map(|scope| text(&scope)).collect();
    if scopes.is_empty() {
        return said.to_owned();
    }
    let scopes = scopes.into_iter().collect::<Vec<_>>().join(" or ");
    format!("it needs {scopes}: {said}")
}

/// The window of a policy of HubSpot's, such as `TEN_SECONDLY_ROLLING` and `DAILY` (CONTRACT 5).
fn window(policy: Option<&str>) -> LimitWindow {
    match policy {
        Some(name) if name.contains("DAILY") => LimitWindow::Day,
        Some(name) if name.contains("TEN_SECONDLY") => LimitWindow::Sliding,
        _ => LimitWindow::Unknown,
    }
}

fn cause<B>(response: &Response<B>, said: &str) -> String {
    let status = response.status();
    if said.is_empty() { format!("HTTP {}", status.as_u16()) } else { format!("HTTP {}: {said}", status.as_u16()) }
}
