//! Time between the systems: a request arrives, takes effect and is answered, each at its own moment, and every message
//! has a delay and a fate of its own. What of it is given up or forgotten goes on by itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use connectors::port::{Request, Verb};
use dsl::value::{Duration, Timestamp};
use engine::testing::rehearse::{Asked, Conditions, Passage, Said, Simulation};
use scenarios::{START, app, contact, crm, pass, sign_up, simulation, trouble, user};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

/// Passages of requests to the CRM by the last part of their paths, delays of messages by what they are about.
#[derive(Default)]
struct Delays {
    requests: BTreeMap<&'static str, Passage>,
    messages: BTreeMap<&'static str, Vec<Duration>>,
    delivery: Passage,
    ahead: i64,
}

impl Conditions for Delays {
    fn request(&mut self, asked: Asked<'_>, _now: Timestamp) -> Passage {
        let last = asked.request.uri().path().rsplit('/').next().unwrap_or_default();
        self.requests.get(last).filter(|_| asked.system == "crm").copied().unwrap_or_default()
    }

    fn message(&mut self, _system: &str, message: Said<'_>, _now: Timestamp) -> Vec<Duration> {
        let text = match message {
            Said::Event(event) => event.to_string(),
            Said::Record(record) => String::from_utf8_lossy(&record.body).into_owned(),
        };
        let found = self.messages.iter().find(|(about, _)| text.contains(*about));
        found.map_or_else(|| vec![Duration(0)], |(_, delays)| delays.clone())
    }

    fn delivery(&mut self, _system: &str, _body: &Bytes, _now: Timestamp) -> Passage {
        self.delivery
    }

    fn ahead(&self, system: &str) -> Duration {
        Duration(if system == "crm" { self.ahead } else { 0 })
    }
}

fn pair(simulation: &mut Simulation) -> (String, u64) {
    let values = json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"});
    let user = sign_up(simulation, values);
    pass(simulation, Duration::seconds(20));
    let contact = crm(simulation).find("Contact", "email", EMAIL).expect("a contact").id;
    (user, contact)
}

fn set_phone(simulation: &Simulation, user: &str, phone: &str) {
    let now = simulation.time_of("app");
    app(simulation).edit("User", user, json!({ "phone": phone }), now).expect("taken");
}

fn phone(simulation: &Simulation) -> String {
    contact(simulation, EMAIL, "phone").unwrap_or_default()
}

fn update(arrives: Option<i64>, takes_effect: i64, answered: Option<i64>) -> Delays {
    let passage = Passage {
        arrives: arrives.map(Duration::seconds),
        takes_effect: Duration::seconds(takes_effect),
        answered: answered.map(Duration::seconds),
    };
    Delays { requests: BTreeMap::from([("update", passage)]), ..Delays::default() }
}

fn actions(simulation: &Simulation, action: &str) -> usize {
    simulation.log.iter().filter(|event| event.action == action).count()
}

#[test]
fn a_request_takes_effect_and_is_answered_at_moments_of_its_own() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    simulation.set_conditions(update(Some(2), 1, Some(3)));
    let updates = actions(&simulation, "update");
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration(3_000));
    assert_eq!(phone(&simulation), "0", "held for 100 ms, then 3 s on its way");
    pass(&mut simulation, Duration(300));
    assert_eq!(phone(&simulation), "111");
    assert_eq!(actions(&simulation, "update"), updates, "the answer is on its way");
    pass(&mut simulation, Duration(2_900));
    assert_eq!(actions(&simulation, "update"), updates + 1);
    assert_eq!(simulation.on_the_way(), 0);
}

#[test]
fn a_request_that_was_given_up_still_lands() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    simulation.set_conditions(update(Some(40), 0, Some(0)));
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(32));
    assert_eq!((phone(&simulation).as_str(), actions(&simulation, "in doubt")), ("0", 1));
    pass(&mut simulation, Duration::seconds(10));
    assert_eq!(phone(&simulation), "111");
}

#[test]
fn an_answer_that_is_lost_leaves_a_write_in_doubt_after_thirty_seconds() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    simulation.set_conditions(update(Some(0), 0, None));
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(29));
    assert_eq!((phone(&simulation).as_str(), actions(&simulation, "in doubt")), ("111", 0));
    pass(&mut simulation, Duration::seconds(2));
    assert_eq!(actions(&simulation, "in doubt"), 1);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn a_crash_forgets_the_answer_and_not_the_effect() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    simulation.set_conditions(update(Some(5), 0, Some(5)));
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(1));
    simulation.restart().expect("it starts");
    assert_eq!(phone(&simulation), "0");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(phone(&simulation), "111", "it had left before the crash");
}

#[test]
fn a_request_counts_against_the_limit_where_it_arrives() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    simulation.set_conditions(update(Some(1), 8, Some(0)));
    let before = crm(&simulation).calls().total;
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(4));
    assert_eq!((phone(&simulation).as_str(), crm(&simulation).calls().total), ("0", before + 1));
}

#[test]
fn each_event_of_a_change_comes_at_its_own_time() {
    let mut simulation = simulation();
    let (_, contact) = pair(&mut simulation);
    let late = vec![Duration::seconds(60)];
    let messages = BTreeMap::from([("\"propertyName\":\"phone\"", late), ("\"lastname\"", Vec::new())]);
    simulation.set_conditions(Delays { messages, ..Delays::default() });
    let now = simulation.time_of("crm");
    let change = [("phone", "222"), ("firstname", "Augusta"), ("lastname", "King")];
    crm(&simulation).edit("Contact", contact, &change, now).expect("taken");
    pass(&mut simulation, Duration::seconds(30));
    let fields = |simulation: &Simulation| ["phone", "firstName", "lastName"].map(|name| user(simulation, EMAIL, name));
    assert_eq!(fields(&simulation), [json!("0"), json!("Augusta"), json!("L")]);
    pass(&mut simulation, Duration::seconds(60));
    assert_eq!(fields(&simulation), [json!("222"), json!("Augusta"), json!("L")], "what is lost is lost");
}

