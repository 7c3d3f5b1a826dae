//! The files of a developer project that make an app fit for the rules: which scopes it asks for and what HubSpot tells it
//! (developers.hubspot.com, "App configuration" and "Configure a webhook subscription", platform 2026.03).
//!
//! In: the lock, what rules need, where the engine is reached, files that are there. Out: files, by their paths in the
//! project. Always true: what is there is kept, scopes and subscriptions are added to it only, because HubSpot takes no
//! upload from which a subscription is gone; the same again changes nothing. Not here: reading, writing, uploading.

use std::collections::{BTreeMap, BTreeSet};

use dsl::schema::Lock;
use serde_json::{Value as Json, json};

use super::plan::{Need, required_scopes};
use super::subscriptions::{Topic, name_of_type, subscribed, wanted};
use crate::http::text;

/// The file that makes a folder a project.
pub const PROJECT: &str = "hsproject.json";
/// The app's own file.
pub const APP: &str = "src/app/app-hsmeta.json";
/// Its subscriptions.
pub const WEBHOOKS: &str = "src/app/webhooks/webhooks-hsmeta.json";

const PLATFORM: &str = "2026.03";
/// How many deliveries HubSpot may have under way at once (10 is its own default).
const AT_ONCE: u32 = 10;

/// Why a file that is there cannot be added to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is not what HubSpot's project has there: {why}")]
pub struct Foreign {
    /// Its path in the project.
    pub path: &'static str,
    /// What it lacks.
    pub why: String,
}

