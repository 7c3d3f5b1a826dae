//! Lines that a write cannot settle: what one side refuses, keeps in another form, or cannot be without.

use std::sync::atomic::Ordering;

use connectors::port::{Answer, Observed, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::decide::{Input, OperatorCommand};
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, instead, pass, sign_up, simulation, trouble, user, with};
use serde_json::{Value as Json, json};

const EMAIL: &str = "ada@example.com";

const LAST_NAME: &str = "lastName            <-> lastname";

fn ada(simulation: &mut Simulation, more: Json) -> String {
    let mut values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"});
    values.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let id = sign_up(simulation, values);
    pass(simulation, Duration::seconds(30));
    id
}

fn edit(simulation: &mut Simulation, id: &str, values: Json) {
    let now = simulation.now();
    app(simulation).edit("User", id, values, now).expect("taken");
    pass(simulation, Duration::minutes(1));
}

fn carries(property: &'static str) -> impl Fn(&Request) -> bool + 'static {
    move |request| {
        matches!(request.verb, Verb::Create { .. } | Verb::Update { .. })
            && request.inputs.iter().any(|input| input.values.contains_key(property))
    }
}

fn no_such(property: &'static str) -> Answer {
    let reason = format!("Property \"{property}\" does not exist");
    Answer::Refused { reason, refusal: Refusal::Invalid(Some(property.to_owned())) }
}

#[test]
fn a_refusal_that_names_a_field_holds_that_line_and_the_others_flow() {
    let mut simulation = simulation();
    let id = ada(&mut simulation, json!({"phone": "1"}));
    let tries = instead(&mut simulation, "crm", carries("phone"), |_| Some(no_such("phone")));
    edit(&mut simulation, &id, json!({"phone": "2", "firstName": "Grace"}));
    assert_eq!(contact(&simulation, EMAIL, "firstname").as_deref(), Some("Grace"));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("phone") && one.contains("does not exist")), "{shown:?}");
    // Nothing is asked again for the same value, whatever else changes.
    let before = tries.load(Ordering::Relaxed);
    edit(&mut simulation, &id, json!({"firstName": "Joan"}));
    assert_eq!(contact(&simulation, EMAIL, "firstname").as_deref(), Some("Joan"));
    assert_eq!(tries.load(Ordering::Relaxed), before);
    assert_eq!(trouble(&simulation).len(), 1);
    // Another value is tried, and what was mended goes on.
    simulation.answer_instead(None);
    edit(&mut simulation, &id, json!({"phone": "3"}));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("3"));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_person_who_has_mended_what_was_refused_has_the_same_value_tried_again() {
    let mut simulation = simulation();
    let id = ada(&mut simulation, json!({"phone": "1"}));
    instead(&mut simulation, "crm", carries("phone"), |_| Some(no_such("phone")));
    edit(&mut simulation, &id, json!({"phone": "2"}));
    simulation.answer_instead(None);
    let shown = trouble(&simulation);
    let link = shown[0].trim_start_matches("link l").split(' ').next().and_then(|n| n.parse().ok()).expect("a link");
    let command = OperatorCommand::RetryLink { link };
    simulation.input(&Input::Operator { who: "eve".to_owned(), command }).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("2"));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_new_record_is_made_without_the_field_that_is_refused_but_not_without_its_key() {
    let mut simulation = simulation();
    instead(&mut simulation, "crm", carries("phone"), |_| Some(no_such("phone")));
    ada(&mut simulation, json!({"phone": "1"}));
    assert_eq!(contact(&simulation, EMAIL, "firstname").as_deref(), Some("Ada"));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("phone")), "{shown:?}");

    let mut simulation = self::simulation();
    instead(&mut simulation, "crm", carries("email"), |_| Some(no_such("email")));
    ada(&mut simulation, json!({}));
    assert_eq!(crm(&simulation).records("Contact").count(), 0);
    assert_eq!(trouble(&simulation).len(), 1);
}

