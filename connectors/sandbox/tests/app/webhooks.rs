//! Messages as signed deliveries.

use connectors::secret::Secret;
use connectors::webhook::Verify;
use connectors::webhook::hmac::Hmac256;
use dsl::value::Duration;
use sandbox::app::{SIGNATURE_HEADER, Settings, WebhookTarget, sign};
use serde_json::{Value as Json, json};

use super::World;

fn hooked() -> World {
    let webhook = WebhookTarget { url: "http://engine.test/webhooks/app".into(), secret: "s3cret".into() };
    World::with(Settings { webhook: Some(webhook), ..Settings::default() })
}

fn envelopes(body: &[u8]) -> Vec<Json> {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn a_delivery_is_signed_over_its_time_and_body() {
    let mut world = hooked();
    world.user("ada@example.com");
    let delivery = world.app.due(world.now).unwrap();
    assert_eq!(delivery.url, "http://engine.test/webhooks/app");
    assert_eq!(delivery.signature, sign(b"s3cret", world.now, &delivery.body));
    assert!(delivery.signature.starts_with("t=1772442000000,v1="), "{}", delivery.signature);
    assert_eq!(envelopes(&delivery.body)[0]["type"], "user.created");
    // Computed with `openssl dgst -sha256 -hmac`.
    assert_eq!(
        sign(b"key", dsl::value::Timestamp(1), b"[]"),
        "t=1,v1=74844a5a51cfee4367dd6f6d7903d46a076eb27921483686e5a7cac98f726d1c"
    );
}

#[test]
fn the_engines_door_accepts_a_delivery_and_refuses_a_changed_one() {
    let mut world = hooked();
    world.user("ada@example.com");
    let delivery = world.app.due(world.now).unwrap();
    let door = Hmac256 { header: SIGNATURE_HEADER.into(), secret: Secret::new("s3cret") };
    let mut headers = http::HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, delivery.signature.parse().unwrap());
    assert_eq!(door.verify(&headers, &delivery.body, world.now), Ok(()));
    let changed = String::from_utf8(delivery.body.to_vec()).unwrap().replace("ada@", "eve@");
    assert!(door.verify(&headers, changed.as_bytes(), world.now).is_err());
}

#[test]
fn changes_leave_in_order_fifty_at_a_time_one_delivery_in_flight() {
    let mut world = hooked();
    for n in 0..120 {
        world.user(&format!("u{n}@example.com"));
    }
    let mut sizes = Vec::new();
    let mut keys = Vec::new();
    while let Some(delivery) = world.app.due(world.now) {
        assert_eq!(world.app.due(world.now), None, "a second delivery in flight");
        let messages = envelopes(&delivery.body);
        sizes.push(messages.len());
        keys.extend(messages.iter().map(|message| message["data"]["id"].as_str().unwrap().to_owned()));
        world.app.delivered(delivery.id, Some(200), world.now);
    }
    assert_eq!(sizes, [50, 50, 20]);
    assert_eq!(keys, (1..=120).map(|n| format!("user-{n}")).collect::<Vec<_>>());
    assert_eq!((world.app.undelivered(), world.app.next_due()), (0, None));
}

#[test]
fn a_delivery_is_repeated_with_the_same_body_and_a_fresh_signature_until_it_is_taken() {
    let mut world = hooked();
    world.user("ada@example.com");
    let first = world.app.due(world.now).unwrap();
    let answers = [None, Some(500), Some(429), Some(302)];
    let waits = [1, 2, 4, 8];
    for (answer, wait) in answers.into_iter().zip(waits) {
        world.app.delivered(first.id, answer, world.now);
        let due = world.now.plus(Duration::seconds(wait));
        assert_eq!(world.app.next_due(), Some(due));
        assert_eq!(world.app.due(due.minus(Duration(1))), None);
        world.now = due;
        let again = world.app.due(due).unwrap();
        assert_eq!((again.id, &again.body), (first.id, &first.body));
        assert_eq!(again.signature, sign(b"s3cret", due, &again.body));
    }
    world.app.delivered(first.id, Some(204), world.now);
    assert_eq!(world.app.next_due(), None);
}

#[test]
fn changes_that_come_while_a_delivery_is_retried_wait_behind_it() {
    let mut world = hooked();
    let id = world.user("ada@example.com");
    let first = world.app.due(world.now).unwrap();
    world.app.edit("User", &id, json!({ "phone": "1" }), world.now).unwrap();
    world.app.delivered(first.id, Some(503), world.now);
    assert_eq!(world.app.undelivered(), 2);
    world.later();
    let again = world.app.due(world.now).unwrap();
    assert_eq!(envelopes(&again.body).len(), 1);
    world.app.delivered(again.id, Some(200), world.now);
    let next = world.app.due(world.now).unwrap();
    assert_eq!(envelopes(&next.body)[0]["type"], "user.updated");
}

#[test]
fn an_answer_to_a_delivery_before_a_reset_is_ignored() {
    let mut world = hooked();
    world.user("ada@example.com");
    let old = world.app.due(world.now).unwrap();
    world.app.reset();
    world.user("bob@example.com");
    let new = world.app.due(world.now).unwrap();
    assert_ne!(old.id, new.id);
    world.app.delivered(old.id, Some(200), world.now);
    assert_eq!(world.app.undelivered(), 1);
}
