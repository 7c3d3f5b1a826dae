//! The operations twin.

use std::sync::{Arc, Mutex};

use connectors::http::{Transport, TransportError};
use dsl::value::Timestamp;
use sandbox::mail::Mail;
use sandbox::{InProcess, Model as _, When};
use serde_json::{Value as Json, json};

use super::{TOKEN, opened, request};

#[test]
fn a_key_sends_once_on_its_path_and_repetitions_are_noted() {
    let mut mail = Mail::new(Some(TOKEN.into()));
    let body = json!({ "to": "ada@example.com", "template": "welcome" });
    let first = opened(&mail.handle(&request("POST", "/send", Some("k1"), &body), Timestamp(1)));
    let again = opened(&mail.handle(&request("POST", "/send", Some("k1"), &body), Timestamp(2)));
    assert_eq!((first.0, &first), (200, &again));
    mail.handle(&request("POST", "/survey", Some("k1"), &body), Timestamp(3));
    let [sent, survey] = mail.sent() else { panic!("{:?}", mail.sent()) };
    assert_eq!((&sent.body, sent.at, sent.repeats.as_slice()), (&body, Timestamp(1), [Timestamp(2)].as_slice()));
    assert_eq!((survey.path.as_str(), survey.at), ("/survey", Timestamp(3)));
    assert_eq!(mail.sent_to("/survey").count(), 1);
}

#[test]
fn without_a_key_every_request_sends() {
    let mut mail = Mail::new(None);
    for at in 1..=2 {
        mail.handle(&request("POST", "/notify", None, &json!({ "text": "hi" })), Timestamp(at));
    }
    assert_eq!(mail.sent().len(), 2);
}

#[test]
fn what_is_no_operation_is_refused_and_not_sent() {
    let mut mail = Mail::new(Some("another token".into()));
    assert_eq!(mail.handle(&request("POST", "/send", None, &json!({})), Timestamp(1)).status(), 401);
    let mut mail = Mail::new(None);
    assert_eq!(mail.handle(&request("GET", "/send", None, &Json::Null), Timestamp(1)).status(), 405);
    assert_eq!(mail.handle(&request("POST", "/send", None, &json!([1])), Timestamp(1)).status(), 400);
    assert_eq!(mail.handle(&request("POST", "/send", None, &Json::Null), Timestamp(1)).status(), 400);
    mail.fail_next(1, 500);
    assert_eq!(mail.handle(&request("POST", "/send", None, &json!({})), Timestamp(1)).status(), 500);
    assert_eq!((mail.sent().len(), mail.requests()), (0, 4));
}

#[tokio::test]
async fn a_lost_answer_leaves_what_was_sent() {
    let mail = Arc::new(Mutex::new(Mail::new(None)));
    let transport = InProcess::new(Arc::clone(&mail), || Timestamp(1));
    mail.lock().unwrap().drop_next(1, When::After);
    let send = || request("POST", "/send", Some("k1"), &json!({ "to": "ada@example.com" }));
    assert!(matches!(transport.send(send()).await, Err(TransportError::NoAnswer(_))));
    assert_eq!(transport.send(send()).await.unwrap().status(), 200);
    assert_eq!(mail.lock().unwrap().sent().len(), 1);
}
