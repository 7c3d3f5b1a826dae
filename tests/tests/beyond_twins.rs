//! What real systems may do and the twins never do: two changes of one time, a value that does not stay as written.

use std::sync::atomic::Ordering;

use connectors::port::{Answer, Body, Message, Observed, Request, Verb};
use dsl::schema::Change;
use dsl::value::Duration;
use engine::testing::decide::{Input, Source};
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, instead, pass, sign_up, simulation, trouble, user};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

/// A user and the contact of it; gives their ids.
fn pair(simulation: &mut Simulation) -> (String, u64) {
    let values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"});
    let user = sign_up(simulation, values);
    pass(simulation, Duration::seconds(20));
    let contact = crm(simulation).find("Contact", "email", EMAIL).expect("the contact is made").id;
    (user, contact)
}

#[test]
fn of_two_messages_of_one_time_neither_is_believed_and_the_record_is_read() {
    let mut simulation = simulation();
    let (_, id) = pair(&mut simulation);
    let now = simulation.now();
    crm(&simulation).edit("Contact", id, &[("phone", "222")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(user(&simulation, EMAIL, "phone"), "222");
    // What stood there for less than a millisecond is told last.
    let observed = Observed {
        id: id.to_string(),
        fields: [("phone".to_owned(), "111".into())].into(),
        changed_at: Some(now),
        ..Observed::default()
    };
    let body = Body::Record { entity: "Contact".to_owned(), change: Change::Updated, observed };
    let name = "contact.propertyChange".to_owned();
    let message = Message { name, at: now, dedupe: "told last".to_owned(), own: false, body };
    let (system, source) = ("crm".to_owned(), Source::Webhook);
    let input = Input::Delivery { system, messages: vec![message], malformed: Vec::new(), source };
    simulation.input(&input).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(user(&simulation, EMAIL, "phone"), "222");
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("222"));
}

#[test]
fn a_field_that_does_not_stay_as_written_is_left_to_people_until_it_changes_and_the_others_flow() {
    let mut simulation = simulation();
    let (user, id) = pair(&mut simulation);
    let is_update = |request: &Request| matches!(request.verb, Verb::Update { .. });
    let fields = [("jobtitle".to_owned(), "n/a".into())].into();
    let held = Observed { id: id.to_string(), fields, ..Observed::default() };
    let writes = instead(&mut simulation, "crm", is_update, move |_| Some(Answer::Record(held.clone())));
    for (title, tries) in [("Clerk", 2), ("Countess", 3)] {
        let now = simulation.now();
        app(&simulation).edit("User", &user, json!({ "jobTitle": title }), now).expect("taken");
        pass(&mut simulation, Duration::minutes(1));
        assert_eq!(writes.load(Ordering::Relaxed), tries, "{title}");
        let shown = trouble(&simulation);
        assert!(matches!(shown.as_slice(), [one] if one.contains("keeps `n/a` instead of")), "{shown:?}");
    }
    simulation.answer_instead(None);
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"firstName": "Augusta"}), now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(contact(&simulation, EMAIL, "firstname").as_deref(), Some("Augusta"));
}

#[test]
fn two_systems_that_replace_each_others_value_are_shown_and_left_alone_until_somebody_wants_another() {
    let mut simulation = simulation();
    let (user, id) = pair(&mut simulation);
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({ "phone": "111" }), now).expect("taken");
    let mut replaced = 0;
    for _ in 0..60 {
        pass(&mut simulation, Duration::seconds(2));
        let now = simulation.now();
        // Each has its own form of it, and answers what it is sent some time later.
        if contact(&simulation, EMAIL, "phone").as_deref() == Some("111") {
            crm(&simulation).edit("Contact", id, &[("phone", "+111")], now).expect("taken");
            replaced += 1;
        }
        if self::user(&simulation, EMAIL, "phone") == "+111" {
            app(&simulation).edit("User", &user, json!({ "phone": "111" }), now).expect("taken");
            replaced += 1;
        }
    }
    assert!(replaced <= 7, "{replaced} writes were answered");
    let shown = trouble(&simulation);
    assert!(
        matches!(shown.as_slice(), [one] if one.contains("it becomes `") && one.contains("111` each time")),
        "{shown:?}"
    );
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({ "phone": "222" }), now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("222"));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}
