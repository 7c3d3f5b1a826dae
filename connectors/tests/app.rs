//! The app's connector over a scripted network: what is sent, and what each answer is taken for.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::port::{Answer, Connector, Input, LinkChange, Refusal, Request, Verb};
use connectors::rest::Rest;
use connectors::secret::Secret;
use connectors::testing::script::{Script, Step};
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

async fn ask(steps: Vec<Step>, verb: Verb, inputs: Vec<Input>) -> (Vec<Answer>, Script) {
    let script = Script::new(steps);
    let lock = dsl::schema::read_lock(include_str!("../../rules/schemas/app.lock")).expect("the shipped lock");
    let app = Rest::new("http://app.test/", Secret::new("t-1"), lock, Arc::new(script.clone()));
    let request = Request { verb, inputs };
    let answers = app.perform(&request).await;
    assert_eq!(script.left(), 0, "every step is used");
    assert!(script.sent().len() <= app.calls(&request) as usize, "no more calls than were counted");
    assert_eq!(answers.len(), request.inputs.len());
    (answers, script)
}

fn input(key: &str, id: Option<&str>, values: &Json) -> Input {
    let values: BTreeMap<String, Json> = values.as_object().cloned().unwrap_or_default().into_iter().collect();
    Input { key: key.into(), id: id.map(str::to_owned), values, links: BTreeMap::new() }
}

fn update() -> Verb {
    Verb::Update { entity: "SupportTicket".into() }
}

fn operation(name: &str) -> Verb {
    Verb::Operation { name: name.into() }
}

