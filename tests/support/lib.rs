//! What the scenarios share: the shipped rules as a program, and a world of twins around the engine.

use std::path::Path;
use std::sync::{Arc, MutexGuard};

use dsl::program::Program;
use dsl::value::{Moment, Span};
use engine::rehearse::World;
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use sandbox::mail::Mail;
use serde_json::{Value, json};

/// 2 March 2026, 09:00 UTC.
pub const START: Moment = Moment(1_772_442_000_000);

/// The shipped integration.
#[must_use]
pub fn shipped() -> Arc<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let compiled = engine::rules::read(&folder).expect("the shipped rules can be read").compile(None);
    Arc::new(compiled.program.expect("the shipped rules are sound"))
}

/// The shipped integration with one line of one file written otherwise.
///
/// # Panics
/// Where the file has no such text, or the rules do not hold then.
#[must_use]
pub fn with(file: &str, from: &str, to: &str) -> World {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let mut texts = engine::rules::read(&folder).expect("the shipped rules can be read");
    let (_, text) = texts.files.iter_mut().find(|(name, _)| name == file).expect("there is such a file");
    assert!(text.contains(from), "{file} has {from:?}");
    *text = text.replacen(from, to, 1);
    let compiled = texts.compile(None);
    World::new(Arc::new(compiled.program.expect("the rules are sound")), START).expect("the engine starts")
}

/// A world with the shipped rules.
#[must_use]
pub fn world() -> World {
    World::new(shipped(), START).expect("the engine starts")
}

/// The twins, for a moment.
pub fn crm(world: &World) -> MutexGuard<'_, HubSpot> {
    world.crm.lock().expect("a sound twin")
}

/// The app.
pub fn app(world: &World) -> MutexGuard<'_, App> {
    world.app.lock().expect("a sound twin")
}

/// The mail service.
pub fn mail(world: &World) -> MutexGuard<'_, Mail> {
    world.mail.lock().expect("a sound twin")
}

/// A property of the contact with this address.
#[must_use]
pub fn contact(world: &World, email: &str, property: &str) -> Option<String> {
    crm(world).find("Contact", "email", email)?.properties.get(property).cloned()
}

/// A field of the user with this address.
#[must_use]
pub fn user(world: &World, email: &str, field: &str) -> Value {
    app(world).find("User", "email", email).map_or(Value::Null, |record| json!(record)[field].clone())
}

/// A new user of the app.
pub fn sign_up(world: &World, values: Value) -> String {
    let now = world.now();
    app(world).create("User", values, now).expect("the app takes it")
}

/// Time goes by.
pub fn pass(world: &mut World, span: Span) {
    world.pass(span).expect("the engine goes on");
}
