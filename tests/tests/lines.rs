//! Every sync is a line of the log: entity, action, both ids, and the line of the rules.

use dsl::value::Duration;
use engine::testing::decide::{Event, Input, OperatorCommand, views};
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, pass, sign_up, simulation};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

/// The lines with this action about pairs of the sync, since the n-th line of the log.
fn lines<'a>(simulation: &'a Simulation, action: &str, from: usize) -> Vec<&'a Event> {
    simulation.log[from..].iter().filter(|line| line.action == action && line.rule == "Contacts").collect()
}

fn named(line: &Event) -> (&str, Option<&str>, Option<&str>, &str) {
    (&line.entity, line.left.as_deref(), line.right.as_deref(), &line.place)
}

#[test]
fn create_update_unchanged_and_parked_tell_entity_both_ids_and_the_rule() {
    let mut simulation = simulation();
    let values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"});
    let user = sign_up(&simulation, values);
    pass(&mut simulation, Duration::seconds(20));
    let contact = crm(&simulation).find("Contact", "email", EMAIL).expect("a contact").id.to_string();
    let pair = |entity| (entity, Some(user.as_str()), Some(contact.as_str()), "contacts.rules:1");
    let created = lines(&simulation, "create", 0);
    assert_eq!(created.iter().map(|line| named(line)).collect::<Vec<_>>(), [pair("crm.Contact")]);

    let mark = simulation.log.len();
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let updated = lines(&simulation, "update", mark);
    assert_eq!(updated.iter().map(|line| named(line)).collect::<Vec<_>>(), [pair("crm.Contact")]);
    assert_eq!(updated[0].field.as_deref(), Some("phone"));

    // A field that is not moved changes.
    let mark = simulation.log.len();
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"region": "apac"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let unchanged = lines(&simulation, "unchanged", mark);
    assert_eq!(unchanged.iter().map(|line| named(line)).collect::<Vec<_>>(), [pair("app.User")]);
    assert_eq!(lines(&simulation, "update", mark).len(), 0);

    // The rules want a person to look at a deletion.
    let mark = simulation.log.len();
    let now = simulation.now();
    app(&simulation).delete("User", &user, now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    let parked = lines(&simulation, "parked", mark);
    assert_eq!(parked.iter().map(|line| named(line)).collect::<Vec<_>>(), [pair("app.User")]);
}

#[test]
fn a_pair_shows_what_each_side_holds_and_on_what_both_agreed_last() {
    let mut simulation = simulation();
    let values =
        json!({"email": "Ada@Example.com", "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"});
    let user = sign_up(&simulation, values);
    pass(&mut simulation, Duration::seconds(20));
    let shown = |simulation: &Simulation, line: &str| {
        let pairs = views::links(simulation.rows()).expect("readable");
        let pair = pairs.iter().find(|pair| pair.left.as_ref() == Some(&user)).expect("a pair");
        let id = pair.link.parse().expect("a pair's number");
        let lines = views::lines(simulation.rows(), &simulation.programs().active, id).expect("readable");
        let found = lines
            .iter()
            .find(|found| found.line == line)
            .unwrap_or_else(|| panic!("{line} is not in {lines:?}"))
            .clone();
        let value = |held: Option<views::Held>| held.map(|held| held.value).unwrap_or_default();
        (value(found.left), value(found.right), found.base.unwrap_or_default(), found.place)
    };
    let told = |left: &str, right: &str, base: &str, place: &str| {
        (left.to_owned(), right.to_owned(), base.to_owned(), format!("contacts.rules:{place}"))
    };
    assert_eq!(shown(&simulation, "phone <-> phone"), told("0", "0", "0", "14"));
    let email = shown(&simulation, "email <-> email");
    assert_eq!(email, told("Ada@Example.com", "ada@example.com", "ada@example.com", "11"), "as each side keeps it");

    // While HubSpot refuses the write, both agree on the older value still.
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    crm(&simulation).faults().answers(503, now.plus(Duration::hours(1)));
    pass(&mut simulation, Duration::seconds(20));
    assert_eq!(shown(&simulation, "phone <-> phone"), told("111", "0", "0", "14"));
}

#[test]
fn a_parked_record_of_the_right_side_stands_on_the_right() {
    let mut simulation = simulation();
    // Two contacts of one address cannot be: a contact without one waits for its key and is shown after a while.
    let now = simulation.now();
    let id = crm(&simulation).create("Contact", &[("firstname", "A.")], now).expect("taken").to_string();
    pass(&mut simulation, Duration::minutes(20));
    let parked = lines(&simulation, "parked", 0);
    let found: Vec<_> = parked.iter().map(|line| named(line)).collect();
    assert_eq!(found, [("crm.Contact", None, Some(id.as_str()), "contacts.rules:1")]);
    assert_eq!(contact(&simulation, EMAIL, "email"), None);
}

#[test]
fn what_a_schedule_reads_and_finds_equal_is_told() {
    let mut simulation = simulation();
    let now = simulation.now();
    let values = json!({"name": "A", "domain": "a.example.com"});
    let company = app(&simulation).create("Company", values, now).expect("taken");
    pass(&mut simulation, Duration::minutes(30));
    let now = simulation.now();
    app(&simulation).edit("Company", &company, json!({"employeeCount": null}), now).ok();
    pass(&mut simulation, Duration::hours(2));
    let equal: Vec<&Event> =
        simulation.log.iter().filter(|line| line.action == "unchanged" && line.rule == "Companies").collect();
    assert!(
        !equal.is_empty(),
        "{:?}",
        simulation.log.iter().map(|line| (&line.action, &line.rule)).collect::<Vec<_>>()
    );
    assert!(equal.iter().all(|line| line.left.is_some() && line.right.is_some() && line.entity == "app.Company"));
}

#[test]
fn what_a_backfill_writes_waits_for_company_as_all_bulk_does() {
    let sign_up = |simulation: &Simulation| {
        sign_up(simulation, json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"}));
    };
    let is_there = |simulation: &Simulation| crm(simulation).find("Contact", "email", EMAIL).is_some();
    let soon = Duration(1_500);
    let mut told = simulation();
    sign_up(&told);
    pass(&mut told, soon);
    assert!(is_there(&told));

    let mut listed = simulation();
    sign_up(&listed);
    // Nobody tells of it: only the backfill finds it.
    drop(app(&listed).outgoing());
    let command = OperatorCommand::Backfill { sync: "Contacts".to_owned() };
    listed.input(&Input::Operator { who: "an operator".to_owned(), command }).expect("taken");
    pass(&mut listed, soon);
    assert!(!is_there(&listed));
    pass(&mut listed, Duration::seconds(5));
    assert!(is_there(&listed));
}
