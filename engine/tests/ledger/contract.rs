//! One script over all ledgers; they must agree.

use std::os::unix::fs::PermissionsExt;

use engine::testing::ledger::{Disk, Error, Ledger, Memory, Round, Rows, Seq, Volatile, check, records, restore};
use proptest::prelude::*;

use crate::common::{advance, check_rows, open, round, rows, small, unhurried, write};

/// What is done between rounds.
#[derive(Debug, Clone, Copy)]
enum Then {
    Nothing,
    Flush,
    Checkpoint,
    Reopen,
    Page,
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        10 => Just(Then::Nothing),
        3 => Just(Then::Flush),
        2 => Just(Then::Checkpoint),
        2 => Just(Then::Reopen),
        4 => Just(Then::Page),
    ]
}

/// Few keys, so that rows are overwritten and deleted; some values are larger than a row may be in sled.
fn some_round() -> impl Strategy<Value = Round> {
    let value = prop_oneof![
        3 => Just(None),
        6 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (4_000usize..9_000).prop_map(|length| Some(vec![7; length])),
    ];
    let records = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..3);
    (proptest::collection::btree_map(proptest::collection::vec(1u8..6, 1..3), value, 0..6), records)
        .prop_map(|(changes, records)| Round { changes: changes.into_iter().collect(), records })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_ledgers_hold_the_same_rows(
        script in proptest::collection::vec((some_round(), then()), 1..60),
        from in proptest::collection::vec(0u8..7, 0..3),
        to in proptest::collection::vec(0u8..7, 0..3),
        limit in 0usize..9,
    ) {
        let state = tempfile::tempdir().expect("a folder");
        let mut disk = open(state.path(), small());
        let mut memory = Memory::new();
        let mut volatile = Volatile::new();
        let beside = volatile.clone();
        for (round, then) in script {
            let seq = disk.append(round.clone()).expect("taken");
            prop_assert_eq!(memory.append(round.clone()).expect("taken"), seq);
            prop_assert_eq!(volatile.append(round).expect("taken"), seq);
            prop_assert_eq!(volatile.durable(), seq);
            match then {
                Then::Nothing => (),
                Then::Flush => {
                    prop_assert_eq!(disk.flush().expect("durable"), seq);
                    prop_assert_eq!(disk.durable(), seq);
                    prop_assert_eq!(volatile.flush().expect("durable"), seq);
                }
                Then::Checkpoint => prop_assert_eq!(disk.checkpoint().expect("written"), seq),
                Then::Reopen => {
                    drop(disk);
                    disk = open(state.path(), small());
                    prop_assert_eq!(disk.durable(), seq);
                }
                Then::Page => {
                    let reader = disk.reader();
                    prop_assert_eq!(reader.scan(&from, &to, limit).expect("readable"), memory.scan(&from, &to, limit).expect("readable"));
                    prop_assert_eq!(reader.get(&from).expect("readable"), memory.get(&from).expect("readable"));
                    prop_assert_eq!(beside.scan(&from, &to, limit).expect("readable"), memory.scan(&from, &to, limit).expect("readable"));
                    prop_assert_eq!(beside.get(&from).expect("readable"), memory.get(&from).expect("readable"));
                }
            }
            prop_assert_eq!(rows(&disk), rows(&memory));
            prop_assert_eq!(rows(&beside), rows(&memory));
        }
        disk.flush().expect("durable");
        let read: Vec<_> = disk.reader().records(Seq(3)).expect("listed").collect::<Result<_, _>>().expect("readable");
        prop_assert_eq!(read, memory.records(Seq(3)).map(|(seq, record)| (seq, record.to_vec())).collect::<Vec<_>>());
        drop(disk);
        prop_assert_eq!(check(state.path()).expect("readable").problems, Vec::<String>::new());
    }
}

#[test]
fn what_was_appended_is_seen_at_once_and_its_sequence_is_dense() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), unhurried());
    for number in 1..=30 {
        assert_eq!(disk.append(round(number)).expect("taken"), Seq(number));
        assert_eq!(disk.get(&[1]).expect("readable"), Some(number.to_be_bytes().to_vec()));
    }
    assert_eq!(disk.flush().expect("durable"), Seq(30));
}

#[test]
fn rows_of_the_ledger_itself_are_neither_written_nor_seen() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), unhurried());
    write(&mut disk, 20);
    disk.checkpoint().expect("written");
    let mut volatile = Volatile::new();
    for key in [b"\x00a".as_slice(), b"\x00f", b"\x00h", b""] {
        for ledger in [&mut disk as &mut dyn Ledger, &mut volatile] {
            assert_eq!(ledger.get(key).expect("readable"), None);
            let round = Round { changes: vec![(key.to_vec(), None)], records: vec![] };
            assert!(matches!(ledger.append(round), Err(Error::Row { .. })), "{key:?}");
        }
    }
    assert_eq!(disk.scan(&[], &[1], usize::MAX).expect("readable"), []);
    assert_eq!(disk.scan(&[9], &[2], usize::MAX).expect("readable"), []);
}

