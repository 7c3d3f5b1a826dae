//! What runs do when a system does not say "done": doubt, undo, and answers that come too late.

use std::sync::atomic::Ordering;

use connectors::port::{Answer, Observed, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::decide::{Input, OperatorCommand, views};
use engine::testing::rehearse::Simulation;
use scenarios::{app, crm, customer, instead, mail, move_deal, pass, simulation, trouble, with};

fn unknown() -> Answer {
    Answer::Unknown { cause: "HTTP 504 Gateway Timeout".to_owned() }
}

fn refused() -> Answer {
    Answer::Refused { reason: "no such address".to_owned(), refusal: Refusal::Other }
}

/// A call of an operation whose parameter has this value.
fn calls(operation: &'static str, name: &'static str, value: &'static str) -> impl Fn(&Request) -> bool + 'static {
    move |request| {
        matches!(&request.verb, Verb::Operation { name } if name == operation)
            && request.inputs.iter().any(|input| input.values.get(name).is_some_and(|held| held == value))
    }
}

fn emails(simulation: &Simulation, template: &str) -> usize {
    mail(simulation).sent_to("/email").filter(|sent| sent.body["template"] == template).count()
}

/// State of the onboarding, the steps it completed and those it undid.
fn onboarding(simulation: &Simulation) -> (String, Vec<String>, Vec<String>) {
    let runs = views::runs(simulation.rows(), simulation.programs()).expect("readable");
    let run = runs.into_iter().find(|run| run.rule == "Onboarding").expect("it has begun");
    (run.state.to_string(), run.completed, run.undone)
}

#[test]
fn an_operation_by_check_in_doubt_waits_for_a_person_and_is_not_sent_again() {
    let mut simulation = with("schemas/mail.lock", "delivery: by_key", "delivery: by_check");
    customer(&mut simulation);
    let tries = instead(&mut simulation, "mail", calls("email", "template", "welcome"), |_| Some(unknown()));
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::hours(1));
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("may or may not have happened")), "{shown:?}");
    // The person has looked, and it had not happened.
    simulation.answer_instead(None);
    let run = shown[0].trim_start_matches("run r").split(' ').next().and_then(|n| n.parse().ok()).expect("a run");
    let command = OperatorCommand::RetryRun { run };
    simulation.input(&Input::Operator { who: "ada".to_owned(), command }).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(emails(&simulation, "welcome"), 1);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_step_in_doubt_counts_as_completed_and_one_that_did_not_happen_does_not() {
    let retry = || Answer::Retry { after: None, cause: "HTTP 503 Service Unavailable".to_owned() };
    let answers: [(fn() -> Answer, usize); 2] = [(unknown, 1), (retry, 0)];
    for (answer, undone) in answers {
        let mut simulation = simulation();
        customer(&mut simulation);
        instead(&mut simulation, "mail", calls("email", "template", "welcome"), move |_| Some(answer()));
        move_deal(&mut simulation, "closedwon");
        pass(&mut simulation, Duration::days(1));
        let (state, _, undid) = onboarding(&simulation);
        assert_eq!(state, "failed");
        assert_eq!((undid.len(), emails(&simulation, "onboarding-delayed")), (undone, undone), "{undid:?}");
        assert_eq!(mail(&simulation).sent_to("/notify").count(), 1, "and the rest of `on failure` ran");
    }
}

#[test]
fn a_failing_undo_is_an_incident_and_the_rest_still_run() {
    let mut simulation = simulation();
    customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    assert_eq!(app(&simulation).count("Account"), 1);
    // The last step fails, and the account cannot be taken back.
    simulation.answer_instead(Some(Box::new(|system: &str, request: &Request| {
        let check_in = system == "mail" && calls("notify", "role", "customer-success")(request);
        let first_week =
            request.inputs.iter().any(|input| input.values.get("text").is_some_and(|t| t.to_string().contains("week")));
        let account = system == "app" && request.verb == Verb::Delete { entity: "Account".to_owned() };
        ((check_in && first_week) || account).then(|| vec![refused()])
    })));
    pass(&mut simulation, Duration::days(12));
    let (state, completed, undone) = onboarding(&simulation);
    assert_eq!(state, "failed");
    assert_eq!(completed, ["welcome", "account"]);
    assert_eq!(undone, ["welcome"], "the account comes first, fails, and does not stop the other");
    assert_eq!((emails(&simulation, "onboarding-delayed"), app(&simulation).count("Account")), (1, 1));
    let shown = trouble(&simulation);
    assert!(matches!(shown.as_slice(), [one] if one.contains("`account` could not be undone")), "{shown:?}");
    assert_eq!(mail(&simulation).sent_to("/notify").count(), 1, "customer success hears of it");
}

