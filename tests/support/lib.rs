//! What the scenarios share: the shipped rules as a program, and a simulation of twins around the engine.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use connectors::port::{Answer, Request};
use dsl::program::Program;
use dsl::value::{Duration, Timestamp};
use engine::testing::decide::{Settings, views};
use engine::testing::rehearse::Simulation;
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use sandbox::mail::Mail;
use serde_json::{Value, json};

/// 2 March 2026, 09:00 UTC.
pub const START: Timestamp = Timestamp(1_772_442_000_000);

/// The shipped integration.
#[must_use]
pub fn shipped() -> Arc<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let compiled = engine::testing::rules::read(&folder).expect("the shipped rules can be read").compile(None);
    Arc::new(compiled.program.expect("the shipped rules are sound"))
}

/// The shipped integration with one line of one file written otherwise.
///
/// # Panics
/// Where the file has no such text, or the rules do not hold then.
#[must_use]
pub fn with(file: &str, from: &str, to: &str) -> Simulation {
    Simulation::new(changed(file, from, to), START).expect("the engine starts")
}

fn changed(file: &str, from: &str, to: &str) -> Arc<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let mut texts = engine::testing::rules::read(&folder).expect("the shipped rules can be read");
    let text = match texts.locks.get_mut(file) {
        Some(lock) => lock,
        None => &mut texts.files.iter_mut().find(|(name, _)| name == file).expect("there is such a file").1,
    };
    assert!(text.contains(from), "{file} has {from:?}");
    *text = text.replacen(from, to, 1);
    let compiled = texts.compile(None);
    Arc::new(compiled.program.expect("the rules are sound"))
}

/// A simulation with the shipped rules, or with one text of one of their files written otherwise, that notes what is
/// reached.
///
/// # Panics
/// Where the file has no such text, or the rules do not hold then.
#[must_use]
pub fn traced(change: Option<(&str, &str, &str)>) -> Simulation {
    let program = match change {
        Some((file, from, to)) => changed(file, from, to),
        None => shipped(),
    };
    let settings = Settings { trace: true, ..Settings::default() };
    Simulation::with(program, START, settings).expect("the engine starts")
}

/// A simulation with the shipped rules.
#[must_use]
pub fn simulation() -> Simulation {
    Simulation::new(shipped(), START).expect("the engine starts")
}

/// The twins, for a moment.
pub fn crm(simulation: &Simulation) -> MutexGuard<'_, HubSpot> {
    simulation.crm.lock().expect("a sound twin")
}

/// The app.
pub fn app(simulation: &Simulation) -> MutexGuard<'_, App> {
    simulation.app.lock().expect("a sound twin")
}

/// The mail service.
pub fn mail(simulation: &Simulation) -> MutexGuard<'_, Mail> {
    simulation.mail.lock().expect("a sound twin")
}

/// A property of the contact with this address.
#[must_use]
pub fn contact(simulation: &Simulation, email: &str, property: &str) -> Option<String> {
    crm(simulation).find("Contact", "email", email)?.properties.get(property).cloned()
}

/// A field of the user with this address.
#[must_use]
pub fn user(simulation: &Simulation, email: &str, field: &str) -> Value {
    app(simulation).find("User", "email", email).map_or(Value::Null, |record| json!(record)[field].clone())
}

/// A new user of the app.
pub fn sign_up(simulation: &Simulation, values: Value) -> String {
    let now = simulation.now();
    app(simulation).create("User", values, now).expect("the app takes it")
}

/// A user with a contact, a subscription and its deal; gives the ids of the user and of the subscription.
///
/// # Panics
/// Where a twin refuses one of them.
pub fn customer(simulation: &mut Simulation) -> (String, String) {
    crm(simulation).owner("101", "emea-sales@example.com");
    crm(simulation).owner("102", "sales-desk@example.com");
    let values = json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace", "region": "emea", "lifetimeValue": "0"});
    let user = sign_up(simulation, values);
    pass(simulation, Duration::seconds(2));
    let now = simulation.now();
    let values = json!({"user": {"id": user}, "plan": "pro", "price": "49.00", "status": "pending", "startDate": "2026-03-02T09:00:00.000Z"});
    let subscription = app(simulation).create("Subscription", values, now).expect("taken");
    pass(simulation, Duration::seconds(20));
    (user, subscription)
}

/// The first deal comes to another stage; gives its id.
///
/// # Panics
/// Where there is no deal.
pub fn move_deal(simulation: &mut Simulation, stage: &str) -> u64 {
    let now = simulation.now();
    let id = crm(simulation).records("Deal").next().expect("a deal").id;
    crm(simulation).edit("Deal", id, &[("dealstage", stage)], now).expect("taken");
    pass(simulation, Duration::seconds(30));
    id
}

/// What people are shown.
///
/// # Panics
/// Where the rows cannot be read.
#[must_use]
pub fn trouble(simulation: &Simulation) -> Vec<String> {
    let incidents = views::incidents(simulation.rows()).expect("readable");
    incidents.into_iter().map(|i| format!("{} {} {}: {}", i.subject, i.entity, i.id, i.cause)).collect()
}

/// Answers `what` to every request to `system` that `wanted` picks, where it says something to the n-th of them, the
/// first being 0; otherwise the twin answers. Gives the count of those requests.
pub fn instead(
    simulation: &mut Simulation,
    system: &'static str,
    wanted: impl Fn(&Request) -> bool + 'static,
    what: impl Fn(u64) -> Option<Answer> + 'static,
) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    simulation.answer_instead(Some(Box::new(move |asked: &str, request: &Request| {
        if asked != system || !wanted(request) {
            return None;
        }
        let answer = what(counted.fetch_add(1, Ordering::Relaxed))?;
        Some(vec![answer; request.inputs.len()])
    })));
    count
}

/// Time goes by. Whatever is not finished then has something that will wake it.
pub fn pass(simulation: &mut Simulation, span: Duration) {
    simulation.pass(span).expect("the engine goes on");
    assert_eq!(engine::testing::decide::stuck(simulation.rows()).expect("readable"), Vec::<String>::new());
}
