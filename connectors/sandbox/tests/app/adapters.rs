//! The adapters against the twins: the two sides of one contract.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use connectors::operations::{Operations, Template};
use connectors::port::{Answer, Body, Connector, Input, LinkChange, Refusal, Request, Verb};
use connectors::rest::Rest;
use connectors::secret::Secret;
use dsl::schema::Change;
use dsl::value::{Duration, Timestamp};
use sandbox::app::{App, Settings};
use sandbox::mail::Mail;
use sandbox::{InProcess, When};
use serde_json::{Value as Json, json};

use super::{TOKEN, World, lock};

fn adapter() -> (Rest, Arc<Mutex<App>>, Timestamp) {
    let World { app, now } = World::new();
    let app = Arc::new(Mutex::new(app));
    let transport = Arc::new(InProcess::new(Arc::clone(&app), move || now));
    (Rest::new("http://app.test", Secret::new(TOKEN), lock::shipped(), transport), app, now)
}

fn input(key: &str, id: Option<&str>, values: &Json) -> Input {
    let values = values.as_object().unwrap().clone().into_iter().collect();
    Input { key: key.into(), id: id.map(str::to_owned), values, links: BTreeMap::new() }
}

fn verb(name: &str, entity: &str) -> Verb {
    let entity = entity.to_owned();
    match name {
        "create" => Verb::Create { entity },
        "update" => Verb::Update { entity },
        "delete" => Verb::Delete { entity },
        by => Verb::Read { entity, by: by.to_owned(), fields: Vec::new(), links: Vec::new() },
    }
}

async fn one(rest: &Rest, verb: Verb, input: Input) -> Answer {
    let [answer] = rest.perform(&Request { verb, inputs: vec![input] }).await.try_into().unwrap();
    answer
}

#[tokio::test]
async fn the_adapter_makes_reads_changes_and_deletes_records_of_the_twin() {
    let (rest, app, now) = adapter();
    let made = one(&rest, verb("create", "User"), input("k1", None, &json!({ "email": "ada@example.com" }))).await;
    let Answer::Record(made) = made else { panic!("{made:?}") };
    assert_eq!((made.id.as_str(), made.changed_at, made.links["subscription"].as_ref()), ("user-1", Some(now), None));

    let mut deal = input("k2", None, &json!({ "name": "d", "stage": "proposal", "amount": "49.00" }));
    deal.links.insert("user".into(), LinkChange { remove: None, add: Some("user-1".into()) });
    let Answer::Record(deal) = one(&rest, verb("create", "Deal"), deal).await else { panic!("no deal") };
    assert_eq!((deal.links["user"].as_deref(), &deal.fields["amount"]), (Some("user-1"), &json!("49.00")));

    let changed = one(&rest, verb("update", "User"), input("k3", Some("user-1"), &json!({ "phone": "1" }))).await;
    assert!(matches!(changed, Answer::Record(changed) if changed.changed_at == Some(now.plus(Duration(1)))));
    let read = one(&rest, verb("email", "User"), input("k4", Some("ada@example.com"), &json!({}))).await;
    assert!(matches!(read, Answer::Record(read) if read.fields["phone"] == "1"));

    assert_eq!(one(&rest, verb("delete", "User"), input("k5", Some("user-1"), &json!({}))).await, Answer::Done);
    assert_eq!(one(&rest, verb("id", "User"), input("k6", Some("user-1"), &json!({}))).await, Answer::Missing);
    assert_eq!(app.lock().unwrap().record("Deal", "deal-1").unwrap()["user"], Json::Null);
}

#[tokio::test]
async fn refusals_of_the_twin_are_told_apart() {
    let (rest, app, now) = adapter();
    let taken = app.lock().unwrap().create("User", json!({ "email": "ada@example.com" }), now).unwrap();
    let request = Request {
        verb: verb("create", "User"),
        inputs: vec![
            input("k1", None, &json!({ "email": "ada@example.com" })),
            input("k2", None, &json!({ "email": "bob@example.com", "region": "mars" })),
            input("k3", None, &json!({ "email": "eve@example.com" })),
        ],
    };
    let [exists, invalid, made] = rest.perform(&request).await.try_into().unwrap();
    assert!(matches!(exists, Answer::Refused { refusal: Refusal::Exists(Some(id)), .. } if id == taken));
    assert!(matches!(invalid, Answer::Refused { refusal: Refusal::Invalid(_), reason } if reason.contains("region")));
    assert!(matches!(made, Answer::Record(_)), "{made:?}");
    app.lock().unwrap().fail_next(1, 429);
    let limited = one(&rest, verb("id", "User"), input("k4", Some("user-1"), &json!({}))).await;
    assert!(matches!(limited, Answer::RateLimited { after: Some(_), .. }), "{limited:?}");
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_repeated_without_a_second_record() {
    let (rest, app, _) = adapter();
    app.lock().unwrap().drop_next(1, When::After);
    let create = || input("k1", None, &json!({ "email": "ada@example.com" }));
    assert!(matches!(one(&rest, verb("create", "User"), create()).await, Answer::Unknown { .. }));
    assert!(matches!(one(&rest, verb("create", "User"), create()).await, Answer::Record(made) if made.id == "user-1"));
    assert_eq!(app.lock().unwrap().count("User"), 1);
}

#[tokio::test]
async fn pages_of_the_twin_lead_through_all_records() {
    let (rest, app, now) = adapter();
    for n in 0..250 {
        app.lock().unwrap().create("User", json!({ "email": format!("u{n}@example.com") }), now).unwrap();
    }
    let (mut cursor, mut sizes) = (None, Vec::new());
    loop {
        let verb = Verb::List { entity: "User".into(), fields: Vec::new(), links: Vec::new(), since: Some(now) };
        let answer = one(&rest, verb, Input { id: cursor, ..Input::default() }).await;
        let Answer::Page { records, next } = answer else { panic!("{answer:?}") };
        sizes.push(records.len());
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 50]);
}

