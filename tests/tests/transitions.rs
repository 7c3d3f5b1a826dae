//! Life cycles: every transition of their tables is taken by a scenario, and ARCHITECTURE.md draws them as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::port::{Answer, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::decide::lifecycles::{Lifecycle, lifecycles};
use engine::testing::decide::{Input, OperatorCommand, Reached, views};
use engine::testing::rehearse::Simulation;
use scenarios::{app, crm, customer, instead, move_deal, pass, sign_up, traced, trouble};
use serde_json::json;

/// What was taken: the life, and the line of its table.
type Taken = BTreeSet<(String, usize)>;

fn shipped() -> Simulation {
    traced(None)
}

fn with(file: &str, from: &str, to: &str) -> Simulation {
    traced(Some((file, from, to)))
}

fn unknown() -> Answer {
    Answer::Unknown { cause: "HTTP 504 Gateway Timeout".to_owned() }
}

fn retry() -> Answer {
    Answer::Retry { after: None, cause: "HTTP 503 Service Unavailable".to_owned() }
}

fn refused() -> Answer {
    Answer::Refused { reason: "not like this".to_owned(), refusal: Refusal::Other }
}

fn exists(id: Option<String>) -> Answer {
    Answer::Refused { reason: "it exists".to_owned(), refusal: Refusal::Exists(id) }
}

fn creates(entity: &'static str) -> impl Fn(&Request) -> bool + 'static {
    move |request| request.verb == Verb::Create { entity: entity.to_owned() }
}

fn reads(entity: &'static str) -> impl Fn(&Request) -> bool + 'static {
    move |request| matches!(&request.verb, Verb::Read { entity: read, .. } if read == entity)
}

fn operation(name: &'static str) -> impl Fn(&Request) -> bool + 'static {
    move |request| matches!(&request.verb, Verb::Operation { name: called } if called == name)
}

fn user(simulation: &mut Simulation, email: &str) -> String {
    let values = json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "0"});
    let id = sign_up(simulation, values);
    pass(simulation, Duration::seconds(10));
    id
}

fn command(simulation: &mut Simulation, command: OperatorCommand) {
    simulation.input(&Input::Operator { who: "ada".to_owned(), command }).expect("taken");
    pass(simulation, Duration::minutes(1));
}

/// The number of the only link that is not linked.
fn odd_link(simulation: &Simulation) -> u64 {
    let links = views::links(simulation.rows()).expect("readable");
    let odd = links.into_iter().find(|link| link.state.as_str() != "linked").expect("one that is not linked");
    odd.link[1..].parse().expect("a number")
}

/// The number of the only run that stopped.
fn stopped_run(simulation: &Simulation) -> u64 {
    let runs = views::runs(simulation.rows(), simulation.programs()).expect("readable");
    let stopped = runs.into_iter().find(|run| run.state.as_str() == "stopped").expect("one that stopped");
    stopped.run[1..].parse().expect("a number")
}

fn a_customer_is_won_and_logs_in() -> Simulation {
    let mut simulation = shipped();
    let (user, _) = customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    let now = simulation.now();
    app(&simulation).login(&user, now).expect("taken");
    pass(&mut simulation, Duration::days(5));
    simulation
}

fn a_customer_is_won_and_does_not_log_in() -> Simulation {
    let mut simulation = shipped();
    customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::days(12));
    simulation
}

fn a_step_fails_for_good_and_is_undone() -> Simulation {
    let mut simulation = shipped();
    customer(&mut simulation);
    instead(&mut simulation, "app", creates("Account"), |n| Some(if n == 0 { retry() } else { refused() }));
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::hours(1));
    simulation
}

fn a_value_that_a_step_needs_is_missing() -> Simulation {
    let mut simulation =
        with("onboarding.rules", "sub.user.company else sub.user.lastName", "sub.user.company else fail");
    customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::minutes(5));
    simulation
}

