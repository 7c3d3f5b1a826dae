//! A system that refuses whoever asks (401, 403): everything waits with it, it is told once, and nothing fails for it.

use std::sync::atomic::Ordering;

use connectors::port::{Answer, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::decide::views;
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, customer, instead, mail, move_deal, pass, sign_up, simulation, trouble, with};
use serde_json::json;

fn refused(refusal: Refusal) -> Answer {
    let reason = match refusal {
        Refusal::Forbidden => "HTTP 403 Forbidden: it needs crm.objects.contacts.write",
        _ => "HTTP 401 Unauthorized: the token is not known",
    };
    Answer::Refused { reason: reason.to_owned(), refusal }
}

fn users(simulation: &mut Simulation, count: usize) -> Vec<String> {
    let email = |n: usize| format!("u{n}@example.com");
    let made = (0..count)
        .map(|n| {
            sign_up(simulation, json!({"email": email(n), "firstName": "Old", "lastName": "L", "lifetimeValue": "0"}))
        })
        .collect();
    pass(simulation, Duration::seconds(30));
    made
}

fn rename(simulation: &Simulation, users: &[String]) {
    let now = simulation.now();
    for user in users {
        app(simulation).edit("User", user, json!({"firstName": "New"}), now).expect("taken");
    }
}

fn renamed(simulation: &Simulation) -> usize {
    crm(simulation)
        .records("Contact")
        .filter(|contact| contact.properties.get("firstname").is_some_and(|n| n == "New"))
        .count()
}

#[test]
fn a_token_that_is_refused_parks_no_record_and_everything_goes_on_by_itself() {
    let mut simulation = simulation();
    let made = users(&mut simulation, 20);
    let tries = instead(&mut simulation, "crm", |_| true, |_| Some(refused(Refusal::Unauthenticated)));
    rename(&simulation, &made);
    // Somebody new, too: what would be looked up or made waits as well.
    sign_up(
        &simulation,
        json!({"email": "new@example.com", "firstName": "New", "lastName": "L", "lifetimeValue": "0"}),
    );
    pass(&mut simulation, Duration::hours(12));
    let shown = trouble(&simulation);
    assert!(
        matches!(shown.as_slice(), [one] if one.starts_with("system crm") && one.contains("refuses the engine's token")),
        "{shown:?}"
    );
    assert!(views::incidents(simulation.rows()).expect("readable").iter().all(|incident| !incident.parked));
    let tries = tries.load(Ordering::Relaxed);
    assert!((140..=180).contains(&tries), "{tries} tries in twelve hours: pauses grow to five minutes");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::minutes(6));
    assert_eq!(renamed(&simulation), 21);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_scope_that_is_missing_is_named_and_the_kind_of_request_that_lacks_it_finds_out_when_it_is_granted() {
    let mut simulation = simulation();
    let made = users(&mut simulation, 3);
    let updates = |request: &Request| matches!(&request.verb, Verb::Update { entity } if entity == "Contact");
    instead(&mut simulation, "crm", updates, |_| Some(refused(Refusal::Forbidden)));
    rename(&simulation, &made);
    pass(&mut simulation, Duration::hours(1));
    let shown = trouble(&simulation);
    assert!(
        matches!(shown.as_slice(), [one] if one.contains("does not let the engine update Contact")
            && one.contains("crm.objects.contacts.write")),
        "{shown:?}"
    );
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::minutes(6));
    assert_eq!(renamed(&simulation), 3);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_step_whose_system_refuses_the_token_for_days_does_not_fail() {
    for change in [
        (
            "retry 5 times, first after 1 minute, at most 1 hour apart",
            "retry 5 times, first after 1 minute, at most 1 hour apart",
        ),
        ("retry 5 times, first after 1 minute, at most 1 hour apart", "timeout 2 hours"),
        ("retry 5 times, first after 1 minute, at most 1 hour apart", ""),
    ] {
        let mut simulation = with("onboarding.rules", change.0, change.1);
        customer(&mut simulation);
        instead(&mut simulation, "mail", |_| true, |_| Some(refused(Refusal::Unauthenticated)));
        move_deal(&mut simulation, "closedwon");
        pass(&mut simulation, Duration::hours(50));
        let shown = trouble(&simulation);
        assert!(matches!(shown.as_slice(), [one] if one.starts_with("system mail")), "{shown:?}");
        simulation.answer_instead(None);
        pass(&mut simulation, Duration::minutes(6));
        let welcome = mail(&simulation).sent_to("/email").filter(|sent| sent.body["template"] == "welcome").count();
        assert_eq!(welcome, 1, "{}", change.1);
        assert_eq!(trouble(&simulation), Vec::<String>::new());
        let runs = views::runs(simulation.rows(), simulation.programs()).expect("readable");
        assert!(runs.iter().all(|run| !matches!(run.state.as_str(), "failed" | "stopped")), "{runs:?}");
    }
}

#[test]
fn a_pause_that_a_system_asks_for_is_never_shorter_than_the_usual_one() {
    let one_second = || Answer::Retry {
        after: Some(std::time::Duration::from_secs(1)),
        cause: "HTTP 503 Service Unavailable".to_owned(),
    };
    // A step: five tries after a minute, two, four … outlast an hour.
    let mut simulation = simulation();
    customer(&mut simulation);
    let calls = instead(&mut simulation, "mail", |_| true, move |_| Some(one_second()));
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::minutes(5));
    let tries = calls.load(Ordering::Relaxed);
    assert!((2..=4).contains(&tries), "{tries} tries in five minutes");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::hours(1));
    assert_eq!(mail(&simulation).sent_to("/email").filter(|sent| sent.body["template"] == "welcome").count(), 1);

    // A link, a read and a list: as often as without the header.
    let (mut simulation, minute) = (self::simulation(), Duration::minutes(1));
    let made = users(&mut simulation, 1);
    let updates = |request: &Request| matches!(request.verb, Verb::Update { .. });
    let calls = instead(&mut simulation, "crm", updates, move |_| Some(one_second()));
    rename(&simulation, &made);
    pass(&mut simulation, Duration(minute.0 * 60));
    let tries = calls.load(Ordering::Relaxed);
    assert!((8..=20).contains(&tries), "{tries} writes in an hour");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::minutes(16));
    assert_eq!(renamed(&simulation), 1);

    let reads = |request: &Request| matches!(request.verb, Verb::Read { .. });
    let calls = instead(&mut simulation, "crm", reads, move |_| Some(one_second()));
    sign_up(&simulation, json!({"email": "late@example.com", "firstName": "A", "lastName": "L", "lifetimeValue": "0"}));
    pass(&mut simulation, Duration(minute.0 * 60));
    let tries = calls.load(Ordering::Relaxed);
    assert!((50..=130).contains(&tries), "{tries} reads in an hour: a minute apart in the end");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::minutes(2));
    assert!(contact(&simulation, "late@example.com", "firstname").is_some());
}
