//! Deliveries of an app that is installed in several accounts: one address, one secret, events of all of them mixed.
//!
//! In: the body of a delivery whose signature fits. Out: a body for each account, with its events in their order.
//! Always true: no event is left out, and none is in two bodies.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;

use crate::port::Unreadable;

/// The events of a delivery by the account (HubSpot: portal) that each names.
///
/// # Errors
/// Where the body is no array of events, and where an event names no account: whose it is cannot be told.
pub fn by_account(body: &[u8]) -> Result<BTreeMap<u64, Bytes>, Unreadable> {
    let wrong = |reason: String| Unreadable::Delivery(reason);
    let json = crate::json::read(body).map_err(|error| wrong(format!("the body is no JSON: {error}")))?;
    let Json::Array(events) = json else { return Err(wrong("the body is no array of events".to_owned())) };
    let mut accounts: BTreeMap<u64, Vec<Json>> = BTreeMap::new();
    for (index, event) in events.into_iter().enumerate() {
        let account = event["portalId"].as_u64().ok_or_else(|| {
            wrong(format!("event {index} has no `portalId`, and at this path events of several accounts arrive"))
        })?;
        accounts.entry(account).or_default().push(event);
    }
    Ok(accounts.into_iter().map(|(account, events)| (account, Json::from(events).to_string().into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_gets_its_events_in_their_order() {
        let body = br#"[{"portalId": 2, "n": 1}, {"portalId": 1, "n": 2}, {"portalId": 2, "n": 123456789012345678901234567890}]"#;
        let accounts = by_account(body).unwrap();
        let text = |account| std::str::from_utf8(&accounts[&account]).unwrap();
        assert_eq!(text(1), r#"[{"n":2,"portalId":1}]"#);
        assert_eq!(text(2), r#"[{"n":1,"portalId":2},{"n":"123456789012345678901234567890","portalId":2}]"#);
        assert_eq!(by_account(b"[]").map(|none| none.len()), Ok(0));
    }

    #[test]
    fn what_names_no_account_is_refused() {
        for body in ["{}", "[{\"portalId\": 1}, {}]", "[{\"portalId\": \"one\"}]", "[1]", "["] {
            assert!(matches!(by_account(body.as_bytes()), Err(Unreadable::Delivery(_))), "{body}");
        }
    }
}