#[test]
fn a_second_engine_on_the_same_state_is_told_so() {
    let state = tempfile::tempdir().expect("a folder");
    let first = open(state.path(), small());
    let reader = first.reader();
    let second = Disk::open(state.path(), small(), Box::new(|_| {}));
    assert!(matches!(second, Err(Error::Locked { .. })));
    assert!(matches!(check(state.path()), Err(Error::Locked { .. })));
    drop(first);
    // A reader that is left over keeps nothing from going on, and does not take closed rows for absent ones.
    drop(open(state.path(), small()));
    assert!(matches!(reader.get(&[1]), Err(Error::Io { .. })));
}

#[test]
fn only_the_owner_can_look_into_the_state_folder() {
    let parent = tempfile::tempdir().expect("a folder");
    let state = parent.path().join("made/by/the/engine");
    drop(open(&state, small()));
    let wide = parent.path().join("made by hand");
    std::fs::create_dir(&wide).expect("a folder");
    std::fs::set_permissions(&wide, std::fs::Permissions::from_mode(0o755)).expect("its owner may");
    drop(open(&wide, small()));
    for folder in [&state, &wide, &state.join("journal")] {
        let mode = std::fs::metadata(folder).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[test]
fn history_outlives_checkpoints_and_is_read_from_any_round() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), small());
    write(&mut disk, 300);
    disk.checkpoint().expect("written");
    let mut model = Memory::new();
    advance(&mut model, 300);
    drop(disk);
    for from in [0, 1, 2, 150, 299, 300, 301] {
        let read: Vec<_> =
            records(state.path(), Seq(from)).expect("listed").collect::<Result<_, _>>().expect("readable");
        let expected: Vec<_> = model.records(Seq(from)).map(|(seq, record)| (seq, record.to_vec())).collect();
        assert_eq!(read, expected, "from {from}");
    }
}

#[test]
fn the_last_records_are_those_before_a_round_over_as_many_segments_as_it_takes() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), small());
    write(&mut disk, 300);
    let mut model = Memory::new();
    advance(&mut model, 300);
    let segments = std::fs::read_dir(state.path().join("journal")).expect("a folder").count();
    assert!(segments > 3, "{segments} segments");
    for until in [0, 1, 2, 150, 299, 300, 900] {
        let before: Vec<_> = model.records(Seq(0)).filter(|(seq, _)| seq.0 <= until).map(|(_, r)| r.to_vec()).collect();
        for count in [0, 1, 7, 200, 10_000] {
            let expected = &before[before.len().saturating_sub(count)..];
            assert_eq!(
                disk.reader().last_records(Seq(until), count).expect("readable"),
                expected,
                "{count} to {until}"
            );
        }
    }
}

#[test]
fn retention_removes_whole_segments_below_the_checkpoint_before() {
    let state = tempfile::tempdir().expect("a folder");
    let settings = || engine::testing::ledger::Settings { retention: Some(std::time::Duration::ZERO), ..unhurried() };
    let mut disk = open(state.path(), settings());
    write(&mut disk, 300);
    disk.checkpoint().expect("written");
    let oldest = |disk: &Disk| disk.reader().check().expect("readable").oldest;
    assert_eq!(oldest(&disk), Seq(1), "the checkpoint before was at the start");
    write(&mut disk, 301);
    disk.checkpoint().expect("written");
    let cut = oldest(&disk);
    assert!(Seq(1) < cut && cut <= Seq(301), "{cut:?}");
    drop(disk);
    let disk = open(state.path(), settings());
    check_rows(&disk);
    assert_eq!(disk.reader().check().expect("readable").problems, Vec::<String>::new());
    let first = records(state.path(), Seq(1)).expect("listed").next().expect("some are left").expect("readable");
    assert!(first.0 >= cut);
}

#[test]
fn a_backup_of_a_running_ledger_is_a_ledger() {
    let state = tempfile::tempdir().expect("a folder");
    let (first, second) = (state.path().join("backup"), state.path().join("restored"));
    let mut disk = open(&state.path().join("state"), small());
    write(&mut disk, 400);
    let reader = disk.reader();
    let target = first.clone();
    let copying = std::thread::spawn(move || reader.backup(&target));
    let mut number = 400;
    while !copying.is_finished() {
        number += 1;
        disk.append(round(number)).expect("taken");
        disk.flush().expect("durable");
    }
    let copied = copying.join().expect("no panic").expect("copied");
    assert!((400..=number).contains(&copied.0));
    disk.checkpoint().expect("checkpoints go on afterwards");
    assert!(matches!(disk.reader().backup(&first), Err(Error::Io { .. })), "a copy is not overwritten");
    // A copy that was broken off lacks what is written last, and nothing is made of it.
    let mark = first.join("mark");
    let kept = std::fs::read(&mark).expect("a whole copy has it");
    std::fs::remove_file(&mark).expect("there");
    let refused = restore(&first, &second).expect_err("half a copy").to_string();
    assert!(refused.contains("half a copy") && !second.exists(), "{refused}");
    std::fs::write(&mark, kept).expect("written");
    assert_eq!(restore(&first, &second).expect("restored"), copied);
    for copy in [&first, &second] {
        let copy = open(copy, small());
        assert_eq!(copy.last(), copied);
        check_rows(&copy);
    }
}