fn an_effect_in_doubt_stops_and_is_tried_again_and_another_is_cancelled() -> Simulation {
    let mut simulation = with("schemas/mail.lock", "delivery: by_key", "delivery: by_check");
    customer(&mut simulation);
    let mail = |request: &Request| matches!(&request.verb, Verb::Operation { .. });
    instead(&mut simulation, "mail", mail, |n| (n < 2).then(unknown));
    move_deal(&mut simulation, "closedwon");
    let run = stopped_run(&simulation);
    command(&mut simulation, OperatorCommand::RetryRun { run });
    let (run, reason) = (stopped_run(&simulation), "a test".to_owned());
    command(&mut simulation, OperatorCommand::CancelRun { run, reason });
    simulation
}

fn an_operation_is_too_fast_at_first() -> Simulation {
    let mut simulation = shipped();
    customer(&mut simulation);
    let fast = || Answer::RateLimited { after: None, policy: None, window: connectors::port::LimitWindow::Unknown };
    instead(&mut simulation, "mail", operation("survey"), move |n| (n == 0).then(fast));
    move_deal(&mut simulation, "closedlost");
    pass(&mut simulation, Duration::minutes(1));
    simulation
}

fn the_deal_that_a_run_makes_exists_already() -> Simulation {
    let mut simulation = shipped();
    let now = simulation.now();
    let deal = crm(&simulation)
        .create("Deal", &[("dealname", "Ada"), ("dealstage", "qualifiedtobuy")], now)
        .expect("taken")
        .to_string();
    instead(&mut simulation, "crm", creates("Deal"), move |n| match n {
        0 => Some(exists(None)),
        1 => Some(exists(Some(deal.clone()))),
        _ => None,
    });
    customer(&mut simulation);
    pass(&mut simulation, Duration::minutes(1));
    simulation
}

fn of_two_runs_whose_key_must_be_read_one_is_left_out() -> Simulation {
    let mut simulation = with("onboarding.rules", "only one per deal.id", "only one per deal.dealname");
    let now = simulation.now();
    let deal = [("dealname", "one name"), ("dealstage", "decisionmakerboughtin"), ("amount", "45")];
    let deal: BTreeMap<String, String> = deal.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let address = BTreeMap::from([("email".to_owned(), "ada@example.com".to_owned())]);
    let contact = crm(&simulation).place("Contact", None, address, now).expect("taken");
    let lost = [0, 1].map(|_| {
        let deal = crm(&simulation).place("Deal", None, deal.clone(), now).expect("taken");
        crm(&simulation).place_link("Deal", deal, "Contact", contact);
        deal
    });
    // Nothing but their stage is known of the deals for a while, and the first survey does not go out.
    let known = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&known);
    let away = move |system: &str, request: &Request| {
        let unread = reads("Deal")(request) && !asked.load(Ordering::Relaxed);
        (unread || system == "mail").then(|| vec![retry(); request.inputs.len()])
    };
    simulation.answer_instead(Some(Box::new(away)));
    pass(&mut simulation, Duration::seconds(20));
    for deal in lost {
        let now = simulation.now();
        crm(&simulation).edit("Deal", deal, &[("dealstage", "closedlost")], now).expect("taken");
    }
    pass(&mut simulation, Duration::seconds(20));
    known.store(true, Ordering::Relaxed);
    pass(&mut simulation, Duration::minutes(5));
    simulation
}