#[test]
fn an_answer_that_comes_after_its_step_ran_out_of_time_is_not_taken_for_another_one() {
    let retry = "retry 5 times, first after 1 minute, at most 1 hour apart";
    let mut simulation = with("onboarding.rules", retry, "timeout 1 minute");
    customer(&mut simulation);
    simulation.hold_answers("mail", true).expect("the engine goes on");
    move_deal(&mut simulation, "closedwon");
    assert_eq!(emails(&simulation, "welcome"), 1, "it is sent, and its answer does not come");
    pass(&mut simulation, Duration::minutes(2));
    assert_eq!(emails(&simulation, "onboarding-delayed"), 1, "the step in doubt is undone");
    simulation.hold_answers("mail", false).expect("the engine goes on");
    pass(&mut simulation, Duration::minutes(2));
    assert_eq!(mail(&simulation).sent_to("/notify").count(), 1, "what follows the undo is done, not taken for done");
    assert_eq!(onboarding(&simulation).0, "failed");
}

#[test]
fn an_answer_that_does_not_fit_leaves_no_run_waiting() {
    let record = || Answer::Record(Observed { id: "1".to_owned(), ..Observed::default() });
    let page = || Answer::Page { records: Vec::new(), next: None };
    // To an operation, to a create of a record, and to an update.
    type Wanted = Box<dyn Fn(&Request) -> bool>;
    type Answers = fn() -> Answer;
    let wanted: [(&'static str, Wanted, Answers); 3] = [
        ("mail", Box::new(calls("email", "template", "welcome")), record),
        ("app", Box::new(|request| request.verb == Verb::Create { entity: "Account".to_owned() }), page),
        ("app", Box::new(|request| request.verb == Verb::Update { entity: "Subscription".to_owned() }), page),
    ];
    for (system, wanted, answer) in wanted {
        let mut simulation = simulation();
        customer(&mut simulation);
        let tries = instead(&mut simulation, system, wanted, move |n| (n == 0).then(answer));
        move_deal(&mut simulation, "closedwon");
        pass(&mut simulation, Duration::minutes(10));
        assert!(tries.load(Ordering::Relaxed) > 1, "{system} is asked again");
        assert_eq!((emails(&simulation, "welcome"), app(&simulation).count("Account")), (1, 1));
        assert_eq!(onboarding(&simulation).0, "waiting", "for a login");
        assert_eq!(trouble(&simulation), Vec::<String>::new());
        assert_eq!(crm(&simulation).records("Deal").count(), 1);
    }
}

/// A deal that was won for a contact of whom no address is known, so that there is no user in the app; and the contact.
fn won_without_an_address() -> (Simulation, u64) {
    let mut simulation = simulation();
    let now = simulation.now();
    let contact = crm(&simulation).create("Contact", &[("firstname", "Ada")], now).expect("taken");
    let deal = [("dealname", "Ada - pro"), ("dealstage", "decisionmakerboughtin"), ("amount", "45")];
    let deal = crm(&simulation).create("Deal", &deal, now).expect("taken");
    crm(&simulation).link("Deal", deal, "Contact", contact, now);
    pass(&mut simulation, Duration::seconds(30));
    move_deal(&mut simulation, "closedwon");
    (simulation, contact)
}

#[test]
fn a_run_that_waits_long_for_a_partner_is_shown_until_the_partner_is_there() {
    let (mut simulation, contact) = won_without_an_address();
    let shown = |simulation: &Simulation| {
        trouble(simulation).into_iter().filter(|one| one.starts_with("run ")).collect::<Vec<_>>()
    };
    pass(&mut simulation, Duration::minutes(13));
    assert_eq!(shown(&simulation), Vec::<String>::new());
    pass(&mut simulation, Duration::minutes(3));
    let runs = shown(&simulation);
    assert!(matches!(runs.as_slice(), [one] if one.contains("has no partner yet")), "{runs:?}");
    assert_eq!(app(&simulation).count("Subscription"), 0);
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("email", "ada@example.com")], now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(app(&simulation).count("Subscription"), 1);
}

#[test]
fn what_stops_a_run_when_its_wait_is_over_stays_shown() {
    let (mut simulation, contact) = won_without_an_address();
    pass(&mut simulation, Duration::minutes(16));
    let refused = |request: &Request| request.verb == Verb::Create { entity: "Subscription".to_owned() };
    instead(&mut simulation, "app", refused, |_| Some(self::refused()));
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("email", "ada@example.com")], now).expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    let shown = trouble(&simulation);
    assert!(
        matches!(shown.as_slice(), [one] if one.starts_with("run ") && one.contains("no such address")),
        "{shown:?}"
    );
}
