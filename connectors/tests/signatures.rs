//! Every case of the signature vectors and every sample delivery gets the right verdict, and says the right thing.

use connectors::hubspot::signature::Rejection;
use connectors::hubspot::{events, signature};
use connectors::port::{Body, Message};
use connectors::secret::Secret;
use connectors::webhook::Verify;
use dsl::value::Timestamp;
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
        Timestamp(case["now_ms"].as_i64().expect("a time")),
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
fn the_published_examples_are_signed_as_published() {
    let vectors = fixture("signature-vectors.json");
    for example in vectors["documented_examples"].as_array().expect("examples") {
        let part = |name: &str| example[name].as_str().unwrap_or_default();
        let (secret, body) = (Secret::new(part("client_secret")), part("body").as_bytes());
        let signed = match part("version") {
            "v1" => signature::sign_v1(&secret, body),
            "v2" => signature::sign_v2(&secret, part("method"), part("uri"), body),
            _ => signature::sign_v3(&secret, part("method"), part("uri"), body, part("timestamp")),
        };
        assert_eq!(signed, part("signature"), "{}", example["source"]);
    }
}

#[test]
fn a_replay_without_its_v3_header_passes_nobody_who_wants_v3() {
    let vectors = fixture("signature-vectors.json");
    let cases = vectors["cases"].as_array().expect("cases");
    let replay = cases.iter().find(|case| case["id"] == "delivery-bad-replay").expect("the case");
    let mut headers = headers(&replay["request"]);
    let now = Timestamp(replay["now_ms"].as_i64().expect("a time"));
    let secret = Secret::new(replay["client_secret"].as_str().expect("a secret"));
    let uri = replay["request"]["uri"].as_str().expect("a URI");
    let body = replay["request"]["body"].as_str().expect("a body").as_bytes();
    let stale = signature::verify("POST", uri, &headers, body, &secret, now);
    assert!(matches!(stale, Err(Rejection::Stale(age)) if age > 3_000_000), "{stale:?}");
    headers.remove("x-hubspot-signature-v3");
    let stripped = signature::verify_v3("POST", uri, &headers, body, &secret, now);
    assert_eq!(stripped, Err(Rejection::Missing("x-hubspot-signature-v3")));
    // The older signature over it is right, and the door takes it for no proof.
    assert_eq!(signature::verify("POST", uri, &headers, body, &secret, now), Ok(()));
    let door = signature::Signature { secret, public_url: uri.to_owned() };
    assert!(door.verify(&headers, body, now).is_err());
}

#[test]
fn two_signatures_in_one_request_are_refused() {
    let secret = Secret::new("s3cret");
    let now = Timestamp(1_795_511_400_120);
    let good = signature::sign_v3(&secret, "POST", "https://a.test/w", b"[]", "1795511400120");
    let mut headers = http::HeaderMap::new();
    headers.insert("x-hubspot-request-timestamp", http::HeaderValue::from_static("1795511400120"));
    headers.insert("x-hubspot-signature-v3", good.parse().expect("a header value"));
    let verify =
        |headers: &http::HeaderMap| signature::verify("POST", "https://a.test/w", headers, b"[]", &secret, now);
    assert_eq!(verify(&headers), Ok(()));
    headers.append("x-hubspot-signature-v3", http::HeaderValue::from_static("another"));
    assert_eq!(verify(&headers), Err(Rejection::Malformed("x-hubspot-signature-v3")));
}

/// What the samples call their deliveries, and what each of them says.
fn read(set: &str, app: u64, name: &str) -> Vec<Message> {
    let lock = dsl::schema::read_lock(include_str!("../../rules/schemas/crm.lock")).expect("the shipped lock");
    let file = fixture(&format!("samples/{set}/webhooks.json"));
    let delivery = file["deliveries"].as_array().expect("deliveries").iter().find(|d| d["name"] == name);
    let delivery = delivery.unwrap_or_else(|| panic!("no delivery {name}"));
    let body = delivery["request"]["body"].as_str().expect("a body");
    events::read(&lock, Some(app), None, body.as_bytes()).expect("it can be read").messages
}

#[test]
fn a_retry_is_known_by_its_marks_and_equal_event_ids_are_not_enough() {
    let marks = |name| -> Vec<String> {
        read("set-a-classic-v3", 7_700_123, name).into_iter().map(|message| message.dedupe).collect()
    };
    assert_eq!(marks("first try of a batch that will fail"), marks("the retry"));
    let same_id = marks("two different events with one eventId");
    assert_ne!(same_id[0], same_id[1]);
}

#[test]
fn our_own_echo_is_own_in_both_forms_and_nobody_elses() {
    let own = |set, app, name: &str| read(set, app, name).iter().map(|message| message.own).collect::<Vec<_>>();
    assert_eq!(own("set-a-classic-v3", 7_700_123, "echo of our own write"), [true]);
    assert_eq!(own("set-a-classic-v3", 1, "echo of our own write"), [false]);
    assert_eq!(own("set-b-generic-2026-09", 6_601_999, "echo in the generic form"), [true]);
    assert_eq!(own("set-a-classic-v3", 7_700_123, "ticket"), [false, false]);
}

#[test]
fn samples_say_what_happened_to_which_record() {
    let body = |set, name| -> Vec<Body> { read(set, 1, name).into_iter().map(|message| message.body).collect() };
    let [merge] = body("set-a-classic-v3", "merge").try_into().expect("one event");
    let gone = vec!["201000000101".to_owned(), "201000000102".to_owned()];
    assert_eq!(merge, Body::Merged { entity: "Contact".into(), into: "201000000777".into(), gone });

    // The shipped rules do not listen to links of companies, so the lock has no name for them.
    let [contact, company] = body("set-a-classic-v3", "association, both sides").try_into().expect("two events");
    assert_eq!(contact, Body::Linked { entity: "Contact".into(), id: "201000000101".into() });
    assert_eq!(company, Body::Foreign);

    let [note] =
        body("set-b-generic-2026-09", "a note is created (only the generic form exists)").try_into().expect("one");
    assert!(matches!(note, Body::Record { entity, observed, .. } if entity == "Note" && observed.id == "93001122334"));
    let [withheld] = body("set-b-generic-2026-09", "sensitive property").try_into().expect("one event");
    assert!(matches!(withheld, Body::Record { observed, .. } if observed.fields.is_empty()));
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
            let messages = events::read(&lock, Some(app), None, body.as_bytes()).expect("it can be read").messages;
            assert_eq!(messages.len(), delivery["events"].as_array().expect("events").len(), "{}", delivery["name"]);
        }
    }
}
