//! The published lock.

use serde_json::Value as Json;

use super::{World, lock};

#[test]
fn the_published_schema_reads_back_as_the_lock() {
    let mut world = World::new();
    let response = world.send("GET", "/schema", None, &Json::Null);
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
        (200, "application/yaml")
    );
    let text = std::str::from_utf8(response.body()).unwrap();
    assert!(text.starts_with("lock: 1\nsystem: app\n"), "{text}");
    assert_eq!(lock::read(text), lock::shipped());
}
