//! Both ledgers keep one promise: the same rounds give the same rows, over reopening and over kills.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::ledger::{Disk, Error, Ledger, Memory, Round, Rows, Settings};
use proptest::prelude::*;

fn open(dir: &Path) -> Disk {
    let settings = Settings {
        segment: 1 << 16,
        checkpoint_rows: 20,
        checkpoint_after: Duration::from_millis(20),
        ..Settings::default()
    };
    Disk::open(dir, settings, Box::new(|_| {})).expect("the ledger opens")
}

/// A few keys, so that rows are overwritten and deleted; some values are larger than a row may be in sled.
fn round() -> impl Strategy<Value = Round> {
    let value = prop_oneof![
        3 => Just(None),
        6 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (4_000usize..9_000).prop_map(|n| Some(vec![7; n])),
    ];
    proptest::collection::btree_map(proptest::collection::vec(1u8..7, 1..3), value, 1..6)
        .prop_map(|changes| Round { changes: changes.into_iter().collect(), records: vec![b"record".to_vec()] })
}

fn rows(ledger: &dyn Rows) -> BTreeMap<Vec<u8>, Vec<u8>> {
    ledger.scan(&[], &[0xff], usize::MAX).expect("readable").into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn both_ledgers_hold_the_same_rows(rounds in proptest::collection::vec((round(), 0u8..12), 1..60)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut disk = open(folder.path());
        let mut memory = Memory::new();
        for (round, then) in rounds {
            let seq = disk.append(round.clone()).expect("taken");
            prop_assert_eq!(memory.append(round).expect("taken"), seq);
            match then {
                0 => {
                    drop(disk);
                    disk = open(folder.path());
                }
                1 => prop_assert_eq!(disk.flush().expect("durable"), seq),
                _ => {}
            }
            prop_assert_eq!(rows(&disk), rows(&memory));
            let some = disk.scan(&[1], &[4], 3).expect("readable");
            prop_assert_eq!(some, memory.scan(&[1], &[4], 3).expect("readable"));
        }
    }
}

#[test]
fn a_second_engine_on_the_same_state_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let second = Disk::open(folder.path(), Settings::default(), Box::new(|_| {}));
    assert!(matches!(second, Err(Error::Locked { .. })));
}

#[test]
fn a_damaged_frame_before_a_good_one_is_refused_by_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let settings = Settings { checkpoint_after: Duration::from_secs(600), ..Settings::default() };
        let mut disk =
            Disk::open(folder.path(), Settings { segment: 1 << 16, ..settings }, Box::new(|_| {})).expect("it opens");
        for n in 1..6u8 {
            disk.append(Round { changes: vec![(vec![n], Some(vec![n; 50]))], records: Vec::new() }).expect("taken");
            disk.flush().expect("durable");
        }
        // What a kill leaves: rounds in the journal that no checkpoint has reached.
        let copy = folder.path().join("copy");
        copy_folder(folder.path(), &copy);
    }
    let copy = folder.path().join("copy");
    let sound = open(&copy);
    assert_eq!(rows(&sound).len(), 5);
    drop(sound);
    let fresh = folder.path().join("fresh");
    copy_folder(&copy, &fresh);
    std::fs::remove_dir_all(fresh.join("sled")).expect("sled is made again");
    let segment = std::fs::read_dir(fresh.join("journal")).expect("there").next().expect("one").expect("one").path();
    let mut bytes = std::fs::read(&segment).expect("readable");
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    match Disk::open(&fresh, Settings::default(), Box::new(|_| {})) {
        Err(Error::Damaged { what, .. }) => assert!(what.contains("frame 0"), "{what}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a damaged frame was taken"),
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        let target = to.join(entry.file_name());
        let name = entry.file_name();
        if entry.file_type().expect("a type").is_dir() {
            if name != "copy" && name != "fresh" {
                copy_folder(&entry.path(), &target);
            }
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