fn a_contact_without_an_address_is_archived_and_restored() -> Simulation {
    let mut simulation = shipped();
    let now = simulation.now();
    let contact = crm(&simulation).create("Contact", &[("firstname", "Ada")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let now = simulation.now();
    crm(&simulation).archive("Contact", contact, now);
    pass(&mut simulation, Duration::seconds(20));
    let now = simulation.now();
    crm(&simulation).restore("Contact", contact, now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    simulation
}

fn a_deleted_user_waits_for_a_person_who_keeps_the_contact() -> Simulation {
    let mut simulation = shipped();
    let user = user(&mut simulation, "ada@example.com");
    let now = simulation.now();
    app(&simulation).delete("User", &user, now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let link = odd_link(&simulation);
    command(&mut simulation, OperatorCommand::RetryLink { link });
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert!(crm(&simulation).find("Contact", "email", "ada@example.com").is_some());
    simulation
}

fn an_update_that_is_refused_is_tried_again_by_a_person() -> Simulation {
    let mut simulation = shipped();
    let user = user(&mut simulation, "ada@example.com");
    let updates = |request: &Request| request.verb == Verb::Update { entity: "Contact".to_owned() };
    instead(&mut simulation, "crm", updates, |n| (n == 0).then(refused));
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let link = odd_link(&simulation);
    command(&mut simulation, OperatorCommand::RetryLink { link });
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    let contact = crm(&simulation).find("Contact", "email", "ada@example.com").expect("a contact").clone();
    assert_eq!(contact.properties.get("phone").map(String::as_str), Some("111"));
    simulation
}

fn an_archiving_is_refused() -> Simulation {
    let mut simulation = with("contacts.rules", "on delete in app review", "on delete in app archive");
    let user = user(&mut simulation, "ada@example.com");
    let deletes = |request: &Request| matches!(request.verb, Verb::Delete { .. });
    instead(&mut simulation, "crm", deletes, |_| Some(refused()));
    let now = simulation.now();
    app(&simulation).delete("User", &user, now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    simulation
}

fn a_login_leaves_no_note() -> Simulation {
    let mut simulation = shipped();
    let user = user(&mut simulation, "ada@example.com");
    let now = simulation.now();
    let values = json!({"user": {"id": user}, "kind": "Login", "at": "2026-03-02T09:00:00.000Z"});
    app(&simulation).create("Activity", values, now).expect("taken");
    pass(&mut simulation, Duration::days(1));
    simulation
}

fn a_user_for_whom_no_contact_is_made_stays_alone() -> Simulation {
    let mut simulation = with("contacts.rules", "create   missing in both", "create   missing in app");
    user(&mut simulation, "ada@example.com");
    simulation
}

fn creates_in_doubt_are_looked_for_by_our_own_key_and_by_a_natural_one() -> Simulation {
    let mut simulation = shipped();
    instead(&mut simulation, "crm", creates("Contact"), |n| (n == 0).then(unknown));
    user(&mut simulation, "ada@example.com");
    instead(&mut simulation, "crm", creates("Deal"), |n| (n == 0).then(unknown));
    let now = simulation.now();
    let values = json!({"name": "Ada", "stage": "qualification", "amount": "45"});
    app(&simulation).create("Deal", values, now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    simulation
}

fn a_create_that_is_refused_is_tried_again_by_a_person() -> Simulation {
    let mut simulation = shipped();
    instead(&mut simulation, "crm", creates("Contact"), |n| (n == 0).then(refused));
    user(&mut simulation, "ada@example.com");
    let link = odd_link(&simulation);
    command(&mut simulation, OperatorCommand::RetryLink { link });
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    simulation
}

fn an_archived_contact_is_restored() -> Simulation {
    let mut simulation = shipped();
    user(&mut simulation, "ada@example.com");
    let contact = crm(&simulation).find("Contact", "email", "ada@example.com").expect("a contact").id;
    let now = simulation.now();
    crm(&simulation).archive("Contact", contact, now);
    pass(&mut simulation, Duration::seconds(20));
    let now = simulation.now();
    crm(&simulation).restore("Contact", contact, now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    simulation
}

fn a_deal_is_linked_anew_while_it_is_read() -> Simulation {
    let mut simulation = shipped();
    let (_, _) = customer(&mut simulation);
    let deal = crm(&simulation).records("Deal").next().expect("a deal").id;
    instead(&mut simulation, "crm", reads("Deal"), |n| (n == 0).then(retry));
    for name in ["one@example.com", "two@example.com"] {
        simulation.hold_answers("crm", true).expect("the engine goes on");
        let now = simulation.now();
        let contact = crm(&simulation).create("Contact", &[("email", name)], now).expect("taken");
        crm(&simulation).link("Deal", deal, "Contact", contact, now);
        simulation.pass(Duration::seconds(5)).expect("the engine goes on");
        let now = simulation.now();
        crm(&simulation).unlink("Deal", deal, "Contact", contact, now);
        simulation.pass(Duration::seconds(5)).expect("the engine goes on");
        simulation.hold_answers("crm", false).expect("the engine goes on");
        pass(&mut simulation, Duration::minutes(1));
    }
    simulation
}

fn companies_come_in_pages_late_and_again() -> Simulation {
    let mut simulation = shipped();
    let now = simulation.now();
    for number in 0..250 {
        let values = json!({"name": format!("Company {number}"), "domain": format!("c{number}.example.com")});
        app(&simulation).create("Company", values, now).expect("taken");
    }
    let lists = |request: &Request| matches!(&request.verb, Verb::List { entity, .. } if entity == "Company");
    instead(&mut simulation, "app", lists, |n| match n {
        1 => Some(retry()),
        3 => Some(refused()),
        _ => None,
    });
    pass(&mut simulation, Duration::hours(4));
    simulation
}

fn contacts_of_both_sides_are_gone_through() -> Simulation {
    let mut simulation = shipped();
    user(&mut simulation, "ada@example.com");
    command(&mut simulation, OperatorCommand::Backfill { sync: "Contacts".to_owned() });
    simulation
}

const SCENARIOS: &[fn() -> Simulation] = &[
    a_customer_is_won_and_logs_in,
    a_customer_is_won_and_does_not_log_in,
    a_step_fails_for_good_and_is_undone,
    a_value_that_a_step_needs_is_missing,
    an_effect_in_doubt_stops_and_is_tried_again_and_another_is_cancelled,
    an_operation_is_too_fast_at_first,
    the_deal_that_a_run_makes_exists_already,
    of_two_runs_whose_key_must_be_read_one_is_left_out,
    a_contact_without_an_address_is_archived_and_restored,
    a_deleted_user_waits_for_a_person_who_keeps_the_contact,
    an_update_that_is_refused_is_tried_again_by_a_person,
    an_archiving_is_refused,
    a_login_leaves_no_note,
    a_user_for_whom_no_contact_is_made_stays_alone,
    creates_in_doubt_are_looked_for_by_our_own_key_and_by_a_natural_one,
    a_create_that_is_refused_is_tried_again_by_a_person,
    an_archived_contact_is_restored,
    a_deal_is_linked_anew_while_it_is_read,
    companies_come_in_pages_late_and_again,
    contacts_of_both_sides_are_gone_through,
];

fn taken(simulation: &Simulation) -> Taken {
    let transition = |reached: &Reached| match reached {
        Reached::Transition(life, line) => Some(((*life).to_owned(), *line)),
        _ => None,
    };
    simulation.reached().iter().filter_map(transition).collect()
}

#[test]
fn every_transition_is_taken_by_a_scenario() {
    // The scenarios share nothing: two at a time.
    let next = std::sync::atomic::AtomicUsize::new(0);
    let taken: Taken = std::thread::scope(|scope| {
        let worker = || {
            let mut found = Taken::new();
            while let Some(scenario) = SCENARIOS.get(next.fetch_add(1, Ordering::Relaxed)) {
                found.extend(taken(&scenario()));
            }
            found
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().expect("a scenario failed; see above")).collect()
    });
    let mut never = Vec::new();
    for life in lifecycles() {
        for (line, transition) in life.transitions.iter().enumerate() {
            if !taken.contains(&(life.name.to_owned(), line)) {
                never.push(format!("{}: {transition}", life.name));
            }
        }
    }
    assert_eq!(never, Vec::<String>::new(), "no scenario takes these");
}

/// Set it to write the diagrams into ARCHITECTURE.md instead of comparing them.
const REWRITE: &str = "REWRITE_DIAGRAMS";

#[test]
fn the_architecture_page_draws_the_life_cycles_as_they_are() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let (begin, end) = ("<!-- life cycles: drawn from the code -->\n", "<!-- end of life cycles -->");
    let (before, rest) = text.split_once(begin).expect("the page has a place for them");
    let (stands, after) = rest.split_once(end).expect("the place has an end");
    let drawn: String = lifecycles().iter().map(Lifecycle::diagram).collect();
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&page, format!("{before}{begin}{drawn}{end}{after}")).expect("the page can be written");
        return;
    }
    assert_eq!(stands, drawn, "run this test with {REWRITE}=1 to draw them again");
}
