//! The published lock.

use serde_json::Value as Json;

use sandbox::Model as _;
use sandbox::app::{App, Settings};

use super::{TOKEN, World, lock, request};

#[test]
fn the_published_schema_reads_back_as_the_lock() {
    let mut world = World::new();
    let response = world.send("GET", "/schema", None, &Json::Null);
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
        (200, "application/yaml")
    );
    let text = std::str::from_utf8(response.body()).unwrap();
    assert!(text.contains("\nlock: 1\nsystem: app\n"), "{text}");
    assert_eq!(lock::read(text), lock::shipped());
}

#[test]
fn every_word_of_a_lock_is_published() {
    let rich = lock::read(include_str!("../../../../rules/schemas/crm.lock"));
    let mut app = App::new(Settings { token: TOKEN.into(), ..Settings::default() }, rich.clone());
    let response = app.handle(&request("GET", "/schema", None, &Json::Null), World::new().now);
    assert_eq!(lock::read(std::str::from_utf8(response.body()).unwrap()), rich);
}