#[tokio::test]
async fn operations_reach_the_twin_once_by_key() {
    let (rest, app, now) = adapter();
    {
        let mut app = app.lock().unwrap();
        let user = app.create("User", json!({ "email": "ada@example.com" }), now).unwrap();
        let values = json!({ "user": { "id": user }, "plan": "pro", "price": "49.00" });
        app.create("Subscription", values, now).unwrap();
    }
    for _ in 0..2 {
        let call = input("k1", None, &json!({ "subscriptionId": "subscription-1" }));
        let answer = one(&rest, Verb::Operation { name: "activateSubscription".into() }, call).await;
        assert_eq!(answer, Answer::Result(BTreeMap::from([("status".into(), json!("active"))])));
    }
    assert_eq!(app.lock().unwrap().operations().len(), 1);
}

#[test]
fn the_adapter_reads_every_message_of_the_twin_by_either_door() {
    let World { mut app, now } = World::with(Settings {
        kafka: true,
        webhook: Some(sandbox::app::WebhookTarget { url: "http://engine.test".into(), secret: "s".into() }),
        ..Settings::default()
    });
    let user = app.create("User", json!({ "email": "ada@example.com" }), now).unwrap();
    app.login(&user, now).unwrap();
    app.delete("User", &user, now).unwrap();
    let rest = adapter().0;
    let by_kafka: Vec<_> =
        app.outgoing().iter().flat_map(|message| rest.read(&message.body).unwrap().messages).collect();
    let by_webhook = rest.read(&app.due(now).unwrap().body).unwrap().messages;
    assert_eq!(by_kafka, by_webhook);
    let [created, login, deleted] = by_kafka.try_into().unwrap();
    assert!(matches!(&created.body, Body::Record { change: Change::Created, observed, .. } if observed.id == user));
    assert!(
        matches!(&login.body, Body::Event { event, fields } if event == "Login" && fields["email"] == "ada@example.com")
    );
    assert!(matches!(&deleted.body, Body::Record { change: Change::Deleted, observed, .. } if observed.id == user));
}

/// The templates of the shipped `engine.yaml`.
fn shipped_operations() -> (BTreeMap<String, String>, BTreeMap<String, Template>) {
    let settings: Json = serde_yaml::from_str(include_str!("../../../../rules/engine.yaml")).unwrap();
    let mail = &settings["systems"]["mail"];
    let template = |one: &Json| Template {
        method: one["method"].as_str().unwrap().parse().unwrap(),
        path: one["path"].as_str().unwrap().to_owned(),
        body: one["body"].clone(),
        done: BTreeMap::new(),
    };
    let operations = mail["operations"].as_object().unwrap();
    (
        serde_json::from_value(mail["roles"].clone()).unwrap(),
        operations.iter().map(|(name, one)| (name.clone(), template(one))).collect(),
    )
}

#[tokio::test]
async fn the_shipped_settings_call_every_operation_of_the_mail_lock() {
    let (roles, operations) = shipped_operations();
    let declared = lock::read(include_str!("../../../../rules/schemas/mail.lock")).operations;
    assert_eq!(operations.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>());
    let mail = Arc::new(Mutex::new(Mail::new(Some(TOKEN.into()))));
    let transport = Arc::new(InProcess::new(Arc::clone(&mail), || Timestamp(1)));
    let adapter = Operations::new("http://mail.test", Some(Secret::new(TOKEN).into()), roles, operations, transport);
    let about = json!({ "id": "7" });
    let calls = [
        ("email", json!({ "template": "welcome", "to": "ada@example.com", "about": about })),
        ("survey", json!({ "template": "closed-lost", "to": "ada@example.com" })),
        ("notify", json!({ "role": "sales-manager", "about": about, "text": "Ada - pro is in negotiation" })),
    ];
    for (name, values) in calls {
        let request = Request {
            verb: Verb::Operation { name: name.into() },
            inputs: vec![input(&format!("key of {name}"), None, &values)],
        };
        let answers = adapter.perform(&request).await;
        assert!(matches!(answers.as_slice(), [Answer::Result(_)]), "{name}: {answers:?}");
    }
    let mail = mail.lock().unwrap();
    let sent: Vec<_> = mail.sent().iter().map(|sent| (sent.path.as_str(), sent.body.clone())).collect();
    assert_eq!(
        sent,
        [
            ("/send", json!({ "to": "ada@example.com", "template": "welcome", "about": about })),
            ("/survey", json!({ "to": "ada@example.com", "template": "closed-lost", "about": null })),
            (
                "/notify",
                json!({ "role": "sales-manager", "to": "sales-lead@example.com", "person": null, "about": about,
                        "text": "Ada - pro is in negotiation" })
            ),
        ]
    );
}
