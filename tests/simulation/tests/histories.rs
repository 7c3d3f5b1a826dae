//! Every history in `histories/` keeps what a sync promises. Those in `failing/` do not yet, each for a cause that is
//! known: whoever mends one moves it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use simulation::mutants::{Named, by_hand};
use simulation::worker::Worker;

/// Histories that break a promise today, and why.
const FAILING: &[(&str, &str)] = &[];

/// Long enough for a slow machine; a history that never ends takes all of it.
const PATIENCE: Duration = Duration::from_secs(15);

fn worker() -> Worker {
    Worker::new(Path::new(env!("CARGO_BIN_EXE_sim")), PATIENCE)
}

fn folder(name: &str) -> Vec<Named> {
    by_hand(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("every history is understood")
}

#[test]
fn histories_keep_what_a_sync_promises() {
    let mut worker = worker();
    let mut told = Vec::new();
    for (name, history) in folder("histories") {
        for violation in worker.ask(&history).expect("a process can be started") {
            told.push(format!("{name}: {}: {}", violation.kind, violation.text));
        }
    }
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn what_is_known_to_fail_fails_still() {
    let mut worker = worker();
    let mut known: BTreeSet<&str> = FAILING.iter().map(|(name, _)| *name).collect();
    let mut told = Vec::new();
    for (name, history) in folder("failing") {
        if !known.remove(name.as_str()) {
            told.push(format!("{name} is not in the list"));
        }
        if worker.ask(&history).expect("a process can be started").is_empty() {
            told.push(format!("{name} holds now: move it to `histories/` and take it out of the list"));
        }
    }
    told.extend(known.iter().map(|name| format!("there is no history {name}")));
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}
