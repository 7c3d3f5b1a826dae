//! HubSpot's responses as answers, one per input (CONTRACT sections 3.4, 3.5 and 5).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value as Json;

use super::{observed, text};
use crate::http::{TransportError, retry_after};
use crate::port::{Answer, Input, Refusal};

pub(super) fn read_failed(error: &TransportError) -> Answer {
    Answer::Retry { after: None, cause: error.to_string() }
}

pub(super) fn write_failed(error: &TransportError) -> Answer {
    match error {
        TransportError::NotSent(_) => Answer::Retry { after: None, cause: error.to_string() },
        TransportError::NoAnswer(_) => Answer::Unknown { cause: error.to_string() },
    }
}

pub(super) fn no_entity(entity: &str) -> Answer {
    Answer::Refused { reason: format!("the lock has no entity `{entity}`"), refusal: Refusal::Other }
}

/// A response that is about the request as a whole. `write`: it may have changed something.
pub(super) fn whole(
    status: StatusCode,
    response: &Response<Bytes>,
    json: &Json,
    inputs: usize,
    write: bool,
) -> Vec<Answer> {
    let after = retry_after(response);
    let message = json["message"].as_str().unwrap_or_default().to_owned();
    let cause = if message.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {message}") };
    let answer = match status.as_u16() {
        429 => {
            let policy = json["policyName"].as_str().or_else(|| json["category"].as_str()).map(str::to_owned);
            let search = message.contains("secondly limit") && !message.contains("ten_secondly");
            Answer::RateLimited { after: after.or_else(|| search.then(|| Duration::from_secs(1))), policy }
        }
        423 => Answer::Retry { after: Some(after.unwrap_or(Duration::from_secs(2))), cause },
        401 | 403 => Answer::Refused { reason: message, refusal: Refusal::Forbidden },
        404 => Answer::Missing,
        477 | 503 | 521 => Answer::Retry { after, cause },
        500..=599 if write => Answer::Unknown { cause },
        500..=599 => Answer::Retry { after, cause },
        _ if inputs > 1 => Answer::Split,
        _ => refused(&message, json),
    };
    vec![answer; inputs]
}

/// A refusal, with the record that is in the way where the text names it.
fn refused(message: &str, json: &Json) -> Answer {
    let reason = if message.is_empty() { "no reason given".to_owned() } else { message.to_owned() };
    let context = |name: &str| {
        json["context"][name]
            .as_array()
            .and_then(|a| a.first())
            .or_else(|| json["errors"][0]["context"][name].as_array().and_then(|a| a.first()))
    };
    if let Some(id) = context("existingId") {
        return Answer::Refused { reason, refusal: Refusal::Exists(Some(text(id))) };
    }
    if let Some((_, id)) = message.split_once("Existing ID: ") {
        let id: String = id.chars().take_while(char::is_ascii_digit).collect();
        return Answer::Refused { reason, refusal: Refusal::Exists(Some(id)) };
    }
    // The race form: "Cannot set … on <new id>. <owner id> already has that value."
    if message.contains("already has that value") {
        let owner =
            message.split(". ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        return Answer::Refused { reason, refusal: Refusal::Exists(owner.filter(|id| !id.is_empty())) };
    }
    if json["category"].as_str() == Some("CONFLICT") {
        return Answer::Refused { reason, refusal: Refusal::Exists(None) };
    }
    let field = json["errors"][0]["context"]["propertyName"][0]
        .as_str()
        .or_else(|| json["context"]["propertyName"][0].as_str());
    Answer::Refused { reason, refusal: Refusal::Invalid(field.map(str::to_owned)) }
}

/// Results and errors of a batch; what neither mentions is unknown.
pub(super) fn batch(json: &Json, inputs: &[Input], by_id: bool) -> Vec<Answer> {
    let mut results: BTreeMap<String, &Json> = BTreeMap::new();
    let all: Vec<&Json> = json["results"].as_array().map(|r| r.iter().collect()).unwrap_or_default();
    for result in &all {
        if let Some(trace) = result["objectWriteTraceId"].as_str() {
            results.insert(trace.to_owned(), result);
        }
        if by_id {
            results.insert(text(&result["id"]), result);
        }
    }
    let mut errors: BTreeMap<String, &Json> = BTreeMap::new();
    for error in json["errors"].as_array().into_iter().flatten() {
        for name in ["objectWriteTraceId", "ids", "id"] {
            for value in error["context"][name].as_array().into_iter().flatten() {
                errors.insert(text(value), error);
            }
        }
    }
    inputs
        .iter()
        .map(|input| {
            let id = input.id.clone().unwrap_or_default();
            if let Some(result) = results.get(&input.key).or_else(|| results.get(&id).filter(|_| by_id)) {
                return Answer::Record(observed(result, &[]));
            }
            // One create and one result without trace ids belong together.
            if !by_id && inputs.len() == 1 && all.len() == 1 {
                return Answer::Record(observed(all[0], &[]));
            }
            match errors.get(&input.key).or_else(|| errors.get(&id)) {
                Some(error) if error["category"].as_str() == Some("OBJECT_NOT_FOUND") => Answer::Missing,
                Some(error) if error["category"].as_str().is_some_and(|c| c.starts_with("RATE_LIMIT")) => {
                    Answer::RateLimited { after: None, policy: None }
                }
                Some(error) => refused(error["message"].as_str().unwrap_or_default(), error),
                None => Answer::Unknown { cause: "HubSpot's answer does not mention it".to_owned() },
            }
        })
        .collect()
}
