//! What a sender is answered whose delivery cannot be read, in part or as a whole, and what people see of it.

use connectors::secret::Secret;
use engine::clock::wall;
use serde_json::json;

use crate::inside::json as get_json;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_as_a_whole_or_kept_message_by_message() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let post = async |url: String, signature: Option<String>, body: String| {
        let mut request = reqwest::Client::new().post(url).body(body);
        if let Some(signature) = signature {
            request = request.header("X-App-Signature", signature);
        }
        request.send().await.expect("it answers").status().as_u16()
    };
    let deliver = async |body: &str| {
        let signature = connectors::webhook::hmac::sign(&Secret::new("app-secret"), wall(), body.as_bytes());
        post(format!("http://{}/webhooks/app", running.webhooks), Some(signature), body.to_owned()).await
    };
    // In these nothing can be told apart: the sender keeps them.
    for body in ["", "{", "7", "[1]"] {
        assert_eq!(deliver(body).await, 400, "{body}");
    }
    let none = get_json(running.admin, "/api/v1/parked").await;
    assert_eq!(none["total"], 0, "{none}");
    // One of two: it is kept as it came, and shown.
    let good = json!({"id": "e1", "type": "user.deleted", "occurredAt": "2026-03-02T09:00:00Z", "data": {"id": "u9"}});
    assert_eq!(deliver(&json!([{"what": "is this"}, good]).to_string()).await, 200);
    let parked = get_json(running.admin, "/api/v1/parked").await;
    assert_eq!(parked["total"], 1, "{parked}");
    let subject = parked["parked"][0]["subject"].as_str();
    let name = subject.and_then(|subject| subject.strip_prefix("message ")).expect("a message");
    let why = get_json(running.admin, &format!("/api/v1/why?about={name}")).await;
    assert_eq!(why["message"]["payload"], "{\"what\":\"is this\"}", "{why}");
    assert!(why["incidents"][0]["cause"].as_str().is_some_and(|cause| cause.contains("message 0")), "{why}");
    // A person settles it.
    let command = json!({"who": "ada", "command": "dismiss", "subject": name, "reason": "a test of theirs"});
    let url = format!("http://{}/api/v1/operator", running.admin);
    assert_eq!(post(url, None, command.to_string()).await, 200);
    assert_eq!(get_json(running.admin, "/api/v1/parked").await["total"], 0);
    assert_eq!(get_json(running.admin, &format!("/api/v1/why?about={name}")).await["message"], json!(null));
    running.stop().await.expect("it stops");
}
