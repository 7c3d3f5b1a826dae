//! `POST /subscriptions/{id}/activate` and `/cancel`.

use serde_json::json;

use super::{World, opened};

fn subscribed() -> (World, String) {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let values = json!({ "user": { "id": ada }, "plan": "pro", "price": "49.00" });
    let id = world.app.create("Subscription", values, world.now).unwrap();
    world.published();
    (world, id)
}

#[test]
fn activate_and_cancel_set_the_status_and_are_logged() {
    let (mut world, id) = subscribed();
    assert_eq!(
        world.call("POST", &format!("/subscriptions/{id}/activate"), json!({})),
        (200, json!({ "status": "active" }))
    );
    assert_eq!(world.app.record("Subscription", &id).unwrap()["status"], "active");
    let published = world.published();
    assert_eq!(published.len(), 1);
    assert_eq!(
        (&published[0]["type"], &published[0]["data"]["status"]),
        (&json!("subscription.updated"), &json!("active"))
    );
    let cancel = json!({ "subscriptionId": id, "reason": "too dear" });
    assert_eq!(
        world.call("POST", &format!("/subscriptions/{id}/cancel"), cancel),
        (200, json!({ "status": "cancelled" }))
    );
    let log: Vec<_> = world.app.operations().iter().map(|call| (call.name.as_str(), call.values.clone())).collect();
    assert_eq!(
        log,
        [
            ("activateSubscription", json!({}).as_object().unwrap().clone()),
            ("cancelSubscription", json!({ "reason": "too dear" }).as_object().unwrap().clone()),
        ]
    );
}

#[test]
fn an_operation_repeated_with_its_key_is_carried_out_once() {
    let (mut world, id) = subscribed();
    let path = format!("/subscriptions/{id}/activate");
    for _ in 0..3 {
        assert_eq!(opened(&world.send("POST", &path, Some("k1"), &json!({}))), (200, json!({ "status": "active" })));
    }
    let [call] = world.app.operations() else { panic!("{:?}", world.app.operations()) };
    assert_eq!((call.key.as_deref(), call.repeats), (Some("k1"), 2));
    assert_eq!(world.published().len(), 1);
}

#[test]
fn operations_that_the_lock_does_not_have_are_refused() {
    let (mut world, id) = subscribed();
    assert_eq!(world.call("POST", &format!("/subscriptions/{id}/pause"), json!({})).0, 404);
    assert_eq!(world.call("POST", "/users/user-1/activate", json!({})).0, 404);
    assert_eq!(world.call("POST", "/subscriptions/subscription-9/activate", json!({})).0, 404);
    assert_eq!(world.call("POST", &format!("/subscriptions/{id}/activate"), json!({ "reason": "x" })).0, 400);
    assert_eq!(
        world.call("POST", &format!("/subscriptions/{id}/activate"), json!({ "subscriptionId": "other" })).0,
        400
    );
    assert_eq!(world.app.operations(), []);
}
