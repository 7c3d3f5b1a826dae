//! Every history in `histories/` keeps what a sync promises, but those that are known not to.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use simulation::history::History;
use simulation::oracle::Violation;
use simulation::worker::Worker;

/// Histories that break a promise today. Whoever mends one takes it out of here.
const KNOWN: &[&str] = &[
    "a-404-older-than-the-restore-deletes-nothing",
    "a-clear-of-what-the-app-requires-is-told",
    "a-create-whose-answer-is-lost-erases-no-edit",
    "a-deal-of-a-merged-contact-is-written-once",
    "a-deal-whose-answer-is-lost-keeps-its-stage",
    "a-deal-whose-contact-is-archived-takes-another-one",
    "a-gateway-answers-after-the-effect",
    "a-late-write-does-not-bring-an-older-value-back",
    "a-link-survives-clocks-that-differ",
    "a-merge-during-a-create-is-noticed",
    "a-merge-during-a-write-leaves-the-pair-alive",
    "a-merge-of-an-unlinked-deal-is-decided",
    "a-put-back-is-done-or-told",
    "a-restore-that-is-told-after-the-merge-counts",
    "a-restored-contact-whose-user-is-gone-is-told",
    "an-address-that-was-given-up-is-free",
    "an-archiving-does-not-settle-another-incident",
    "an-association-that-a-person-changes-after-ours-arrives",
    "an-edit-that-a-late-write-covers-is-not-lost",
    "an-edit-that-a-slow-write-covers-is-not-lost",
    "an-edit-that-is-told-after-two-writes-is-not-lost",
    "drift-that-a-slow-write-covers-is-told",
    "newest-wins-is-not-decided-by-the-time-of-another-field",
    "two-associations-of-one-moment-are-two",
];

/// Long enough for a slow machine; a history that never ends takes all of it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn histories_keep_what_a_sync_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert!(files.len() > 20, "the histories are there");
    let mut worker = Worker::new(Path::new(env!("CARGO_BIN_EXE_sim")), PATIENCE);
    let mut known: BTreeSet<&str> = KNOWN.iter().copied().collect();
    let mut told = Vec::new();
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let text = std::fs::read_to_string(&file).expect("readable");
        let history: History = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let violations = worker.ask(&history).expect("a process can be started");
        let print = |violation: &Violation| format!("\n  {}: {}", violation.kind, violation.text);
        match (known.remove(name.as_str()), violations.is_empty()) {
            (true, true) => told.push(format!("{name} holds now: take it out of the list")),
            (false, false) => {
                told.push(format!("{name} does not hold:{}", violations.iter().map(print).collect::<String>()));
            }
            _ => {}
        }
    }
    told.extend(known.iter().map(|name| format!("there is no history {name}")));
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}
