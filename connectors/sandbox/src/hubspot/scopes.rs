//! Which scope a request needs (CONTRACT 2).
//!
//! In: method and path. Out: groups of scopes, of each of which the caller has to have one.
//! Always true: a request that needs nothing by this table is served; a POST that only reads needs a scope to read.
//! Not here: scopes for sensitive data, nor that the content of e-mails needs one of its own.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use super::reply::{Answer, Refusal};
use super::standard::STANDARD;
use super::types::Types;

/// Scopes; `None` for all there are.
pub(super) type Scopes = Option<BTreeSet<String>>;

/// Types with scopes of their own; activities go by those of contacts.
const OWN: [(&str, &str); 5] =
    [("0-1", "contacts"), ("0-2", "companies"), ("0-3", "deals"), ("0-7", "products"), ("0-8", "line_items")];

/// Every scope of this table.
pub(super) fn all() -> Vec<String> {
    let mut all: Vec<String> = vec!["oauth".to_owned(), "tickets".to_owned(), "crm.objects.owners.read".to_owned()];
    for (_, name) in OWN.iter().chain(&[("", "custom")]) {
        for door in ["objects", "schemas"] {
            all.extend(["read", "write"].map(|what| format!("crm.{door}.{name}.{what}")));
        }
    }
    all
}

/// Scopes that a request needs one of, for each thing that it touches.
pub(super) fn needed(types: &Types, method: &Method, path: &[&str]) -> Vec<Vec<String>> {
    let rest = match path {
        ["crm-object-schemas", _, ..] => return vec![vec![format!("crm.schemas.custom.{}", what(method, path))]],
        ["crm", "v3" | "v4", rest @ ..] => rest,
        ["crm", door, _, rest @ ..] => return of_door(types, method, door, rest, path),
        _ => return Vec::new(),
    };
    match rest {
        [door, rest @ ..] => of_door(types, method, door, rest, path),
        [] => Vec::new(),
    }
}

fn of_door(types: &Types, method: &Method, door: &str, rest: &[&str], path: &[&str]) -> Vec<Vec<String>> {
    let what = what(method, path);
    let of = |door: &str, name: &str| scopes(types, door, name, what);
    match (door, rest) {
        ("objects", [from, _, "associations", "default", to, ..] | [from, _, "associations", to, ..]) => {
            vec![of("objects", from), of("objects", to)]
        }
        ("objects", [kind, ..]) => vec![of("objects", kind)],
        ("associations", [_, _, "labels" | "types", ..]) if what == "read" => Vec::new(),
        ("associations", [from, to, ..]) => vec![of("objects", from), of("objects", to)],
        ("properties" | "pipelines", [kind, ..]) => vec![of("schemas", kind)],
        ("schemas", _) => vec![vec![format!("crm.schemas.custom.{what}")]],
        ("owners", _) => vec![vec!["crm.objects.owners.read".to_owned()]],
        _ => Vec::new(),
    }
}

fn scopes(types: &Types, door: &str, name: &str, what: &str) -> Vec<String> {
    let id = types.id(name).unwrap_or(name);
    if id == "0-5" {
        return vec!["tickets".to_owned()];
    }
    let own = OWN.iter().find(|(kind, _)| *kind == id).map(|(_, name)| *name);
    let standard = STANDARD.iter().any(|standard| standard.id == id);
    let name = own.unwrap_or(if standard { "contacts" } else { "custom" });
    // Definitions of activities are no schema of contacts.
    let door = if own.is_none() && standard { "objects" } else { door };
    vec![format!("crm.{door}.{name}.{what}")]
}

/// `read` or `write`.
fn what(method: &Method, path: &[&str]) -> &'static str {
    let reads = matches!(path.last(), Some(&("search" | "read"))) || method == Method::GET;
    if reads { "read" } else { "write" }
}

/// The refusal of a caller who lacks one of what is needed.
pub(super) fn lacking(needed: &[Vec<String>], scopes: &Scopes) -> Option<Answer> {
    let scopes = scopes.as_ref()?;
    let missing = needed.iter().find(|any| any.iter().all(|scope| !scopes.contains(scope)))?;
    let message = "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.";
    let detail = json!({"message": "One or more of the following scopes are required.",
                        "context": {"requiredGranularScopes": missing}});
    let refusal = Refusal { errors: [detail].into(), ..Refusal::new(403, "MISSING_SCOPES", message.to_owned()) };
    let (status, mut body) = refusal.answer();
    body["links"] = json!({"scopes": "https://developers.hubspot.com/scopes"});
    Some((status, body))
}
