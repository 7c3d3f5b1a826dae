//! Answers that do not say "done", again and again: what is tried less and less often, and shown to people in time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use connectors::port::{Answer, Input, LimitWindow, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, instead, pass, sign_up, simulation, trouble, with};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

fn pair(simulation: &mut Simulation) -> String {
    let values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"});
    let user = sign_up(simulation, values);
    pass(simulation, Duration::seconds(20));
    assert!(contact(simulation, EMAIL, "phone").is_some(), "the contact is made");
    user
}

fn set_phone(simulation: &Simulation, user: &str, phone: &str) {
    let now = simulation.now();
    app(simulation).edit("User", user, json!({ "phone": phone }), now).expect("taken");
}

fn unknown() -> Answer {
    Answer::Unknown { cause: "HTTP 504 Gateway Timeout".to_owned() }
}

fn retry() -> Answer {
    Answer::Retry { after: None, cause: "HTTP 503 Service Unavailable".to_owned() }
}

fn is_update(request: &Request) -> bool {
    matches!(request.verb, Verb::Update { .. })
}

#[test]
fn a_write_in_doubt_again_and_again_is_sent_less_and_less_often_and_shown() {
    let mut simulation = simulation();
    let user = pair(&mut simulation);
    let tries = instead(&mut simulation, "crm", is_update, |_| Some(unknown()));
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::hours(1));
    let first_hour = tries.load(Ordering::Relaxed);
    assert!((8..=20).contains(&first_hour), "{first_hour} tries in the first hour");
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    pass(&mut simulation, Duration::hours(6));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("crm") && one.contains("504")), "{shown:?}");
    let later = tries.load(Ordering::Relaxed) - first_hour;
    assert!((20..=60).contains(&later), "{later} tries in six more hours");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::minutes(16));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("111"));
    assert_eq!(trouble(&simulation), Vec::<String>::new(), "and shown no more once it went through");
}

#[test]
fn a_write_that_took_effect_without_an_answer_is_settled_by_the_read_back() {
    let mut simulation = simulation();
    let user = pair(&mut simulation);
    // The write lands, and the answer is lost.
    crm(&simulation).faults().drop_next(1, sandbox::When::After);
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("111"));
    let tries = instead(&mut simulation, "crm", is_update, |_| Some(unknown()));
    pass(&mut simulation, Duration::minutes(10));
    assert_eq!(tries.load(Ordering::Relaxed), 0, "nothing is left to be sent");
    // The next change goes out at once: nothing is held back any more.
    simulation.answer_instead(None);
    set_phone(&simulation, &user, "222");
    pass(&mut simulation, Duration::seconds(1));
    assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("222"));
}

#[test]
fn twenty_tries_are_shown_whatever_became_of_the_twentieth() {
    for last in [retry as fn() -> Answer, unknown] {
        let mut simulation = simulation();
        let user = pair(&mut simulation);
        instead(&mut simulation, "crm", is_update, move |n| {
            Some(if n == 19 {
                last()
            } else if n % 2 == 0 {
                retry()
            } else {
                unknown()
            })
        });
        set_phone(&simulation, &user, "111");
        pass(&mut simulation, Duration::hours(12));
        assert_eq!(trouble(&simulation).len(), 1, "{:?}", trouble(&simulation));
    }
}

