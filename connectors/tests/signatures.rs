//! Every case of the signature vectors and every sample delivery gets the right verdict.

use connectors::hubspot::{events, signature};
use connectors::secret::Secret;
use dsl::value::Moment;
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/hubspot/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("it is JSON")
}

fn headers(request: &Value) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let name: http::HeaderName = name.parse().expect("a header name");
        for value in value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]) {
            let text = value.as_str().expect("a header value");
            headers.append(name.clone(), http::HeaderValue::from_bytes(text.as_bytes()).expect("a header value"));
        }
    }
    headers
}

fn accepted(case: &Value) -> bool {
    let request = &case["request"];
    signature::verify(
        request["method"].as_str().expect("a method"),
        request["uri"].as_str().expect("a URI"),
        &headers(request),
        request["body"].as_str().expect("a body").as_bytes(),
        &Secret::new(case["client_secret"].as_str().expect("a secret")),
        Moment(case["now_ms"].as_i64().expect("a time")),
    )
    .is_ok()
}

#[test]
fn every_signature_vector_has_the_right_verdict() {
    let vectors = fixture("signature-vectors.json");
    let cases = vectors["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 57);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let verdict = if case["expect"] == "policy" { &case["recommended"] } else { &case["expect"] };
            let expected = verdict.as_str().expect("a verdict").starts_with("accept");
            (accepted(case) != expected).then(|| format!("{} {}", case["id"], case["why"]))
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_sample_delivery_is_accepted_and_read() {
    for (set, app, lock) in [
        ("set-a-classic-v3", 7_700_123, include_str!("../../rules/schemas/crm.lock")),
        ("set-b-generic-2026-09", 6_601_999, include_str!("../../rules/schemas/crm.lock")),
    ] {
        let lock = dsl::schema::read_lock(lock).expect("the shipped lock");
        let file = fixture(&format!("samples/{set}/webhooks.json"));
        for delivery in file["deliveries"].as_array().expect("deliveries") {
            let refused = delivery["expect"] == "reject";
            assert_eq!(accepted(delivery), !refused, "{set}: {}", delivery["name"]);
            let body = delivery["request"]["body"].as_str().expect("a body");
            let messages = events::read(&lock, Some(app), body.as_bytes()).expect("it can be read");
            assert_eq!(messages.len(), delivery["events"].as_array().expect("events").len(), "{}", delivery["name"]);
        }
    }
}
