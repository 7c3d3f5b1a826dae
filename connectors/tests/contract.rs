//! Every connector of the registry keeps the contract of the port, whatever the network and its system do.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::port::{Connector, Input, LinkChange, Request, Verb};
use connectors::registry::{Settings, build};
use connectors::secret::Secret;
use connectors::testing::contract::holds;
use connectors::testing::script::Script;
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

fn connector(settings: &Json, lock: &str, script: Script) -> Arc<dyn Connector> {
    let settings: Settings = serde_json::from_value(settings.clone()).expect("settings");
    let lock = dsl::schema::read_lock(lock).expect("a shipped lock");
    build("system", settings, Some(Secret::new("t").into()), lock, Arc::new(script)).expect("they fit")
}

fn input(key: &str, id: Option<&str>, values: &Json, link: Option<&str>) -> Input {
    let values: BTreeMap<String, Json> = values.as_object().cloned().unwrap_or_default().into_iter().collect();
    let change = LinkChange { remove: None, add: Some("7".into()) };
    let links = link.map(|link| (link.to_owned(), change)).into_iter().collect();
    Input { key: key.into(), id: id.map(str::to_owned), values, links }
}

/// One and two inputs of every verb that moves records.
fn requests(entity: &str, field: &str, link: &str) -> Vec<Request> {
    let entity = || entity.to_owned();
    let value = json!({field: "ada@example.com"});
    let read = |by: &str, links: &[&str]| Verb::Read {
        entity: entity(),
        by: by.to_owned(),
        fields: vec![field.to_owned()],
        links: links.iter().map(|link| (*link).to_owned()).collect(),
    };
    let list = |since| Verb::List { entity: entity(), fields: vec![field.to_owned()], links: Vec::new(), since };
    let two = |verb: Verb, ids: bool, values: &Json, link: Option<&str>| {
        let one = |n: &str| input(&format!("k{n}"), ids.then_some(n), values, link);
        let both = Request { verb: verb.clone(), inputs: vec![one("1"), one("2")] };
        [Request { verb, inputs: vec![one("1")] }, both]
    };
    let update = || Verb::Update { entity: entity() };
    let mut requests = Vec::new();
    requests.extend(two(read("id", &[]), true, &Json::Null, None));
    requests.extend(two(read(field, &[]), true, &Json::Null, None));
    requests.extend(two(read("id", &[link]), true, &Json::Null, None));
    requests.extend(two(Verb::Create { entity: entity() }, false, &value, Some(link)));
    requests.extend(two(update(), true, &value, None));
    requests.extend(two(update(), true, &Json::Null, Some(link)));
    requests.extend(two(update(), true, &value, Some(link)));
    requests.push(Request {
        verb: Verb::Delete { entity: entity() },
        inputs: vec![input("k", Some("1"), &Json::Null, None)],
    });
    for since in [None, Some(Timestamp(1))] {
        requests.push(Request { verb: list(since), inputs: vec![Input::default()] });
    }
    requests
}

fn operation(name: &str, values: &Json) -> Request {
    Request { verb: Verb::Operation { name: name.into() }, inputs: vec![input("k", None, values, None)] }
}

#[tokio::test]
async fn hubspot_keeps_the_contract() {
    for version in ["2026-09", "v3"] {
        let settings = json!({"connector": "hubspot", "base_url": "https://crm.test", "api_version": version});
        let lock = include_str!("../../rules/schemas/crm.lock");
        let build = |script| connector(&settings, lock, script);
        let mut requests = requests("Contact", "email", "company_record");
        // A read of owners goes through the whole list, so an empty list does say that one is missing.
        let owners = Verb::List { entity: "Owner".into(), fields: Vec::new(), links: Vec::new(), since: None };
        requests.push(Request { verb: owners, inputs: vec![Input::default()] });
        holds(build, &requests).await;
    }
}

#[tokio::test]
async fn the_app_keeps_the_contract() {
    let settings = json!({"connector": "rest", "base_url": "http://app.test"});
    let build = |script| connector(&settings, include_str!("../../rules/schemas/app.lock"), script);
    let mut requests = requests("User", "email", "subscription");
    requests.push(operation("cancelSubscription", &json!({"subscriptionId": "s1", "reason": "closed lost"})));
    holds(build, &requests).await;
}

#[tokio::test]
async fn named_operations_keep_the_contract() {
    let call = json!({"path": "/send", "body": {"to": "{to}"}});
    let settings = json!({"connector": "http", "base_url": "http://mail.test",
                          "operations": {"email": call, "survey": call, "notify": call}});
    let build = |script| connector(&settings, include_str!("../../rules/schemas/mail.lock"), script);
    let requests = [operation("email", &json!({"to": "ada@example.com"})), operation("notify", &json!({"text": "hi"}))];
    holds(build, &requests).await;
}
