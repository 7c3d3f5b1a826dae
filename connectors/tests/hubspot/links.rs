//! Links: read with records, made with them, changed on their own.

use connectors::port::{Answer, Connector, Input, Request};
use connectors::testing::script::{Script, Step};
use serde_json::{Value as Json, json};

use super::{ask, asked, create, input, linked, read, record, update};

fn bare(id: &str) -> Json {
    json!({"id": id, "properties": {}})
}

fn records(ids: &[&str]) -> Step {
    Step::json(200, &json!({"results": ids.iter().map(|id| bare(id)).collect::<Vec<_>>()}))
}

fn to(id: i64, types: &[(i64, Option<&str>)]) -> Json {
    let types = types.iter().map(|(ty, label)| json!({"category": "HUBSPOT_DEFINED", "typeId": ty, "label": label}));
    json!({"toObjectId": id, "associationTypes": types.collect::<Vec<_>>()})
}

/// The answer to making a link from a deal to a company.
fn made(from: u64, to: u64) -> Json {
    json!({"status": "COMPLETE",
        "results": [{"fromObjectTypeId": "0-3", "fromObjectId": from, "toObjectTypeId": "0-2", "toObjectId": to}]})
}

#[tokio::test]
async fn the_primary_link_counts_otherwise_the_first() {
    let body = json!({"results": [
        {"from": {"id": "1"}, "to": [to(401, &[(279, None)]), to(402, &[(279, None), (1, Some("Primary"))])]},
        {"from": {"id": 2}, "to": [to(403, &[(279, None)]), to(404, &[(279, None)])]},
    ]});
    let steps = vec![records(&["1", "2", "3"]), Step::json(200, &body)];
    let inputs = vec![asked("1"), asked("2"), asked("3")];
    let (answers, script) = ask(steps, read("Contact", "id", &[], &["company_record"]), inputs).await;
    let company = |answer: &Answer| record(answer).links["company_record"].clone();
    assert_eq!(company(&answers[0]).as_deref(), Some("402"));
    assert_eq!(company(&answers[1]).as_deref(), Some("403"), "ids come as numbers or text");
    assert_eq!(company(&answers[2]), None, "observed to have none");
    let sent = &script.sent()[1];
    assert_eq!(sent.path, "/crm/associations/2026-09/0-1/0-2/batch/read");
    assert_eq!(sent.body, json!({"inputs": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}));
}

#[tokio::test]
async fn a_record_without_links_is_no_error() {
    let none = json!({"results": [], "errors": [{"category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "message": "No company is associated with contact 1.",
        "context": {"fromObjectId": ["1"]}}]});
    let steps = vec![records(&["1", "2"]), Step::json(207, &none)];
    let (answers, _) = ask(steps, read("Contact", "id", &[], &["company_record"]), vec![asked("1"), asked("2")]).await;
    assert!(answers.iter().all(|answer| record(answer).links["company_record"].is_none()));
}