/// The three files; `there` are those that the folder has already, by path. `name` is how people read the app, `url` where
/// HubSpot's deliveries go.
///
/// # Errors
/// [`Foreign`] where a file that is there has another form.
pub fn files(
    lock: &Lock,
    needs: &BTreeMap<String, Need>,
    name: &str,
    url: &str,
    there: &BTreeMap<&'static str, Json>,
) -> Result<[(&'static str, Json); 3], Foreign> {
    let project = there.get(PROJECT).cloned();
    let project = project.unwrap_or_else(|| json!({"name": uid(name), "srcDir": "src", "platformVersion": PLATFORM}));
    Ok([
        (PROJECT, project),
        (APP, app(there.get(APP), &required_scopes(lock, needs), name)?),
        (WEBHOOKS, webhooks(there.get(WEBHOOKS), lock, needs, url)?),
    ])
}

fn app(there: Option<&Json>, scopes: &BTreeSet<String>, name: &str) -> Result<Json, Foreign> {
    let mut app = there.cloned().unwrap_or_else(|| {
        json!({
            "uid": uid(name),
            "type": "app",
            "config": {
                "name": name,
                "description": "Keeps this account in step with an application, by rules.",
                "distribution": "private",
                "auth": {"type": "static", "requiredScopes": [], "optionalScopes": [], "conditionallyRequiredScopes": []},
                "permittedUrls": {"fetch": [], "iframe": [], "img": []},
            },
        })
    });
    of_type(&app, APP, "app")?;
    let Some(asked) = app["config"]["auth"]["requiredScopes"].as_array_mut() else {
        return Err(Foreign { path: APP, why: "`config.auth.requiredScopes` is no list".to_owned() });
    };
    for scope in scopes {
        if !asked.iter().any(|known| known == scope.as_str()) {
            asked.push(scope.as_str().into());
        }
    }
    Ok(app)
}

fn webhooks(there: Option<&Json>, lock: &Lock, needs: &BTreeMap<String, Need>, url: &str) -> Result<Json, Foreign> {
    let mut file = there.cloned().unwrap_or_else(|| {
        json!({
            "uid": "webhooks",
            "type": "webhooks",
            "config": {
                "settings": {"targetUrl": "", "maxConcurrentRequests": AT_ONCE},
                "subscriptions": {"crmObjects": [], "legacyCrmObjects": [], "hubEvents": []},
            },
        })
    });
    of_type(&file, WEBHOOKS, "webhooks")?;
    let known = subscribed(&file);
    let Some(lists) = file["config"]["subscriptions"].as_object_mut() else {
        return Err(Foreign { path: WEBHOOKS, why: "`config.subscriptions` is no object".to_owned() });
    };
    for (topic, ..) in wanted(lock, needs) {
        if known.contains(&topic) {
            continue;
        }
        let (list, entry) = entry(&topic);
        let list = lists.entry(list).or_insert_with(|| json!([]));
        let Some(entries) = list.as_array_mut() else {
            return Err(Foreign { path: WEBHOOKS, why: "what is in `config.subscriptions` is no list".to_owned() });
        };
        // One that is paused goes on; two of the same would be refused.
        let same = |other: &&mut Json| {
            ["subscriptionType", "objectType", "propertyName"].iter().all(|name| other[*name] == entry[*name])
        };
        match entries.iter_mut().find(same) {
            Some(paused) => paused["active"] = true.into(),
            None => entries.push(entry),
        }
    }
    file["config"]["settings"]["targetUrl"] = url.into();
    Ok(file)
}

/// A subscription as HubSpot's file has it, and the list that it stands in.
fn entry((event, kind, property): &Topic) -> (&'static str, Json) {
    let mut entry = json!({"subscriptionType": event, "active": true});
    if let Some(kind) = kind {
        entry["objectType"] = name_of_type(kind).unwrap_or(kind).into();
    }
    if let Some(property) = property {
        entry["propertyName"] = property.as_str().into();
    }
    let list = match event.as_str() {
        "contact.privacyDeletion" => "hubEvents",
        event if event.starts_with("object.") => "crmObjects",
        _ => "legacyCrmObjects",
    };
    (list, entry)
}

fn of_type(file: &Json, path: &'static str, wanted: &str) -> Result<(), Foreign> {
    match text(&file["type"]) {
        found if found == wanted => Ok(()),
        found => Err(Foreign { path, why: format!("its `type` is `{found}`, not `{wanted}`") }),
    }
}

/// A name in the letters that HubSpot takes for ids: `Acme, two` is `acme-two`.
fn uid(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = words.collect::<Vec<_>>().join("-").to_lowercase();
    if id.is_empty() { "engine".to_owned() } else { id.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::subscriptions::missing;
    use super::*;

    fn shipped() -> Lock {
        dsl::schema::read_lock(include_str!("../../../../rules/schemas/crm.lock")).expect("the lock is sound")
    }

    fn needs() -> BTreeMap<String, Need> {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let contact = Need {
            fields: set(&["email", "health_score"]),
            heard: set(&["email", "phone"]),
            messages: set(&["contact.creation", "contact.propertyChange", "contact.privacyDeletion"]),
            writes: true,
            ..Need::default()
        };
        let note = Need { messages: set(&["note.creation"]), ..Need::default() };
        [("Contact".to_owned(), contact), ("Note".to_owned(), note)].into()
    }

    const URL: &str = "https://a.test/webhooks/crm";

    fn made(there: &BTreeMap<&'static str, Json>) -> BTreeMap<&'static str, Json> {
        files(&shipped(), &needs(), "Acme, two", URL, there).expect("nothing is foreign").into()
    }

    #[test]
    fn a_new_project_asks_for_what_the_rules_need_and_is_subscribed_to_what_they_hear() {
        let files = made(&BTreeMap::new());
        assert_eq!(files[PROJECT], json!({"name": "acme-two", "srcDir": "src", "platformVersion": "2026.03"}));
        let scopes = [
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.schemas.contacts.read",
            "crm.schemas.contacts.write",
        ];
        assert_eq!(files[APP]["config"]["auth"]["requiredScopes"], json!(scopes));
        let of = |event: &str| json!({"subscriptionType": event, "active": true});
        let change = |property: &str| json!({"subscriptionType": "contact.propertyChange", "propertyName": property, "active": true});
        let lists = &files[WEBHOOKS]["config"]["subscriptions"];
        assert_eq!(lists["legacyCrmObjects"], json!([of("contact.creation"), change("email"), change("phone")]));
        assert_eq!(lists["hubEvents"], json!([of("contact.privacyDeletion")]));
        let note = json!({"subscriptionType": "object.creation", "objectType": "note", "active": true});
        assert_eq!(lists["crmObjects"], json!([note]));
        assert_eq!(missing(&shipped(), &needs(), &files[WEBHOOKS], Some(URL)), vec![], "the check is content with it");
    }

    #[test]
    fn what_is_there_stays_and_a_second_time_changes_nothing() {
        let first = made(&BTreeMap::new());
        assert_eq!(made(&first), first);
        let mut own = first.clone();
        own.insert(PROJECT, json!({"name": "theirs", "srcDir": "src", "platformVersion": "2025.2"}));
        let app = own.get_mut(APP).expect("it is there");
        app["config"]["name"] = "Theirs".into();
        app["config"]["auth"]["requiredScopes"] = json!(["oauth", "crm.objects.contacts.read"]);
        let webhooks = own.get_mut(WEBHOOKS).expect("it is there");
        let more = json!({"subscriptionType": "deal.deletion", "active": true});
        let lists = &mut webhooks["config"]["subscriptions"];
        lists["legacyCrmObjects"] = json!([{"subscriptionType": "contact.creation", "active": false}, more]);
        let again = made(&own);
        assert_eq!(again[PROJECT]["name"], "theirs");
        assert_eq!(again[APP]["config"]["name"], "Theirs");
        let scopes = again[APP]["config"]["auth"]["requiredScopes"].as_array().expect("a list");
        assert_eq!((scopes.len(), &scopes[0]), (5, &json!("oauth")));
        let kept = again[WEBHOOKS]["config"]["subscriptions"]["legacyCrmObjects"].as_array().expect("a list");
        assert_eq!(kept[..2], [json!({"subscriptionType": "contact.creation", "active": true}), more]);
        assert_eq!(kept.len(), 4);
    }

    #[test]
    fn a_file_of_another_form_is_named() {
        let there = BTreeMap::from([(WEBHOOKS, json!({"type": "card"}))]);
        let refused = files(&shipped(), &needs(), "a", URL, &there).expect_err("it is another file");
        assert_eq!(
            refused.to_string(),
            "src/app/webhooks/webhooks-hsmeta.json is not what HubSpot's project has there: its `type` is `card`, not `webhooks`"
        );
    }

    #[test]
    fn ids_have_the_letters_that_hubspot_takes() {
        assert_eq!(["Acme, two", "…", "a.b_c"].map(uid), ["acme-two", "engine", "a-b-c"]);
    }
}
