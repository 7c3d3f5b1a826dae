//! Named operations over a scripted network.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::operations::{Operations, Template};
use connectors::port::{Answer, Connector, Input, Refusal, Request, Verb};
use connectors::secret::Secret;
use connectors::testing::script::{Script, Step};
use serde_json::{Value as Json, json};

fn templates() -> BTreeMap<String, Template> {
    let templates = json!({
        "notify": {"path": "/notify", "body": {"role": "{role}", "to": "{address}", "person": "{person}", "text": "{text}"}},
        "post": {"path": "/chat.postMessage", "body": {"text": "{text}"}, "done": {"ok": true}},
        "status": {"method": "GET", "path": "/jobs/{job}/status?of={text}"},
    });
    serde_json::from_value(templates).expect("templates")
}

async fn ask(steps: Vec<Step>, name: &str, values: &Json, token: Option<&str>) -> (Answer, Script) {
    let script = Script::new(steps);
    let roles = BTreeMap::from([("sales-manager".to_owned(), "lead@example.com".to_owned())]);
    let token = token.map(|token| Secret::new(token).into());
    let mail = Operations::new("http://mail.test", token, roles, templates(), Arc::new(script.clone()));
    let values = values.as_object().cloned().unwrap_or_default().into_iter().collect();
    let inputs = vec![Input { key: "k1".into(), id: None, values, links: BTreeMap::new() }];
    let mut answers = mail.perform(&Request { verb: Verb::Operation { name: name.into() }, inputs }).await;
    assert_eq!((script.left(), answers.len()), (0, 1));
    (answers.remove(0), script)
}

#[tokio::test]
async fn a_role_is_sent_to_its_address() {
    let values = json!({"role": "sales-manager", "text": "Ada - pro is in negotiation", "person": null});
    let (answer, script) = ask(vec![Step::json(202, &json!({"id": "m1"}))], "notify", &values, Some("t-1")).await;
    assert_eq!(answer, Answer::Result(BTreeMap::from([("id".into(), json!("m1"))])));
    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/notify"));
    assert_eq!(
        (sent.headers["authorization"].as_str(), sent.headers["idempotency-key"].as_str()),
        ("Bearer t-1", "k1")
    );
    let expected = json!({"role": "sales-manager", "to": "lead@example.com", "person": null,
                          "text": "Ada - pro is in negotiation"});
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn a_role_without_an_address_is_refused_and_sent_to_nobody() {
    let (answer, _) = ask(Vec::new(), "notify", &json!({"role": "ceo", "text": "x"}), None).await;
    assert!(matches!(&answer, Answer::Refused { reason, .. } if reason.contains("`ceo`")), "{answer:?}");
    // Without a role there is a person.
    let (answer, script) =
        ask(vec![Step::raw(200, &[], "")], "notify", &json!({"person": "a@b.example", "text": "x"}), None).await;
    assert_eq!(answer, Answer::Result(BTreeMap::new()));
    assert!(!script.sent()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_success_that_says_otherwise_is_none() {
    let post = async |answer: Step| ask(vec![answer], "post", &json!({"text": "x"}), None).await.0;
    let fine = post(Step::json(200, &json!({"ok": true, "ts": "1"}))).await;
    assert!(matches!(&fine, Answer::Result(members) if members["ts"] == json!("1")), "{fine:?}");
    let refused = post(Step::json(200, &json!({"ok": false, "error": "channel_not_found"}))).await;
    let Answer::Refused { reason, refusal: Refusal::Other } = &refused else { panic!("{refused:?}") };
    assert_eq!(reason, "`ok` of the answer is false and not true: channel_not_found");
    let silent = post(Step::json(200, &json!({"ts": "1"}))).await;
    assert!(matches!(&silent, Answer::Refused { reason, .. } if reason.contains("is missing")), "{silent:?}");
    // What says nothing may have been done.
    for body in ["", "ok", "[true]", "{\"ok\": tr"] {
        let answer = post(Step::raw(200, &[], body)).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn parameters_stand_in_paths_and_a_call_without_a_body_has_none() {
    let (answer, script) =
        ask(vec![Step::raw(200, &[], "queued")], "status", &json!({"job": "a/b", "text": "x&y"}), None).await;
    assert_eq!(answer, Answer::Result(BTreeMap::new()), "a success in any form is one");
    let sent = script.sent().remove(0);
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("GET", "/jobs/a%2Fb/status?of=x%26y"));
    assert_eq!(sent.body, Json::Null);
    assert!(!sent.headers.contains_key("content-type"));
    let (_, script) = ask(vec![Step::raw(200, &[], "")], "status", &json!({"job": "1"}), None).await;
    assert_eq!(script.sent()[0].path, "/jobs/1/status?of=", "behind the path, nothing is a value");
    for job in ["", ".."] {
        let (answer, _) = ask(Vec::new(), "status", &json!({"job": job, "text": "x"}), None).await;
        assert!(matches!(answer, Answer::Refused { .. }), "`{job}` would be another path");
    }
}

#[tokio::test]
async fn refusals_say_what_the_service_says() {
    let values = json!({"text": "x"});
    // As an incoming webhook of Slack does.
    let text = [("content-type", "text/plain; charset=utf-8")];
    let page = [("content-type", "text/html")];
    for (headers, body, told) in [
        (text, "no_service", "HTTP 404 Not Found: no_service"),
        (text, "many\nlines", "HTTP 404 Not Found"),
        (page, "no_service", "HTTP 404 Not Found"),
    ] {
        let (answer, _) = ask(vec![Step::raw(404, &headers, body)], "notify", &values, None).await;
        assert!(matches!(&answer, Answer::Refused { reason, .. } if reason == told), "{answer:?}");
    }
    let refused = Step::json(422, &json!({"error": "no such template", "field": "text"}));
    let (answer, _) = ask(vec![refused], "notify", &values, None).await;
    let Answer::Refused { reason, refusal } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("no such template"));
    assert_eq!(refusal, Refusal::Invalid(Some("text".into())));
    let (answer, _) = ask(vec![Step::raw(404, &[], "<html>")], "notify", &values, None).await;
    assert!(matches!(answer, Answer::Refused { refusal: Refusal::Other, .. }));
    let (answer, _) = ask(Vec::new(), "fax", &values, None).await;
    assert!(matches!(&answer, Answer::Refused { reason, .. } if reason.contains("`fax`")));
}

#[tokio::test]
async fn a_lost_answer_leaves_a_call_in_doubt_unless_it_only_asks() {
    let (answer, _) = ask(vec![Step::no_answer()], "notify", &json!({"text": "x"}), None).await;
    assert!(matches!(answer, Answer::Unknown { .. }));
    let (answer, _) = ask(vec![Step::no_answer()], "status", &json!({"job": "1", "text": "x"}), None).await;
    assert!(matches!(answer, Answer::Retry { .. }));
}