#[tokio::test]
async fn a_record_whose_links_cannot_be_read_is_asked_for_again() {
    let bad = |context: Json| {
        json!({"results": [{"from": {"id": "1"}, "to": [to(401, &[])]}],
               "errors": [{"category": "VALIDATION_ERROR", "message": "2 is not a valid ID", "context": context}]})
    };
    for context in [json!({"id": ["2"]}), json!({})] {
        let steps = vec![records(&["1", "2"]), Step::json(207, &bad(context))];
        let (answers, _) =
            ask(steps, read("Contact", "id", &[], &["company_record"]), vec![asked("1"), asked("2")]).await;
        assert_eq!(record(&answers[0]).links["company_record"].as_deref(), Some("401"));
        assert!(matches!(answers[1], Answer::Retry { .. }), "{answers:?}");
    }
    // The whole call: no record is shown as if it had no links, and what is missing stays missing.
    let found =
        json!({"results": [bare("1")], "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["9"]}}]});
    let steps = vec![Step::json(207, &found), Step::json(429, &json!({"policyName": "DAILY"}))];
    let (answers, _) = ask(steps, read("Contact", "id", &[], &["company_record"]), vec![asked("1"), asked("9")]).await;
    assert!(matches!(&answers[0], Answer::RateLimited { policy: Some(policy), .. } if policy == "DAILY"));
    assert_eq!(answers[1], Answer::Missing);
}

#[tokio::test]
async fn links_alone_cost_no_call_for_properties() {
    let inputs = vec![linked(input("k1", Some("1"), &Json::Null), "company", Some("401"), Some("402"))];
    let steps = vec![Step::json(204, &Json::Null), Step::json(201, &made(1, 402))];
    let (answers, script) = ask(steps, update("Deal"), inputs).await;
    assert_eq!(record(&answers[0]).links["company"].as_deref(), Some("402"));
    let [archive, create] = script.sent().try_into().expect("two calls");
    assert_eq!(archive.path, "/crm/associations/2026-09/0-3/0-2/batch/archive");
    assert_eq!(archive.body, json!({"inputs": [{"from": {"id": "1"}, "to": [{"id": "401"}]}]}));
    assert_eq!(create.path, "/crm/associations/2026-09/0-3/0-2/batch/create");
    let pair = json!({"from": {"id": "1"}, "to": {"id": "402"},
                      "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 341}]});
    assert_eq!(create.body, json!({"inputs": [pair]}));
}

#[tokio::test]
async fn calls_are_counted_for_what_a_request_holds() {
    let hubspot = super::connector("v3", &Script::default());
    let plain = input("k1", Some("1"), &json!({"amount": "1"}));
    let moved = linked(input("k2", Some("2"), &Json::Null), "company", Some("401"), Some("402"));
    let added = linked(input("k3", Some("3"), &Json::Null), "company", None, Some("402"));
    let count = |inputs: Vec<Input>| hubspot.calls(&Request { verb: update("Deal"), inputs });
    assert_eq!(count(vec![plain.clone()]), 1);
    assert_eq!(count(vec![added.clone()]), 1);
    assert_eq!(count(vec![moved.clone()]), 2);
    assert_eq!(count(vec![plain, moved, added]), 3);
    let reads =
        |links: &[&str]| hubspot.calls(&Request { verb: read("Deal", "id", &[], links), inputs: vec![asked("1")] });
    assert_eq!((reads(&[]), reads(&["company"]), reads(&["company", "contact"])), (1, 2, 3));
}

#[tokio::test]
async fn an_input_whose_fields_were_refused_keeps_its_links() {
    let error = json!({"category": "VALIDATION_ERROR", "message": "no", "context": {"objectWriteTraceId": ["k1"]}});
    let fields = json!({"results": [{"id": "2", "properties": {}}], "errors": [error]});
    let inputs = vec![
        linked(input("k1", Some("1"), &json!({"amount": "x"})), "company", None, Some("401")),
        linked(input("k2", Some("2"), &json!({"amount": "1"})), "company", None, Some("401")),
    ];
    let (answers, script) =
        ask(vec![Step::json(207, &fields), Step::json(201, &made(2, 401))], update("Deal"), inputs).await;
    assert!(matches!(answers[0], Answer::Refused { .. }));
    assert_eq!(record(&answers[1]).links["company"].as_deref(), Some("401"));
    assert_eq!(script.sent()[1].body["inputs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_link_that_fails_after_the_fields_leaves_the_input_in_doubt() {
    let fields =
        || Step::json(200, &json!({"results": [{"id": "1", "properties": {}}, {"id": "2", "properties": {}}]}));
    let inputs = || {
        vec![
            linked(input("k1", Some("1"), &json!({"amount": "1"})), "company", None, Some("401")),
            input("k2", Some("2"), &json!({"amount": "1"})),
        ]
    };
    for step in [Step::not_sent(), Step::no_answer(), Step::raw(503, &[], ""), Step::raw(502, &[], "")] {
        let (answers, _) = ask(vec![fields(), step], update("Deal"), inputs()).await;
        assert!(matches!(answers[0], Answer::Unknown { .. }), "{answers:?}");
        assert_eq!(record(&answers[1]).id, "2", "an input without links is done");
    }
    // The gate has to hear of a limit whatever was done before.
    let (answers, _) = ask(vec![fields(), Step::raw(429, &[], "{}")], update("Deal"), inputs()).await;
    assert!(matches!(answers[0], Answer::RateLimited { .. }), "{answers:?}");
    // Without fields nothing happened.
    let alone = vec![linked(input("k1", Some("1"), &Json::Null), "company", None, Some("401"))];
    let (answers, _) = ask(vec![Step::not_sent()], update("Deal"), alone).await;
    assert!(matches!(answers[0], Answer::Retry { .. }), "{answers:?}");
}

#[tokio::test]
async fn a_success_that_does_not_mention_a_link_is_one_only_where_links_are_removed() {
    let silent = || Step::json(201, &json!({"status": "COMPLETE", "results": []}));
    let added = vec![linked(input("k1", Some("1"), &Json::Null), "company", None, Some("401"))];
    let (answers, _) = ask(vec![silent()], update("Deal"), added).await;
    assert!(matches!(answers[0], Answer::Unknown { .. }), "{answers:?}");
    // Where it mentions others, it says nothing of this one.
    let added = vec![
        linked(input("k1", Some("1"), &Json::Null), "company", None, Some("401")),
        linked(input("k2", Some("2"), &Json::Null), "company", None, Some("402")),
    ];
    let (answers, _) = ask(vec![Step::json(201, &made(2, 402))], update("Deal"), added).await;
    assert!(matches!(answers[0], Answer::Unknown { .. }), "{answers:?}");
    assert_eq!(record(&answers[1]).links["company"].as_deref(), Some("402"));
    // v4 answers an archiving with nothing, the dated paths with 200.
    for step in [Step::json(204, &Json::Null), Step::json(200, &json!({"status": "COMPLETE", "results": []}))] {
        let removed = vec![linked(input("k1", Some("1"), &Json::Null), "company", Some("401"), None)];
        let (answers, _) = ask(vec![step], update("Deal"), removed).await;
        assert_eq!(record(&answers[0]).links["company"], None);
    }
}

#[tokio::test]
async fn errors_of_links_are_given_to_the_pairs_that_they_name() {
    let inputs = || {
        vec![
            linked(input("k1", Some("1"), &Json::Null), "company", None, Some("401")),
            linked(input("k2", Some("2"), &Json::Null), "company", None, Some("402")),
            linked(input("k3", Some("3"), &Json::Null), "company", None, Some("403")),
        ]
    };
    let body = json!({"status": "COMPLETE",
        "results": [{"fromObjectTypeId": "0-3", "fromObjectId": 1, "toObjectTypeId": "0-2", "toObjectId": 401}],
        "errors": [{"category": "VALIDATION_ERROR", "message": "402 is not a valid ID", "context": {"id": ["402"]}}]});
    let (answers, _) = ask(vec![Step::json(207, &body)], update("Deal"), inputs()).await;
    assert_eq!(record(&answers[0]).id, "1");
    assert!(matches!(&answers[1], Answer::Refused { reason, .. } if reason.contains("402 is not a valid ID")));
    assert!(matches!(answers[2], Answer::Unknown { .. }), "neither a result nor an error");

    let refused = json!({"status": "error", "message": "1 or 401 is not a valid ID for association type 341"});
    let (answers, _) = ask(vec![Step::json(400, &refused)], update("Deal"), inputs()).await;
    assert!(answers.iter().all(|answer| *answer == Answer::Split), "{answers:?}");
    let (answers, _) = ask(vec![Step::json(400, &refused)], update("Deal"), inputs().drain(..1).collect()).await;
    assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason.contains("not a valid ID")));
}

#[tokio::test]
async fn a_link_that_the_lock_cannot_write_is_refused() {
    for verb in [create("Deal"), update("Deal")] {
        let (answers, script) =
            ask(Vec::new(), verb, vec![linked(input("k", Some("1"), &Json::Null), "boss", None, Some("2"))]).await;
        assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason.contains("boss")), "{answers:?}");
        assert!(script.sent().is_empty());
    }
}

#[tokio::test]
async fn several_links_to_one_entity_share_a_call_and_are_told_apart_by_type() {
    let mut lock = super::shipped();
    let company = lock.entities.get_mut("Company").expect("it is there");
    for (name, remote) in [("parent", 14), ("child", 13)] {
        let link = dsl::schema::Link { to: "Company".into(), remote: Some(remote), optional: true };
        company.links.insert(name.into(), link);
    }
    let body = json!({"results": [{"from": {"id": "1"}, "to": [to(7, &[(13, None)]), to(8, &[(14, None)])]}]});
    let script = Script::new([Step::json(200, &bare("1")), Step::json(200, &body), Step::json(204, &Json::Null)]);
    let settings = connectors::hubspot::Settings {
        base_url: "https://crm.test".into(),
        api_version: "2026-09".into(),
        app_id: None,
        portal_id: None,
    };
    let hubspot = connectors::hubspot::HubSpot::new(
        settings,
        connectors::secret::Secret::new("t"),
        lock,
        std::sync::Arc::new(script.clone()),
    );
    let request = Request { verb: read("Company", "id", &[], &["parent", "child"]), inputs: vec![asked("1")] };
    assert_eq!(hubspot.calls(&request), 2);
    let answers = hubspot.perform(&request).await;
    let links = &record(&answers[0]).links;
    assert_eq!((links["child"].as_deref(), links["parent"].as_deref()), (Some("7"), Some("8")));

    let inputs = vec![linked(input("k", Some("1"), &Json::Null), "parent", Some("8"), None)];
    let answers = hubspot.perform(&Request { verb: update("Company"), inputs }).await;
    assert_eq!(record(&answers[0]).links["parent"], None);
    let sent = &script.sent()[2];
    assert_eq!(sent.path, "/crm/associations/2026-09/0-2/0-2/batch/labels/archive");
    assert_eq!(sent.body["inputs"][0]["types"][0]["associationTypeId"], 14);
}
