//! What an app has to be told of, compared with the file of its project that names the subscriptions (CONTRACT 6.1, 6.2).
//!
//! In: the lock's messages, what rules listen to, `webhooks-hsmeta.json`. Out: a finding for each subscription that is
//! missing. Always true: a change of a property needs a subscription of its own; one that is paused counts for none.
//! Not here: subscriptions that are made elsewhere, which HubSpot shows to their app alone.

use std::collections::{BTreeMap, BTreeSet};

use dsl::schema::{About, Change, Lock};
use serde_json::Value as Json;

use super::plan::{Finding, Need};
use crate::http::text;

/// What a subscription is to: `contact.propertyChange`, the type id of a generic one, the property of a change.
pub(super) type Topic = (String, Option<String>, Option<String>);

/// Findings about the subscriptions of `file`; `url` is where the engine is reached, where that is known.
#[must_use]
pub fn missing(lock: &Lock, needs: &BTreeMap<String, Need>, file: &Json, url: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let target = text(&file["config"]["settings"]["targetUrl"]);
    if let Some(url) = url.filter(|url| *url != target) {
        findings.push(Finding {
            about: "targetUrl".to_owned(),
            what: format!("the app's deliveries go to `{target}`, the engine is reached at {url}"),
            help: "write the `public_url` of engine.yaml into the app's file, or the other way round".to_owned(),
        });
    }
    let there = subscribed(file);
    let help = "add it to the app's file of webhooks and run `hs project upload`; until then `engine backfill` finds \
                what changed";
    for ((event, kind, property), about, unheard) in wanted(lock, needs) {
        let exact = (event.clone(), kind.clone(), property.clone());
        if there.contains(&exact) || generic(lock, &about, &exact).is_some_and(|topic| there.contains(&topic)) {
            continue;
        }
        let of = kind.map(|kind| format!(" of {kind}")).unwrap_or_default();
        let with = property.map(|property| format!(" of {property}")).unwrap_or_default();
        let what = format!("{unheard}: nobody subscribed to {event}{of}{with}");
        findings.push(Finding { about, what, help: help.to_owned() });
    }
    findings
}

/// What the rules need to be told, with what it is about and what stays unheard without it.
pub(super) fn wanted(lock: &Lock, needs: &BTreeMap<String, Need>) -> Vec<(Topic, String, String)> {
    let mut all = Vec::new();
    for (name, message) in lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages) {
        let About::Record { entity, change } = &message.about else { continue };
        let Some(need) = needs.get(entity).filter(|need| need.messages.contains(name)) else { continue };
        let remote = lock.entities.get(entity).and_then(|known| known.remote.clone());
        let (event, kind) = match name.split_once('.') {
            Some((_, what)) if message.generic => (format!("object.{what}"), remote),
            _ => (name.clone(), None),
        };
        if *change == Change::Updated {
            all.extend(need.heard.iter().filter(|field| *field != "id").map(|field| {
                let topic = (event.clone(), kind.clone(), Some(field.clone()));
                (topic, format!("{entity}.{field}"), "its changes stay unheard".to_owned())
            }));
        } else {
            all.push(((event, kind, None), entity.clone(), format!("`{name}` stays unheard")));
        }
    }
    all
}

/// The generic subscription to the same: both are one message.
fn generic(lock: &Lock, about: &str, (event, kind, property): &Topic) -> Option<Topic> {
    let entity = about.split_once('.').map_or(about, |(entity, _)| entity);
    let remote = lock.entities.get(entity)?.remote.clone().filter(|_| kind.is_none())?;
    Some((format!("object.{}", event.split_once('.')?.1), Some(remote), property.clone()))
}

/// The active subscriptions of the file.
pub(super) fn subscribed(file: &Json) -> BTreeSet<Topic> {
    let lists = file["config"]["subscriptions"].as_object().into_iter().flatten();
    let entries = lists.flat_map(|(_, entries)| entries.as_array().into_iter().flatten());
    let active = entries.filter(|entry| entry["active"] != false);
    let named = |json: &Json| Some(text(json)).filter(|name| !name.is_empty());
    let topic = |entry: &Json| {
        let kind = named(&entry["objectType"]).map(|kind| type_id(&kind).unwrap_or(&kind).to_owned());
        (text(&entry["subscriptionType"]), kind, named(&entry["propertyName"]))
    };
    active.map(topic).collect()
}

/// Names of objects as subscriptions have them, in small letters and in the singular, with their type ids.
const TYPES: [(&str, &str); 11] = [
    ("contact", "0-1"),
    ("company", "0-2"),
    ("deal", "0-3"),
    ("ticket", "0-5"),
    ("product", "0-7"),
    ("line_item", "0-8"),
    ("task", "0-27"),
    ("note", "0-46"),
    ("meeting", "0-47"),
    ("call", "0-48"),
    ("email", "0-49"),
];

fn type_id(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

/// The name for a type id; none where HubSpot has none of its own for it.
pub(super) fn name_of_type(id: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, known)| *known == id).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shipped() -> Lock {
        dsl::schema::read_lock(include_str!("../../../../rules/schemas/crm.lock")).expect("the lock is sound")
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_property_whose_change_nobody_subscribed_is_named() {
        let contact = Need {
            heard: set(&["email", "phone"]),
            messages: set(&["contact.creation", "contact.propertyChange"]),
            ..Need::default()
        };
        let note = Need { messages: set(&["note.creation"]), ..Need::default() };
        let needs = [("Contact".to_owned(), contact), ("Note".to_owned(), note)].into();
        let email = json!({"subscriptionType": "contact.propertyChange", "propertyName": "email", "active": true});
        let phone = |active: bool| json!({"subscriptionType": "contact.propertyChange", "propertyName": "phone", "active": active});
        let made = json!({"subscriptionType": "contact.creation"});
        let note = json!({"subscriptionType": "object.creation", "objectType": "NOTE", "active": true});
        let file = |classic: Json, generic: Json| {
            json!({"type": "webhooks", "config": {"settings": {"targetUrl": "https://a.test/crm"},
                   "subscriptions": {"legacyCrmObjects": classic, "crmObjects": generic}}})
        };
        let told = |file: &Json, url| -> Vec<String> {
            missing(&shipped(), &needs, file, url)
                .into_iter()
                .map(|found| format!("{}: {}", found.about, found.what))
                .collect()
        };
        let whole = file(json!([email, phone(true), made]), json!([note]));
        assert_eq!(told(&whole, Some("https://a.test/crm")), Vec::<String>::new());
        let unheard = "Contact.phone: its changes stay unheard: nobody subscribed to contact.propertyChange of phone";
        assert_eq!(told(&file(json!([email, made]), json!([note])), None), [unheard]);
        assert_eq!(told(&file(json!([email, phone(false), made]), json!([note])), None), [unheard]);
        let phone_too =
            json!({"subscriptionType": "object.propertyChange", "objectType": "contact", "propertyName": "phone"});
        assert_eq!(told(&file(json!([email, made]), json!([note, phone_too])), None), Vec::<String>::new());
        let told = told(&file(json!([email, phone(true)]), json!([])), Some("https://b.test/crm"));
        assert_eq!(
            told,
            [
                "targetUrl: the app's deliveries go to `https://a.test/crm`, the engine is reached at https://b.test/crm",
                "Contact: `contact.creation` stays unheard: nobody subscribed to contact.creation",
                "Note: `note.creation` stays unheard: nobody subscribed to object.creation of 0-46",
            ]
        );
    }
}