#[test]
fn records_overtake_each_other_and_come_twice() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    let twice = vec![Duration::seconds(20), Duration::seconds(40)];
    let messages = BTreeMap::from([("\"phone\":\"111\"", twice)]);
    simulation.set_conditions(Delays { messages, ..Delays::default() });
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(phone(&simulation), "0");
    set_phone(&simulation, &user, "222");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(phone(&simulation), "222");
    pass(&mut simulation, Duration::minutes(2));
    assert_eq!(phone(&simulation), "222", "what is older changes nothing");
}

#[test]
fn a_delivery_that_is_answered_too_late_comes_again() {
    let mut simulation = simulation();
    let (_, contact) = pair(&mut simulation);
    let delivery = Passage { answered: Some(Duration::seconds(6)), ..Passage::default() };
    simulation.set_conditions(Delays { delivery, ..Delays::default() });
    let now = simulation.time_of("crm");
    crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(3));
    assert_eq!(user(&simulation, EMAIL, "phone"), "222");
    assert_eq!(crm(&simulation).undelivered(), 1, "HubSpot has no answer yet");
    pass(&mut simulation, Duration::seconds(3));
    assert_eq!(crm(&simulation).undelivered(), 1, "nor in time, so it sends again");
    simulation.set_conditions(Delays::default());
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(crm(&simulation).undelivered(), 0);
}

#[test]
fn a_system_s_clock_may_be_ahead() {
    let mut simulation = simulation();
    simulation.set_conditions(Delays { ahead: 60_000, ..Delays::default() });
    let (user, contact) = pair(&mut simulation);
    assert_eq!(simulation.time_of("crm"), simulation.now().plus(Duration::seconds(60)));
    let made = crm(&simulation).record("Contact", contact).expect("it").created;
    assert!(made.since(START).0 >= 60_000, "{made}");
    let now = simulation.time_of("crm");
    crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(app(&simulation).record("User", &user).expect("it")["phone"], "222", "and its messages arrive in time");
}

#[test]
fn without_conditions_everything_happens_at_once() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    set_phone(&simulation, &user, "111");
    let reads = |request: &Request| matches!(request.verb, Verb::Read { .. });
    scenarios::instead(&mut simulation, "crm", reads, |_| None);
    pass(&mut simulation, Duration(500));
    assert_eq!((phone(&simulation).as_str(), simulation.on_the_way()), ("111", 0));
}

/// The app sends what it says of a user, with times a day ahead and other values.
fn send_ahead(simulation: &Simulation, user: &str, phone: &str) {
    let tomorrow = simulation.now().plus(Duration::days(1));
    let mut record = json!(app(simulation).record("User", user).expect("it"));
    record["phone"] = json!(phone);
    record["updatedAt"] = json!(tomorrow.to_string());
    app(simulation).send("user.updated", user, &record, tomorrow);
}

#[test]
fn a_time_that_is_still_to_come_keeps_no_later_change_out_and_is_told_once() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    for phone in ["111", "222"] {
        set_phone(&simulation, &user, phone);
        send_ahead(&simulation, &user, phone);
        pass(&mut simulation, Duration::seconds(5));
    }
    set_phone(&simulation, &user, "333");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(phone(&simulation), "333");
    let [told] = trouble(&simulation).try_into().expect("one incident");
    assert!(told.starts_with("clock app app : app tells of a change at 2026-03-03T09:"), "{told}");
}

#[test]
fn what_was_said_with_a_time_that_is_still_to_come_is_replaced_by_a_read() {
    let mut simulation = simulation();
    let (user, _) = pair(&mut simulation);
    set_phone(&simulation, &user, "111");
    pass(&mut simulation, Duration::minutes(10));
    // It comes late, and the app holds something else by now.
    send_ahead(&simulation, &user, "0");
    pass(&mut simulation, Duration::seconds(10));
    assert_eq!(phone(&simulation), "111");
}

#[test]
fn a_time_of_hubspot_s_that_cannot_be_counts_as_now() {
    for occurred in [json!(99_999_999_999_999_999_i64), json!(1_795_511_400), json!(-1), json!("18446744073709551617")]
    {
        let mut simulation = simulation();
        let (_, contact) = pair(&mut simulation);
        let event = json!([{"eventId": 1, "subscriptionId": 1, "portalId": 9, "appId": 7, "occurredAt": occurred,
            "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": contact,
            "propertyName": "phone", "propertyValue": "0", "changeSource": "CRM_UI", "sourceId": "userId:1"}]);
        let lock = simulation.programs().active.systems["crm"].lock.clone();
        let read =
            connectors::hubspot::events::read(&lock, None, None, event.to_string().as_bytes()).expect("an array");
        assert_eq!(read.malformed, []);
        let (system, source) = ("crm".to_owned(), engine::testing::decide::Source::Webhook);
        let input =
            engine::testing::decide::Input::Delivery { system, messages: read.messages, malformed: vec![], source };
        simulation.input(&input).expect("taken");
        pass(&mut simulation, Duration::seconds(5));
        let now = simulation.time_of("crm");
        crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
        pass(&mut simulation, Duration::seconds(5));
        assert_eq!(user(&simulation, EMAIL, "phone"), "222", "{occurred}");
        assert!(trouble(&simulation).iter().all(|told| told.starts_with("clock crm ")), "{:?}", trouble(&simulation));
        assert_eq!(trouble(&simulation).len(), 1, "{occurred}");
    }
}
