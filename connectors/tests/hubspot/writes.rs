//! Creating, changing and archiving records: attribution of results and errors to inputs.

use connectors::port::{Answer, Input, Refusal, Verb};
use connectors::testing::script::Step;
use serde_json::{Value as Json, json};

use super::{ask, create, exchange, input, linked, record, update};

fn refusal(answer: &Answer) -> &Refusal {
    let Answer::Refused { refusal, .. } = answer else { panic!("{answer:?}") };
    refusal
}

fn unknown(answer: &Answer) -> bool {
    matches!(answer, Answer::Unknown { .. })
}

#[tokio::test]
async fn records_are_made_by_one_call_with_trace_ids_and_links() {
    let ada = input("k1", None, &json!({"email": "ada@x.example", "health_score": 87, "phone": null}));
    let ada = linked(ada, "company_record", None, Some("401"));
    let bo = input("k2", None, &json!({"email": "bo@x.example"}));
    let body = json!({"status": "COMPLETE", "results": [
        {"id": "2", "objectWriteTraceId": "k2", "properties": {"email": "bo@x.example"}},
        {"id": "1", "objectWriteTraceId": "k1", "properties": {"email": "ada@x.example"}, "updatedAt": "2026-11-24T09:10:00Z"},
    ]});
    let (answers, script) = ask(vec![Step::json(201, &body)], create("Contact"), vec![ada, bo]).await;
    let made = record(&answers[0]);
    assert_eq!((made.id.as_str(), made.links["company_record"].as_deref(), made.complete), ("1", Some("401"), false));
    // It says all there is: what it leaves out is empty, unless it was sent or HubSpot sets it.
    let bo = record(&answers[1]);
    assert_eq!((bo.id.as_str(), &bo.fields["email"], &bo.fields["phone"]), ("2", &json!("bo@x.example"), &Json::Null));
    assert!(!bo.fields.contains_key("createdate") && !bo.links.contains_key("company_record"), "{bo:?}");
    assert!(!made.fields.contains_key("health_score"), "{made:?}");
    let sent = script.sent().remove(0);
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/batch/create");
    let expected = json!({"inputs": [
        {"objectWriteTraceId": "k1", "properties": {"email": "ada@x.example", "health_score": "87", "phone": ""},
         "associations": [{"to": {"id": "401"},
                           "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}]},
        {"objectWriteTraceId": "k2", "properties": {"email": "bo@x.example"}, "associations": []},
    ]});
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn one_taken_address_does_not_touch_the_other_inputs() {
    let inputs = vec![
        input("0", None, &json!({"email": "ada.byron@lab-nord.example"})),
        input("1", None, &json!({"email": "Li.Na@south.example", "firstname": "Na"})),
    ];
    // The result carries no trace id in this sample: its unique value tells whose it is.
    let step = exchange("set-a-classic-v3/objects", "contact: batch create, one conflict, trace ids set");
    let (answers, _) = ask(vec![step], create("Contact"), inputs).await;
    assert_eq!(refusal(&answers[0]), &Refusal::Exists(Some("201000000101".into())));
    assert_eq!(record(&answers[1]).id, "201000000103");
}

#[tokio::test]
async fn results_without_trace_ids_are_told_by_unique_values_or_not_at_all() {
    let deals = |keys: &[(&str, Option<&str>)]| -> Vec<Input> {
        let deal = |(key, link): &(&str, Option<&str>)| {
            input(key, None, &json!({"dealname": "d", "dealstage": "closedwon", "engine_link_id": link}))
        };
        keys.iter().map(deal).collect()
    };
    let result =
        |id: &str, link: Option<&str>| json!({"id": id, "properties": {"dealname": "d", "engine_link_id": link}});

    let body = json!({"results": [result("1", Some("B")), result("2", Some("a"))]});
    let inputs = deals(&[("k1", Some("a")), ("k2", Some("b"))]);
    let (answers, _) = ask(vec![Step::json(201, &body)], create("Deal"), inputs).await;
    assert_eq!((record(&answers[0]).id.as_str(), record(&answers[1]).id.as_str()), ("2", "1"));

    // Nothing tells two equal deals apart, so which id is whose stays unknown.
    let body = json!({"results": [result("1", None), result("2", None)]});
    let inputs = deals(&[("k1", None), ("k2", None)]);
    let (answers, _) = ask(vec![Step::json(201, &body)], create("Deal"), inputs).await;
    assert!(answers.iter().all(unknown), "{answers:?}");

    // One is left on either side.
    let body = json!({"results": [result("1", None), result("2", Some("a"))]});
    let inputs = deals(&[("k1", Some("a")), ("k2", None)]);
    let (answers, _) = ask(vec![Step::json(201, &body)], create("Deal"), inputs).await;
    assert_eq!((record(&answers[0]).id.as_str(), record(&answers[1]).id.as_str()), ("2", "1"));

    // Both would be it, so neither is.
    let body = json!({"results": [result("1", Some("a"))]});
    let inputs = deals(&[("k1", Some("a")), ("k2", Some("a"))]);
    let (answers, _) = ask(vec![Step::json(201, &body)], create("Deal"), inputs).await;
    assert!(answers.iter().all(unknown), "{answers:?}");

    // Two are left and one result: whose it is cannot be said.
    let body = json!({"results": [result("1", None)]});
    let inputs = deals(&[("k1", None), ("k2", None)]);
    let (answers, _) = ask(vec![Step::json(201, &body)], create("Deal"), inputs).await;
    assert!(answers.iter().all(unknown), "{answers:?}");
}

#[tokio::test]
async fn an_update_whose_id_was_merged_away_is_unknown_not_done() {
    let inputs = vec![
        input("k1", Some("201000000101"), &json!({"phone": "1"})),
        input("k2", Some("201000000099"), &json!({"phone": "2"})),
    ];
    let step = exchange("set-a-classic-v3/objects", "contact: batch update, merged-away id left out");
    let (answers, script) = ask(vec![step], update("Contact"), inputs).await;
    assert_eq!(record(&answers[0]).id, "201000000101");
    assert!(unknown(&answers[1]), "{answers:?}");
    let sent = script.sent().remove(0);
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/batch/update");
    let first = json!({"id": "201000000101", "objectWriteTraceId": "k1", "properties": {"phone": "1"}});
    assert_eq!(sent.body["inputs"][0], first);
}

#[tokio::test]
async fn an_update_that_answers_under_a_new_id_says_so() {
    let body = json!({"results": [{"id": "777", "objectWriteTraceId": "k1", "properties": {}}]});
    let inputs = vec![input("k1", Some("101"), &json!({"phone": "1"}))];
    let (answers, _) = ask(vec![Step::json(200, &body)], update("Contact"), inputs).await;
    assert_eq!(record(&answers[0]).id, "777");
}

#[tokio::test]
async fn errors_of_a_batch_are_given_to_their_inputs_by_trace_id_and_by_record_id() {
    let inputs: Vec<Input> = ["1", "2", "3", "4", "5"]
        .iter()
        .map(|id| input(&format!("k{id}"), Some(id), &json!({"email": "x@y.example"})))
        .collect();
    let invalid = r#"Property values were not valid: [{"isValid":false,"message":"Email address x is invalid","error":"INVALID_EMAIL","name":"email"}]"#;
    let body = json!({"status": "COMPLETE", "results": [{"id": "5", "properties": {}}], "numErrors": 4, "errors": [
        {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some CONTACT objects", "context": {"ids": ["1"]}},
        {"status": "error", "category": "VALIDATION_ERROR", "message": invalid, "context": {"objectWriteTraceId": ["k2"]}},
        {"status": "error", "category": "CONFLICT", "message": "Contact already exists. Existing ID: 42", "context": {"objectWriteTraceId": ["k3"]}},
        {"status": "error", "category": "RATE_LIMITS", "message": "slow", "context": {"objectWriteTraceId": ["k4"]}},
    ]});
    let (answers, _) = ask(vec![Step::json(207, &body)], update("Contact"), inputs).await;
    assert_eq!(answers[0], Answer::Missing);
    let Answer::Refused { reason, refusal: Refusal::Invalid(Some(field)) } = &answers[1] else { panic!("{answers:?}") };
    assert_eq!((reason.as_str(), field.as_str()), ("Email address x is invalid", "email"));
    assert_eq!(refusal(&answers[2]), &Refusal::Exists(Some("42".into())));
    assert!(matches!(answers[3], Answer::RateLimited { .. }));
    assert_eq!(record(&answers[4]).id, "5");
}

#[tokio::test]
async fn a_part_of_a_batch_that_the_token_may_not_write_is_the_tokens_matter() {
    let inputs = ["1", "2", "3"].iter().map(|id| input(&format!("k{id}"), Some(id), &json!({"phone": "1"}))).collect();
    let scopes =
        json!({"objectWriteTraceId": ["k1"], "requiredGranularScopes": ["crm.objects.contacts.sensitive.write"]});
    let body = json!({"status": "COMPLETE", "results": [{"id": "3", "properties": {}}], "errors": [
        {"status": "error", "category": "MISSING_SCOPES", "message": "no", "context": scopes},
        {"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "too old", "context": {"objectWriteTraceId": ["k2"]}},
    ]});
    let (answers, _) = ask(vec![Step::json(207, &body)], update("Contact"), inputs).await;
    let Answer::Refused { reason, refusal: Refusal::Forbidden } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(reason, "it needs crm.objects.contacts.sensitive.write: no");
    assert_eq!(refusal(&answers[1]), &Refusal::Unauthenticated);
    assert_eq!(record(&answers[2]).id, "3");
}

#[tokio::test]
async fn a_success_with_errors_that_name_nobody_leaves_those_unknown_who_have_no_result() {
    let inputs =
        || vec![input("k1", Some("1"), &json!({"phone": "1"})), input("k2", Some("2"), &json!({"phone": "2"}))];
    let error = json!({"status": "error", "category": "VALIDATION_ERROR", "message": "no", "context": {}});
    let body = json!({"status": "COMPLETE", "results": [], "errors": [error]});
    let (answers, _) = ask(vec![Step::json(207, &body)], update("Contact"), inputs()).await;
    assert!(answers.iter().all(|a| matches!(a, Answer::Unknown { cause } if cause.contains("no"))), "{answers:?}");
    // Where one input is left and one error, they belong together.
    let body = json!({"status": "COMPLETE", "results": [{"id": "1", "properties": {}}], "errors": [error]});
    let (answers, _) = ask(vec![Step::json(207, &body)], update("Contact"), inputs()).await;
    assert_eq!(record(&answers[0]).id, "1");
    assert!(matches!(answers[1], Answer::Refused { .. }));
}

#[tokio::test]
async fn a_missing_link_target_does_not_make_a_create_missing() {
    let body = json!({"results": [], "errors": [{"category": "OBJECT_NOT_FOUND", "message": "no company 9",
                      "context": {"objectWriteTraceId": ["k1"]}}]});
    let (answers, _) =
        ask(vec![Step::json(207, &body)], create("Contact"), vec![input("k1", None, &json!({"email": "a@b.example"}))])
            .await;
    assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason == "no company 9"), "{answers:?}");
}

#[tokio::test]
async fn a_whole_refusal_that_names_an_input_spares_the_others() {
    let inputs =
        || vec![input("k1", None, &json!({"email": "a"})), input("k2", None, &json!({"email": "b@c.example"}))];
    let named = json!({"status": "error", "category": "VALIDATION_ERROR", "message": "bad",
                       "errors": [{"message": "bad", "context": {"objectWriteTraceId": ["k1"], "propertyName": ["email"]}}]});
    let (answers, _) = ask(vec![Step::json(400, &named)], create("Contact"), inputs()).await;
    assert_eq!(refusal(&answers[0]), &Refusal::Invalid(Some("email".into())));
    assert_eq!(answers[1], Answer::Split);

    let unnamed = exchange("set-a-classic-v3/errors", "409 duplicate e-mail");
    let (answers, _) = ask(vec![unnamed], create("Contact"), inputs()).await;
    assert_eq!(answers, [Answer::Split, Answer::Split]);
}

#[tokio::test]
async fn a_whole_refusal_that_repeats_a_value_suspects_those_who_sent_it() {
    let inputs = vec![
        input("k1", None, &json!({"email": "ada@b.example", "phone": "1"})),
        input("k2", None, &json!({"email": "a@b.example", "phone": "a@b.example1"})),
        input("k3", None, &json!({"email": "c@b.example", "phone": "a@b.example"})),
    ];
    let message = "Cannot set PropertyValueCoordinates{objectTypeId=0-1, propertyName=email, value=a@b.example} on 8. \
                   7 already has that value.";
    let named = json!({"status": "error", "message": message, "errors": [{"context": {"propertyName": ["email"]}}]});
    let (answers, _) = ask(vec![Step::json(400, &named)], create("Contact"), inputs.clone()).await;
    assert_eq!(answers, [Answer::Split, Answer::Suspect, Answer::Split]);
    // Where it names no property, the value may be of any.
    let unnamed = json!({"status": "error", "message": message});
    let (answers, _) = ask(vec![Step::json(400, &unnamed)], create("Contact"), inputs).await;
    assert_eq!(answers, [Answer::Split, Answer::Suspect, Answer::Suspect]);
}

#[tokio::test]
async fn an_id_that_stands_twice_is_asked_for_again_without_a_call_of_its_own() {
    let inputs = vec![
        input("k1", Some("1"), &json!({"phone": "1"})),
        input("k2", Some("1"), &json!({"phone": "2"})),
        input("k3", Some("2"), &json!({"phone": "3"})),
    ];
    let body = json!({"results": [{"id": "1", "properties": {}}, {"id": "2", "properties": {}}]});
    let (answers, script) = ask(vec![Step::json(200, &body)], update("Contact"), inputs).await;
    assert_eq!(script.sent()[0].body["inputs"].as_array().map(Vec::len), Some(2));
    assert_eq!((record(&answers[0]).id.as_str(), &answers[1]), ("1", &Answer::Split));
    assert_eq!(record(&answers[2]).id, "2");

    // HubSpot's own refusal of it blames none of them.
    let inputs =
        vec![input("k1", Some("201000000101"), &json!({"phone": "1"})), input("k2", Some("2"), &json!({"phone": "2"}))];
    let step = exchange("set-a-classic-v3/errors", "400 same id twice in a batch");
    let (answers, _) = ask(vec![step], update("Contact"), inputs).await;
    assert_eq!(answers, [Answer::Split, Answer::Split]);
}

#[tokio::test]
async fn archiving_is_done_whatever_the_state_of_the_records() {
    let inputs = vec![super::asked("1"), super::asked("2"), super::asked("1")];
    let verb = || Verb::Delete { entity: "Contact".into() };
    let (answers, script) = ask(vec![Step::json(204, &Json::Null)], verb(), inputs.clone()).await;
    assert_eq!(answers, [Answer::Done, Answer::Done, Answer::Done]);
    let sent = script.sent().remove(0);
    assert_eq!(sent.path, "/crm/objects/2026-09/0-1/batch/archive");
    assert_eq!(sent.body, json!({"inputs": [{"id": "1"}, {"id": "2"}]}));
    let vague = json!({"errors": [{"message": "something", "context": {}}]});
    let (answers, _) = ask(vec![Step::json(207, &vague)], verb(), inputs).await;
    assert!(answers.iter().all(unknown), "{answers:?}");
}

#[tokio::test]
async fn owners_are_not_written() {
    let (answers, _) = ask(Vec::new(), update("Owner"), vec![input("k", Some("1"), &json!({"email": "x"}))]).await;
    assert!(matches!(answers[0], Answer::Refused { .. }));
}
