//! HubSpot's connector over a scripted network: what is sent, and what each answer is taken for.

mod errors;
mod identity;
mod links;
mod lists;
mod reads;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::hubspot::{HubSpot, Settings};
use connectors::port::{Answer, Connector, Input, LinkChange, Observed, Request, Verb};
use connectors::secret::Secret;
use connectors::testing::script::{Script, Step};
use dsl::schema::Lock;
use serde_json::Value as Json;

fn shipped() -> Lock {
    dsl::schema::read_lock(include_str!("../../../rules/schemas/crm.lock")).expect("the shipped lock")
}

/// A connector on the paths of `version`, whose network follows `script`.
fn connector(version: &str, script: &Script) -> HubSpot {
    let settings = Settings {
        base_url: "https://crm.test/".into(),
        api_version: version.into(),
        app_id: Some(7_700_123),
        portal_id: None,
    };
    HubSpot::new(settings, Secret::new("pat-1"), shipped(), Arc::new(script.clone()))
}

/// Asks once; every step must have been used, and no more calls made than were counted.
async fn ask(steps: Vec<Step>, verb: Verb, inputs: Vec<Input>) -> (Vec<Answer>, Script) {
    let script = Script::new(steps);
    let hubspot = connector("2026-09", &script);
    let request = Request { verb, inputs };
    let answers = hubspot.perform(&request).await;
    assert_eq!(script.left(), 0, "every step is used");
    assert!(script.sent().len() <= hubspot.calls(&request) as usize, "no more calls than were counted");
    assert_eq!(answers.len(), request.inputs.len());
    (answers, script)
}

fn read(entity: &str, by: &str, fields: &[&str], links: &[&str]) -> Verb {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Verb::Read { entity: entity.into(), by: by.into(), fields: names(fields), links: names(links) }
}

fn create(entity: &str) -> Verb {
    Verb::Create { entity: entity.into() }
}

fn update(entity: &str) -> Verb {
    Verb::Update { entity: entity.into() }
}

fn input(key: &str, id: Option<&str>, values: &Json) -> Input {
    let values: BTreeMap<String, Json> = values.as_object().cloned().unwrap_or_default().into_iter().collect();
    Input { key: key.into(), id: id.map(str::to_owned), values, links: BTreeMap::new() }
}

fn asked(id: &str) -> Input {
    input(id, Some(id), &Json::Null)
}

fn linked(mut input: Input, link: &str, remove: Option<&str>, add: Option<&str>) -> Input {
    let change = LinkChange { remove: remove.map(str::to_owned), add: add.map(str::to_owned) };
    input.links.insert(link.into(), change);
    input
}

fn record(answer: &Answer) -> &Observed {
    let Answer::Record(record) = answer else { panic!("{answer:?}") };
    record
}

/// A file of the samples.
fn sample(name: &str) -> Json {
    let path = format!("{}/tests/fixtures/hubspot/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("it is JSON")
}

/// The response of a sample exchange as a step.
fn exchange(file: &str, name: &str) -> Step {
    let sample = sample(file);
    let exchanges = sample["exchanges"].as_array().expect("exchanges").iter();
    let found = exchanges.into_iter().find(|exchange| exchange["name"] == name);
    response(&found.unwrap_or_else(|| panic!("no exchange {name}"))["response"])
}

fn response(response: &Json) -> Step {
    let status = u16::try_from(response["status"].as_u64().expect("a status")).expect("a status");
    let headers = response["headers"].as_object().into_iter().flatten();
    let headers: Vec<(&str, &str)> = headers.map(|(n, v)| (n.as_str(), v.as_str().expect("text"))).collect();
    let html = headers.iter().any(|(_, value)| value.contains("html"));
    let body = match &response["body"] {
        Json::Null if html => "<html>Bad gateway</html>".to_owned(),
        Json::Null => String::new(),
        body => body.to_string(),
    };
    Step::raw(status, &headers, body)
}
