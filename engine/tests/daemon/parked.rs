//! What a sender is answered whose delivery cannot be read, in part or as a whole, and what people see of it.

use connectors::secret::Secret;
use engine::testing::admin::api::Filter;
use engine::testing::clock::wall;
use engine::testing::decide::OperatorCommand;
use serde_json::json;

use crate::stage::{Stage, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_as_a_whole_or_kept_message_by_message() {
    let stage = Stage::new();
    let running = stage.start().await.expect("the engine starts");
    let deliver = async |body: &str| {
        let signature = connectors::webhook::hmac::sign(&Secret::new("app-secret"), wall(), body.as_bytes());
        let url = format!("http://{}/webhooks/app", running.webhooks);
        let request = reqwest::Client::new().post(url).body(body.to_owned()).header("X-App-Signature", signature);
        request.send().await.expect("it answers").status().as_u16()
    };
    // In these nothing can be told apart: the sender keeps them.
    for body in ["", "{", "7", "[1]"] {
        assert_eq!(deliver(body).await, 400, "{body}");
    }
    let engine = client(running.admin);
    let parked = async || engine.parked(&Filter::default()).await.expect("it is told");
    assert_eq!(parked().await.total, 0);
    // One of two: it is kept as it came, and shown.
    let good = json!({"id": "e1", "type": "user.deleted", "occurredAt": "2026-03-02T09:00:00Z", "data": {"id": "u9"}});
    assert_eq!(deliver(&json!([{"what": "is this"}, good]).to_string()).await, 200);
    let kept = parked().await;
    assert_eq!(kept.total, 1, "{kept:?}");
    let name = kept.parked[0].subject.strip_prefix("message ").expect("a message");
    let why = async || engine.why(name, None).await.expect("it is told");
    let told = why().await;
    assert_eq!(told.message.as_ref().map(|message| message.payload.as_str()), Some("{\"what\":\"is this\"}"));
    assert!(told.incidents[0].cause.contains("message 0"), "{told:?}");
    // A person settles it.
    let (subject, reason) = (name.to_owned(), "a test of theirs".to_owned());
    engine.operate("ada", OperatorCommand::Dismiss { subject, reason }).await.expect("it is settled");
    assert_eq!(parked().await.total, 0);
    assert_eq!(why().await.message, None);
    running.stop().await.expect("it stops");
}
