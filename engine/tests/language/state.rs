//! `engine backup`, `restore` and `ledger check` on a state folder that no daemon has open.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use engine::testing::ledger::{Disk, Ledger, Round, Rows, Settings, journal_folder};
use serde_json::Value;

use crate::folder::Folder;

fn state(folder: &Folder) -> PathBuf {
    folder.rules.join("../state")
}

fn open(folder: &Folder) -> Disk {
    Disk::open(&state(folder), Settings::default(), Box::new(|_| ())).expect("the ledger opens")
}

/// A row of no kind that the engine knows.
const ROW: u8 = 200;

/// Three rounds, each of which writes the same row.
fn filled() -> Folder {
    let folder = Folder::new();
    let mut ledger = open(&folder);
    for number in 1..=3_u8 {
        let changes = vec![(vec![ROW], Some(vec![number]))];
        ledger.append(Round { changes, records: vec![vec![number]] }).expect("it is taken");
    }
    ledger.flush().expect("it is durable");
    folder
}

#[test]
fn a_copy_is_made_once_and_comes_back_whole() {
    let folder = filled();
    let told: Value = serde_json::from_str(&folder.run(&["backup", "copy", "--json"], 0)).expect("JSON");
    assert_eq!((&told["schema"], &told["round"]), (&1.into(), &3.into()), "{told}");
    assert!(folder.run(&["backup", "copy"], 1).contains("the folder is not empty"));
    assert!(folder.run(&["restore", "copy"], 1).contains("the folder is not empty"), "what is there is not replaced");

    let mut ledger = open(&folder);
    ledger.append(Round { changes: vec![(vec![ROW], Some(vec![4]))], records: Vec::new() }).expect("it is taken");
    drop(ledger);
    std::fs::remove_dir_all(state(&folder)).expect("the state is lost");
    let told = folder.run(&["restore", "copy"], 0);
    assert!(told.contains("every round up to 3"), "{told}");
    assert_eq!(open(&folder).get(&[ROW]).expect("readable"), Some(vec![3]), "as it was when the copy was made");
}

#[test]
fn a_ledger_is_checked_and_damage_is_a_finding() {
    let folder = filled();
    let told = folder.run(&["ledger", "check"], 0);
    assert!(told.contains("3 rounds (1 to 3), 3 records") && told.contains("the ledger is whole"), "{told}");
    let told: Value = serde_json::from_str(&folder.run(&["ledger", "check", "--json"], 0)).expect("JSON");
    assert_eq!((&told["schema"], &told["last"], &told["problems"]), (&1.into(), &3.into(), &Value::Array(vec![])));

    folder.run(&["backup", "copy"], 0);
    let segment = |state: PathBuf| {
        let mut found = std::fs::read_dir(journal_folder(&state)).expect("a journal");
        found.next().expect("a segment").expect("an entry").path()
    };
    for state in [state(&folder), folder.rules.join("../copy")] {
        let file = std::fs::OpenOptions::new().write(true).open(segment(state)).expect("a segment");
        file.write_all_at(&[0xff; 8], 40).expect("damaged");
    }
    let told: Value = serde_json::from_str(&folder.run(&["ledger", "check", "--json"], 1)).expect("JSON");
    assert!(!told["problems"].as_array().expect("a list").is_empty(), "{told}");
    assert!(folder.run(&["ledger", "check"], 1).contains("wrong: "));
    std::fs::remove_dir_all(state(&folder)).expect("removed");
    folder.run(&["restore", "copy"], 1);
}

#[test]
fn nothing_is_made_where_there_is_no_ledger() {
    let folder = Folder::new();
    for arguments in [&["backup", "copy"][..], &["ledger", "check"]] {
        assert!(folder.run(arguments, 2).contains("there is no ledger in "), "{arguments:?}");
    }
    assert!(!state(&folder).exists() && !folder.rules.join("../copy").exists());
    assert!(folder.run(&["restore", "nowhere"], 2).contains("nowhere"));
}

#[test]
fn a_ledger_that_somebody_has_open_is_left_to_them() {
    let folder = filled();
    // Nobody listens here, so the one who has it open cannot be asked.
    folder.spoil("engine.yaml", "127.0.0.1:8081", "127.0.0.1:9");
    let _held = open(&folder);
    for arguments in [&["backup", "copy"][..], &["ledger", "check"]] {
        let told = folder.run(arguments, 2);
        assert!(told.contains("is in use by another engine") && told.contains("127.0.0.1:9"), "{told}");
    }
    assert!(!folder.rules.join("../copy").exists());
}