#[test]
fn a_value_that_is_kept_in_another_form_is_shown_with_both_forms_and_wakes_when_the_source_changes() {
    let mut simulation = simulation();
    let id = ada(&mut simulation, json!({"jobTitle": "clerk"}));
    let contact_id = crm(&simulation).find("Contact", "email", EMAIL).expect("made").id.to_string();
    let tries = instead(&mut simulation, "crm", carries("jobtitle"), move |_| {
        let fields = [("jobtitle".to_owned(), json!("CL"))].into();
        Some(Answer::Record(Observed { id: contact_id.clone(), fields, ..Observed::default() }))
    });
    edit(&mut simulation, &id, json!({"jobTitle": "director"}));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("keeps `CL` instead of `director`")), "{shown:?}");
    let before = tries.load(Ordering::Relaxed);
    assert_eq!(before, 2);
    edit(&mut simulation, &id, json!({"firstName": "Grace"}));
    assert_eq!(contact(&simulation, EMAIL, "firstname").as_deref(), Some("Grace"));
    assert_eq!((tries.load(Ordering::Relaxed), trouble(&simulation).len()), (before, 1));
    simulation.answer_instead(None);
    edit(&mut simulation, &id, json!({"jobTitle": "chair"}));
    assert_eq!(contact(&simulation, EMAIL, "jobtitle").as_deref(), Some("chair"));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn what_hubspot_does_to_a_value_by_itself_is_no_difference() {
    let mut simulation = simulation();
    let id = ada(&mut simulation, json!({"email": " Ada@Example.COM", "lastName": "L "}));
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!(contact(&simulation, EMAIL, "lastname").as_deref(), Some("L"));
    assert_eq!(app(&simulation).record("User", &id).map(|user| json!(user)["lastName"].clone()), Some(json!("L ")));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    edit(&mut simulation, &id, json!({"email": "Ada.King@Example.com "}));
    assert!(contact(&simulation, "ada.king@example.com", "email").is_some());
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn an_address_is_one_key_whatever_its_case_and_blanks() {
    for (theirs, ours) in [("ada@example.com", "Ada@Example.com "), ("ada@example.com", " ADA@example.com")] {
        let mut simulation = simulation();
        let now = simulation.now();
        crm(&simulation)
            .create("Contact", &[("email", theirs), ("firstname", "Ada"), ("lastname", "L")], now)
            .expect("taken");
        sign_up(&simulation, json!({"email": ours, "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"}));
        pass(&mut simulation, Duration::minutes(2));
        assert_eq!((crm(&simulation).records("Contact").count(), app(&simulation).count("User")), (1, 1), "{ours:?}");
        assert_eq!(trouble(&simulation), Vec::<String>::new());
    }
}

#[test]
fn a_cleared_value_that_the_other_side_cannot_be_without_is_put_back_or_shown() {
    for (policy, shown) in [("app wins", 0), ("crm wins", 1), ("newest wins", 1), ("review", 1)] {
        let mut simulation = with("contacts.rules", LAST_NAME, &format!("{LAST_NAME} {policy}"));
        ada(&mut simulation, json!({}));
        let id = crm(&simulation).find("Contact", "email", EMAIL).expect("made").id;
        let now = simulation.now();
        crm(&simulation).edit("Contact", id, &[("lastname", "")], now).expect("taken");
        pass(&mut simulation, Duration::minutes(2));
        assert_eq!(user(&simulation, EMAIL, "lastName"), "L", "{policy}");
        let back = if shown == 0 { Some("L") } else { None };
        assert_eq!(
            contact(&simulation, EMAIL, "lastname").filter(|name| !name.is_empty()).as_deref(),
            back,
            "{policy}"
        );
        let told = trouble(&simulation);
        assert_eq!(told.len(), shown, "{policy}: {told:?}");
        assert!(told.iter().all(|one| one.contains("cannot be without: it keeps `L`")), "{told:?}");
        // Somebody gives it a name again.
        let now = simulation.now();
        crm(&simulation).edit("Contact", id, &[("lastname", "King")], now).expect("taken");
        pass(&mut simulation, Duration::minutes(2));
        assert_eq!(trouble(&simulation), Vec::<String>::new(), "{policy}");
    }
}