#[test]
fn what_cannot_be_reached_stays_shown_until_it_went_through() {
    let mut simulation = simulation();
    let user = pair(&mut simulation);
    instead(&mut simulation, "crm", is_update, |_| Some(retry()));
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::hours(6));
    assert_eq!(trouble(&simulation).len(), 1, "{:?}", trouble(&simulation));
    // Another edit is merged meanwhile, and a retry comes and goes.
    set_phone(&simulation, &user, "222");
    pass(&mut simulation, Duration::seconds(2));
    assert_eq!(trouble(&simulation).len(), 1, "{:?}", trouble(&simulation));
    pass(&mut simulation, Duration::hours(1));
    assert_eq!(trouble(&simulation).len(), 1, "{:?}", trouble(&simulation));
    // Where the two sides agree by themselves, nothing is left to be sent, and nothing to be shown.
    set_phone(&simulation, &user, "0");
    pass(&mut simulation, Duration::seconds(2));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_create_in_doubt_again_and_again_is_sent_less_and_less_often_and_shown() {
    // A note has no key of its own and is found again by ours; a contact by its address.
    for (made, entity) in [("Note", "Note"), ("User", "Contact")] {
        let mut simulation = simulation();
        let user = pair(&mut simulation);
        let creates = move |request: &Request| request.verb == Verb::Create { entity: entity.to_owned() };
        let tries = instead(&mut simulation, "crm", creates, |_| Some(unknown()));
        let now = simulation.now();
        let values = if made == "Note" {
            json!({"user": {"id": user}, "body": "Called"})
        } else {
            json!({"email": "eve@example.com", "firstName": "Eve", "lastName": "L", "lifetimeValue": "0"})
        };
        app(&simulation).create(made, values, now).expect("taken");
        pass(&mut simulation, Duration::hours(1));
        let first_hour = tries.load(Ordering::Relaxed);
        assert!((5..=25).contains(&first_hour), "{entity}: {first_hour} tries in the first hour");
        pass(&mut simulation, Duration::hours(6));
        let shown = trouble(&simulation);
        assert!(matches!(shown.as_slice(), [one] if one.contains("504")), "{entity}: {shown:?}");
        simulation.answer_instead(None);
        pass(&mut simulation, Duration::minutes(16));
        assert_eq!(crm(&simulation).records(entity).count(), if made == "Note" { 1 } else { 2 });
        assert_eq!(trouble(&simulation), Vec::<String>::new(), "{entity}");
    }
}

#[test]
fn a_list_that_is_refused_is_shown_and_not_asked_for_at_pace() {
    let mut simulation = simulation();
    let now = simulation.now();
    app(&simulation).create("Company", json!({"name": "A", "domain": "a.example.com"}), now).expect("taken");
    let lists = |request: &Request| matches!(&request.verb, Verb::List { entity, .. } if entity == "Company");
    let refused = || Answer::Refused { reason: "no list of companies".to_owned(), refusal: Refusal::Other };
    let tries = instead(&mut simulation, "app", lists, move |_| Some(refused()));
    pass(&mut simulation, Duration::hours(2));
    let shown = trouble(&simulation);
    assert!(
        matches!(shown.as_slice(), [one] if one.contains("app.Company") && one.contains("no list of companies")),
        "{shown:?}"
    );
    let tries = tries.load(Ordering::Relaxed);
    assert!((2..=25).contains(&tries), "{tries} tries in two hours");
    simulation.answer_instead(None);
    pass(&mut simulation, Duration::hours(1));
    assert_eq!(crm(&simulation).records("Company").count(), 1);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_list_whose_cursor_is_refused_begins_anew() {
    let mut simulation = simulation();
    let now = simulation.now();
    for n in 0..250 {
        let values = json!({"name": format!("Company {n}"), "domain": format!("c{n}.example.com")});
        app(&simulation).create("Company", values, now).expect("taken");
    }
    let further = |request: &Request| {
        matches!(&request.verb, Verb::List { entity, .. } if entity == "Company")
            && request.inputs.iter().any(|input| input.id.is_some())
    };
    let refused = || Answer::Refused { reason: "the cursor has expired".to_owned(), refusal: Refusal::Other };
    let tries = instead(&mut simulation, "app", further, move |n| (n == 0).then(refused));
    pass(&mut simulation, Duration::hours(2));
    assert!(tries.load(Ordering::Relaxed) > 1, "the list has further pages");
    assert_eq!(crm(&simulation).records("Company").count(), 250);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_list_that_never_comes_is_shown() {
    let mut simulation = simulation();
    let lists = |request: &Request| matches!(&request.verb, Verb::List { entity, .. } if entity == "Company");
    let tries = instead(&mut simulation, "app", lists, |_| Some(retry()));
    pass(&mut simulation, Duration::hours(3));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("app.Company") && one.contains("503")), "{shown:?}");
    let tries = tries.load(Ordering::Relaxed);
    assert!((20..=60).contains(&tries), "{tries} tries in three hours");
}

#[test]
fn an_archiving_is_tried_until_it_is_done() {
    let unsuccessful: [fn() -> Answer; 4] = [
        retry,
        unknown,
        || Answer::RateLimited { after: None, window: LimitWindow::Unknown, policy: None },
        || Answer::Split,
    ];
    for answer in unsuccessful {
        let mut simulation = with("contacts.rules", "on delete in app review", "on delete in app archive");
        let user = pair(&mut simulation);
        let deletes = |request: &Request| matches!(request.verb, Verb::Delete { .. });
        let tries = instead(&mut simulation, "crm", deletes, move |n| (n < 3).then(answer));
        let now = simulation.now();
        app(&simulation).delete("User", &user, now).expect("taken");
        pass(&mut simulation, Duration::minutes(1));
        assert_eq!(tries.load(Ordering::Relaxed), 4, "{:?}", answer());
        assert_eq!(crm(&simulation).records("Contact").count(), 0, "{:?}", answer());
        assert_eq!(trouble(&simulation), Vec::<String>::new());
    }
}