#[tokio::test]
async fn a_batch_is_one_call_and_its_results_are_told_by_key() {
    let mut first = input("k1", Some("7"), &json!({"title": "Late", "description": null}));
    first.links.insert("user".into(), LinkChange { remove: Some("u1".into()), add: Some("u2".into()) });
    let mut second = input("k2", Some("8"), &json!({}));
    second.links.insert("user".into(), LinkChange { remove: Some("u1".into()), add: None });
    let results = json!({"results": [
        {"key": "k2", "status": 404, "error": "there is no such record"},
        {"key": "k1", "status": 200, "record": {"id": "7", "title": "Late", "user": {"id": "u2"}, "updatedAt": "2026-03-02T09:00:00Z"}},
    ]});
    let inputs = vec![first, second, input("k3", Some("9"), &json!({"title": "x"}))];
    let (answers, script) = ask(vec![Step::json(200, &results)], update(), inputs).await;
    let Answer::Record(ticket) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((ticket.id.as_str(), ticket.links["user"].as_deref(), ticket.complete), ("7", Some("u2"), true));
    assert_eq!(ticket.changed_at, Timestamp::parse("2026-03-02T09:00:00Z"));
    assert_eq!(answers[1], Answer::Missing);
    assert!(matches!(answers[2], Answer::Unknown { .. }), "its key is not in the answer");

    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/support-tickets/batch"));
    assert_eq!(sent.headers["authorization"], "Bearer t-1");
    let expected = json!({"operation": "update", "inputs": [
        {"key": "k1", "id": "7", "values": {"title": "Late", "description": null, "user": {"id": "u2"}}},
        {"key": "k2", "id": "8", "values": {"user": null}},
        {"key": "k3", "id": "9", "values": {"title": "x"}},
    ]});
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn every_status_of_a_result_is_an_answer_of_its_own() {
    let result = |key: &str, status: u16, more: Json| {
        let mut result = json!({"key": key, "status": status, "error": format!("said {status}")});
        result.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        result
    };
    let results = json!({"results": [
        result("400", 400, json!({"field": "title"})), result("403", 403, json!({})),
        result("409", 409, json!({"existingId": 12})), result("409b", 409, json!({})),
        result("422", 422, json!({})), result("429", 429, json!({})), result("500", 500, json!({})),
        result("200", 200, json!({"record": null})),
    ]});
    let keys = ["400", "403", "409", "409b", "422", "429", "500", "200"];
    let inputs = keys.iter().map(|key| input(key, Some(key), &json!({"title": "x"}))).collect();
    let (answers, _) = ask(vec![Step::json(200, &results)], update(), inputs).await;
    let refusal = |n: usize| match &answers[n] {
        Answer::Refused { reason, refusal } => (reason.as_str(), refusal.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(0), ("said 400", Refusal::Invalid(Some("title".into()))));
    assert_eq!(refusal(1), ("said 403", Refusal::Other));
    assert_eq!(refusal(2), ("said 409", Refusal::Exists(Some("12".into()))));
    assert_eq!(refusal(3), ("said 409", Refusal::Exists(None)));
    assert_eq!(refusal(4), ("said 422", Refusal::Invalid(None)));
    assert!(matches!(answers[5], Answer::RateLimited { .. }));
    assert!(matches!(answers[6], Answer::Unknown { .. }));
    assert!(matches!(answers[7], Answer::Unknown { .. }), "a success without a record");
}

#[tokio::test]
async fn records_are_read_by_any_unique_field() {
    let verb = Verb::Read { entity: "User".into(), by: "email".into(), fields: Vec::new(), links: Vec::new() };
    let results = json!({"results": [{"key": "k1", "status": 200, "record": {"id": "u1", "email": "ada@x.example"}}]});
    let (answers, script) =
        ask(vec![Step::json(200, &results)], verb, vec![input("k1", Some("ada@x.example"), &json!({}))]).await;
    assert!(matches!(&answers[0], Answer::Record(user) if user.id == "u1"));
    let body = &script.sent()[0].body;
    assert_eq!(
        (&body["operation"], &body["by"], &body["inputs"][0]["id"]),
        (&json!("read"), &json!("email"), &json!("ada@x.example"))
    );
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_asked_for_one_by_one() {
    let two = || vec![input("k1", Some("1"), &json!({"title": "x"})), input("k2", Some("2"), &json!({"title": "y"}))];
    let refused = || Step::json(400, &json!({"error": "the batch cannot be read"}));
    let (answers, _) = ask(vec![refused()], update(), two()).await;
    assert_eq!(answers, [Answer::Split, Answer::Split]);
    let (answers, _) = ask(vec![refused()], update(), two().drain(..1).collect()).await;
    assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason == "the batch cannot be read"));
    // There is no such path: no record is gone, and one by one helps nobody.
    let (answers, _) = ask(vec![Step::json(404, &json!({"error": "there is no such path"}))], update(), two()).await;
    assert!(answers.iter().all(|a| matches!(a, Answer::Refused { refusal: Refusal::Other, .. })), "{answers:?}");
}

#[tokio::test]
async fn a_record_that_is_gone_is_deleted() {
    let verb = || Verb::Delete { entity: "Company".into() };
    let delete = || vec![input("k1", Some("a/b"), &json!({}))];
    let (answers, script) = ask(vec![Step::json(204, &Json::Null)], verb(), delete()).await;
    assert_eq!(answers, [Answer::Done]);
    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("DELETE", "/companies/a%2Fb"));
    assert_eq!(sent.headers["idempotency-key"], "k1");
    let gone = Step::json(404, &json!({"error": "there is no such record"}));
    assert_eq!(ask(vec![gone], verb(), delete()).await.0, [Answer::Done]);
    let (answers, _) = ask(vec![Step::raw(404, &[], "<html>")], verb(), delete()).await;
    assert!(matches!(answers[0], Answer::Refused { .. }), "a gateway's page says nothing of records");
    for id in ["", ".", ".."] {
        let (answers, _) = ask(Vec::new(), verb(), vec![input("k1", Some(id), &json!({}))]).await;
        assert!(matches!(answers[0], Answer::Refused { .. }), "`{id}` would be another path");
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let verb = |since| Verb::List { entity: "Activity".into(), fields: Vec::new(), links: Vec::new(), since };
    let page = json!({"records": [{"id": "a1"}, {"id": "a2"}], "next": "c+1"});
    let (answers, script) =
        ask(vec![Step::json(200, &page)], verb(Some(Timestamp(1_772_442_000_120))), vec![Input::default()]).await;
    let Answer::Page { records, next } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((records.len(), next.as_deref()), (2, Some("c+1")));
    assert_eq!(script.sent()[0].path, "/activities?limit=100&updatedSince=2026-03-02T09%3A00%3A00.120Z");
    let last = json!({"records": [], "next": null});
    let cursor = Input { id: Some("c+1".into()), ..Input::default() };
    let (answers, script) = ask(vec![Step::json(200, &last)], verb(None), vec![cursor]).await;
    assert_eq!(answers, [Answer::Page { records: Vec::new(), next: None }]);
    assert_eq!(script.sent()[0].path, "/activities?limit=100&after=c%2B1");
}

#[tokio::test]
async fn an_operation_is_a_verb_of_its_record() {
    let values = json!({"subscriptionId": "s/1", "reason": "closed lost"});
    let steps = vec![Step::json(200, &json!({"status": "cancelled"}))];
    let (answers, script) = ask(steps, operation("cancelSubscription"), vec![input("k1", None, &values)]).await;
    assert_eq!(answers, [Answer::Result(BTreeMap::from([("status".into(), json!("cancelled"))]))]);
    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/subscriptions/s%2F1/cancel"));
    assert_eq!(sent.body, json!({"reason": "closed lost"}));
    assert_eq!(sent.headers["idempotency-key"], "k1");
}

#[tokio::test]
async fn an_operation_that_cannot_be_called_never_leaves() {
    for (name, values) in [
        ("activateSubscription", json!({})),
        ("activateSubscription", json!({"subscriptionId": ""})),
        ("activateSubscription", json!({"subscriptionId": ".."})),
        ("reboot", json!({"subscriptionId": "s1"})),
    ] {
        let (answers, _) = ask(Vec::new(), operation(name), vec![input("k1", None, &values)]).await;
        assert!(matches!(answers[0], Answer::Refused { .. }), "{name} {values}");
    }
    let gone = Step::json(404, &json!({"error": "there is no such record"}));
    let call = vec![input("k1", None, &json!({"subscriptionId": "s1"}))];
    let (answers, _) = ask(vec![gone], operation("activateSubscription"), call).await;
    assert!(matches!(&answers[0], Answer::Refused { reason, .. } if reason.contains("no such record")));
}
