//! Every history in `histories/` keeps what a sync promises. Those in `failing/` do not yet, each for a cause that is
//! known: whoever mends one moves it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use simulation::mutants::{Named, by_hand};
use simulation::worker::Worker;

/// Histories that break a promise today, and why.
const FAILING: &[(&str, &str)] = &[
    ("a-404-older-than-the-restore-deletes-nothing", "a 404 counts as of its answer, not of its question"),
    ("a-change-of-address-while-a-create-is-late-makes-no-twin", "claims do not follow keys, nor what may still land"),
    ("a-clear-of-what-the-app-requires-is-told", "what the other side requires is neither cleared nor parked"),
    ("a-create-that-is-refused-after-a-timeout-ends", "adopting what another pair holds counts no try"),
    ("a-create-that-lands-late-is-not-made-again-and-again", "adopting what another pair holds counts no try"),
    ("a-create-whose-answer-is-lost-erases-no-edit", "what a create sent is not kept as base of what is found"),
    ("a-deal-of-a-merged-contact-is-written-once", "the partner's id is that of a record merged away"),
    ("a-deal-that-goes-to-a-merged-user-is-written-once", "the partner's id is that of a record merged away"),
    ("a-deal-whose-answer-is-lost-keeps-its-stage", "what a create sent is not kept as base of what is found"),
    ("a-deal-whose-contact-is-archived-takes-another-one", "a partner that is gone ends the merge of a link"),
    ("a-deal-whose-contact-is-deleted-while-it-is-made-is-told", "adopting what another pair holds counts no try"),
    ("a-link-survives-clocks-that-differ", "the engine's clock is the version of associations"),
    ("a-merge-during-a-create-is-noticed", "the answer to a create pairs with an id that was merged away"),
    ("a-merge-of-an-unlinked-deal-is-decided", "joining by our own key finds the same gone holder for ever"),
    ("a-note-of-a-merged-contact-keeps-its-user", "trying a merged pair again takes the record of another pair"),
    ("a-put-back-is-done-or-told", "what is to be put back is dropped with the partner, and nobody is told"),
    ("a-record-that-is-deleted-before-its-create-is-answered-is-told", "the answer to a create looks at no life"),
    ("a-restore-that-is-told-after-the-merge-counts", "a restore of an old id finds no pair"),
    ("a-restored-contact-whose-user-is-gone-is-told", "a restore looks at one side only"),
    ("a-retry-of-a-merged-pair-does-not-take-a-record-of-another", "trying a merged pair again pairs it with the dead"),
    ("an-address-that-was-given-up-is-free", "claims do not follow keys"),
    ("an-archiving-does-not-settle-another-incident", "an archiving that is done settles all that its pair shows"),
    ("an-association-that-a-person-changes-after-ours-arrives", "the engine's clock is the version of associations"),
    ("an-association-that-is-set-again-after-a-clear-arrives", "the engine's clock is the version of associations"),
    ("newest-wins-is-not-decided-by-the-time-of-another-field", "a read gives every field the record's time"),
    ("two-associations-of-one-moment-are-two", "events of associations are told apart by their ids alone"),
    ("what-is-erased-is-not-filled-by-a-late-message", "a message about an erased record is observed"),
];

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