#[test]
fn an_archiving_that_never_succeeds_is_shown() {
    let mut simulation = with("contacts.rules", "on delete in app review", "on delete in app archive");
    let user = pair(&mut simulation);
    let deletes = |request: &Request| matches!(request.verb, Verb::Delete { .. });
    let tries = instead(&mut simulation, "crm", deletes, |_| Some(retry()));
    let now = simulation.now();
    app(&simulation).delete("User", &user, now).expect("taken");
    pass(&mut simulation, Duration::hours(6));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("503")), "{shown:?}");
    let tries = tries.load(Ordering::Relaxed);
    assert!((20..=45).contains(&tries), "{tries} tries in six hours");
}

/// What a system should never say to such a request says nothing of what became of it.
#[test]
fn an_answer_that_does_not_fit_is_as_good_as_none() {
    let page = || Answer::Page { records: Vec::new(), next: None };
    let unfit: [fn() -> Answer; 3] = [|| Answer::Done, page, || Answer::Result(Default::default())];
    for answer in unfit {
        let mut simulation = simulation();
        let user = pair(&mut simulation);
        let tries = instead(&mut simulation, "crm", is_update, move |n| (n < 3).then(answer));
        set_phone(&simulation, &user, "111");
        pass(&mut simulation, Duration::minutes(1));
        assert_eq!(tries.load(Ordering::Relaxed), 4, "{:?}", answer());
        assert_eq!(contact(&simulation, EMAIL, "phone").as_deref(), Some("111"));
    }
}

/// A hundred customers sign up at once, and HubSpot refuses each request that holds the 38th of them, as a whole; what
/// it says of each input where there are more than one is `says`. Gives how many inputs each of the requests had.
fn one_bad_among_a_hundred(says: impl Fn(bool) -> Answer + 'static) -> Vec<usize> {
    let mut simulation = simulation();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let sizes = Arc::clone(&requests);
    simulation.answer_instead(Some(Box::new(move |system, request: &Request| {
        if system != "crm" || !matches!(request.verb, Verb::Create { .. }) {
            return None;
        }
        sizes.lock().expect("no test panics with it").push(request.inputs.len());
        let is_bad = |input: &Input| input.values.get("email") == Some(&json!("user37@example.com"));
        if !request.inputs.iter().any(is_bad) {
            return None;
        }
        let refused = || Answer::Refused { reason: "no".to_owned(), refusal: Refusal::Other };
        let alone = request.inputs.len() == 1;
        let answer = |input: &Input| if alone { refused() } else { says(is_bad(input)) };
        Some(request.inputs.iter().map(answer).collect())
    })));
    for n in 0..100 {
        sign_up(&simulation, json!({"email": format!("user{n}@example.com"), "firstName": "A", "lastName": "B"}));
    }
    pass(&mut simulation, Duration::minutes(2));
    assert_eq!(crm(&simulation).records("Contact").count(), 99);
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("refuses: no")), "{shown:?}");
    requests.lock().expect("no test panics with it").clone()
}

#[test]
fn a_record_that_a_refusal_of_a_hundred_may_be_about_is_found_by_two_more_calls() {
    let mut sizes = one_bad_among_a_hundred(|bad| if bad { Answer::Suspect } else { Answer::Split });
    assert_eq!(sizes.remove(0), 100);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 99]);
}

#[test]
fn a_wrong_suspicion_costs_no_record_its_place() {
    // It is the 38th, and the refusal seems to be about all others.
    let sizes = one_bad_among_a_hundred(|bad| if bad { Answer::Split } else { Answer::Suspect });
    assert_eq!(sizes.len(), 3, "{sizes:?}");
}

#[test]
fn a_record_of_which_a_refusal_of_a_hundred_says_nothing_is_found_by_halves() {
    let sizes = one_bad_among_a_hundred(|_| Answer::Split);
    // A hundred, and then two halves of what was refused, down to one.
    assert_eq!(sizes[0], 100);
    assert!(sizes.len() <= 15, "{sizes:?}");
    assert_eq!(sizes.iter().filter(|size| **size == 50).count(), 2, "{sizes:?}");
}
