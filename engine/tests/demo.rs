//! `engine demo` as a command: what it says where it cannot be played to its end. `tests/run.sh` plays it whole.

use std::process::Command;

use serde_json::Value as Json;

#[test]
fn a_demo_that_breaks_off_prints_its_object_and_names_the_story() {
    let output = Command::new(env!("CARGO_BIN_EXE_engine")).args(["demo", "--json", "--seconds", "1"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&report["schema"], &report["in_sync"]), (&1.into(), &false.into()), "{report}");
    let last = report["stories"].as_array().and_then(|stories| stories.last()).expect("the story that it was at");
    assert_eq!(last["ok"], false, "{report}");
    assert!(last["name"].as_str().is_some_and(|name| !name.is_empty()), "{report}");
    assert!(last["detail"].as_str().is_some_and(|why| why.starts_with("broken off after 1 second")), "{report}");
    assert!(report["problems"].as_array().is_some_and(|problems| !problems.is_empty()), "{report}");
}
