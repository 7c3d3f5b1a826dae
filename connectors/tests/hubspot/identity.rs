//! Whose the token is, before anything is asked with it.

use connectors::hubspot::{HubSpot, Settings};
use connectors::port::{Answer, Connector, Input, Refusal, Request, Verb};
use connectors::secret::Secret;
use connectors::testing::script::{Script, Step};
use serde_json::{Value as Json, json};

fn hubspot(steps: Vec<Step>, portal_id: Option<u64>) -> (HubSpot, Script) {
    let script = Script::new(steps);
    let settings = Settings { base_url: "https://crm.test".into(), api_version: "v3".into(), app_id: None, portal_id };
    (HubSpot::new(settings, Secret::new("t"), super::shipped(), std::sync::Arc::new(script.clone())), script)
}

fn details(portal: u64) -> Step {
    Step::json(200, &json!({"portalId": portal, "accountType": "STANDARD"}))
}

async fn ask(hubspot: &HubSpot, verb: Verb) -> Answer {
    let request = Request { verb, inputs: vec![Input { id: Some("1".to_owned()), ..Input::default() }] };
    hubspot.perform(&request).await.remove(0)
}

#[tokio::test]
async fn the_account_and_the_version_are_told() {
    let (crm, script) = hubspot(vec![details(99)], Some(99));
    let expected = [("account", json!(99)), ("api_version", json!("v3"))];
    let expected = expected.map(|(name, value): (&str, Json)| (name.to_owned(), value)).into();
    assert_eq!(ask(&crm, Verb::Identify).await, Answer::Result(expected));
    assert_eq!(script.sent()[0].path, "/account-info/v3/details");
}

#[tokio::test]
async fn nothing_is_asked_with_a_token_of_another_account() {
    let steps = vec![details(555), details(555), details(99), Step::json(200, &json!({"id": "1", "properties": {}}))];
    let (crm, script) = hubspot(steps, Some(99));
    let read = || Verb::Read { entity: "Contact".into(), by: "id".into(), fields: Vec::new(), links: Vec::new() };
    for verb in [Verb::Identify, read()] {
        let Answer::Refused { reason, refusal: Refusal::Unauthenticated } = ask(&crm, verb).await else { panic!() };
        assert!(reason.contains("account 555") && reason.contains("99"), "{reason}");
    }
    // Another token was put into its place.
    assert!(matches!(ask(&crm, read()).await, Answer::Record(_)));
    assert_eq!(script.left(), 0);
}

#[tokio::test]
async fn a_token_that_may_not_ask_this_is_no_wrong_one_and_one_that_is_refused_is() {
    let refused = |status: u16| Step::json(status, &json!({"status": "error", "message": "no", "category": "X"}));
    let (crm, _) = hubspot(vec![refused(403)], None);
    assert!(matches!(ask(&crm, Verb::Identify).await, Answer::Refused { refusal: Refusal::Other, .. }));
    let (crm, _) = hubspot(vec![refused(401)], None);
    assert!(matches!(ask(&crm, Verb::Identify).await, Answer::Refused { refusal: Refusal::Unauthenticated, .. }));
}
