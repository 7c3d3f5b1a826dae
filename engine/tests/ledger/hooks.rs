//! The ledger with file operations that a test watches, fails, or takes pictures of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use engine::testing::ledger::{Disk, Error, Files, Ledger, Purpose, Round, Seq, Settings, StateReader, System};

use crate::common::{check_rows, copy, open, round, small, unhurried, write};

/// What happened, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Write(Purpose),
    Sync(Purpose),
    Durable(u64),
}

/// The operating system, with a log, and with faults on demand.
#[derive(Debug, Default)]
struct Watched {
    log: Mutex<Vec<Event>>,
    /// Writes and allocations fail for lack of room; writes leave half of their bytes behind.
    full: AtomicBool,
    /// Syncs for this purpose fail once this many have worked.
    fail: Option<(Purpose, AtomicU64)>,
    /// A copy of the state folder is made here before each sync of rows.
    pictures: Option<(PathBuf, PathBuf, AtomicU64)>,
}

impl Watched {
    fn log(&self, event: Event) {
        self.log.lock().expect("no panic").push(event);
    }

    fn count(&self, event: Event) -> usize {
        self.log.lock().expect("no panic").iter().filter(|other| **other == event).count()
    }
}

impl Files for Watched {
    fn allocate(&self, file: &File, size: u64) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        System.allocate(file, size)
    }

    fn write(&self, purpose: Purpose, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            System.write(purpose, file, &bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        System.write(purpose, file, bytes, at)?;
        self.log(Event::Write(purpose));
        Ok(())
    }

    fn sync(&self, purpose: Purpose, file: &File) -> io::Result<()> {
        if let Some((failing, left)) = &self.fail
            && *failing == purpose
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        {
            return Err(io::Error::other("the disk does not answer"));
        }
        if let (Some((state, to, number)), Purpose::Rows) = (&self.pictures, purpose) {
            copy(state, &to.join(number.fetch_add(1, Ordering::SeqCst).to_string()));
        }
        System.sync(purpose, file)?;
        self.log(Event::Sync(purpose));
        Ok(())
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        System.free(path)
    }
}

fn with(files: &Arc<Watched>, settings: Settings) -> Settings {
    Settings { files: Arc::clone(files) as Arc<dyn Files>, ..settings }
}

#[test]
fn a_round_is_told_durable_only_behind_the_sync_of_its_frame() {
    let state = tempfile::tempdir().expect("a folder");
    let files = Arc::new(Watched::default());
    let told = Arc::clone(&files);
    let on_durable = Box::new(move |seq: Seq| told.log(Event::Durable(seq.0)));
    let mut disk = Disk::open(state.path(), with(&files, unhurried()), on_durable).expect("it opens");
    for number in 1..=200 {
        disk.append(round(number)).expect("taken");
        if number % 7 == 0 {
            disk.flush().expect("durable");
        }
    }
    disk.flush().expect("durable");
    drop(disk);
    let mut log = files.log.lock().expect("no panic").clone();
    log.retain(|event| matches!(event, Event::Write(Purpose::Frame) | Event::Sync(Purpose::Frame) | Event::Durable(_)));
    let mut last = 0;
    for frame in log.chunks(3) {
        let [Event::Write(Purpose::Frame), Event::Sync(Purpose::Frame), Event::Durable(seq)] = *frame else {
            panic!("{frame:?}");
        };
        assert!(seq > last);
        last = seq;
    }
    assert_eq!(last, 200);
    assert!(log.len() / 3 < 200, "rounds that queue up share a frame");
}

#[test]
fn rows_are_synced_before_a_checkpoint_counts() {
    let state = tempfile::tempdir().expect("a folder");
    let files = Arc::new(Watched::default());
    let mut disk = Disk::open(state.path(), with(&files, unhurried()), Box::new(|_| {})).expect("it opens");
    write(&mut disk, 100);
    assert_eq!(files.count(Event::Sync(Purpose::Rows)), 0);
    disk.checkpoint().expect("written");
    // What is aimed at, batches of 64, and what was reached.
    let batches = files.count(Event::Sync(Purpose::Rows));
    assert!(batches >= 4, "{batches}");
}

#[test]
fn after_a_failed_sync_nothing_is_told_and_the_next_start_has_every_durable_round() {
    for purpose in [Purpose::Frame, Purpose::Rows] {
        for works in [0, 1, 3] {
            let state = tempfile::tempdir().expect("a folder");
            let files = Arc::new(Watched { fail: Some((purpose, AtomicU64::new(works))), ..Watched::default() });
            let (fatal, fatals) = channel();
            let fatal = Mutex::new(fatal);
            let settings = Settings {
                on_fatal: Arc::new(move |error| {
                    fatal.lock().expect("no panic").send(error.to_string()).expect("the test listens");
                }),
                ..with(&files, unhurried())
            };
            let told = Arc::new(AtomicU64::new(0));
            let last_told = Arc::clone(&told);
            let on_durable = Box::new(move |seq: Seq| last_told.store(seq.0, Ordering::SeqCst));
            let mut disk = Disk::open(state.path(), settings, on_durable).expect("it opens");
            let mut taken = 0;
            while taken < 50 && disk.append(round(taken + 1)).is_ok() {
                taken += 1;
                if disk.flush().is_err() {
                    break;
                }
            }
            disk.checkpoint().expect_err("the sync failed");
            let message = fatals.recv().expect("told");
            assert!(message.contains("the disk does not answer"), "{message}");
            assert!(matches!(disk.append(round(taken + 1)), Err(Error::Io { .. })));
            let durable = disk.durable().0;
            if purpose == Purpose::Frame {
                assert_eq!(durable, works);
            }
            // The writer tells right behind what it has noted; by the end of its thread it has.
            drop(disk);
            assert_eq!(durable, told.load(Ordering::SeqCst));
            assert!(fatals.try_recv().is_err(), "told once");
            let disk = open(state.path(), unhurried());
            assert!((durable..=taken).contains(&disk.last().0));
            check_rows(&disk);
        }
    }
}

#[test]
fn a_full_disk_takes_nothing_and_goes_on_by_itself() {
    let state = tempfile::tempdir().expect("a folder");
    let files = Arc::new(Watched::default());
    let (durable, told) = channel();
    let on_durable = Box::new(move |seq: Seq| durable.send(seq).expect("the test listens"));
    let mut disk = Disk::open(state.path(), with(&files, unhurried()), on_durable).expect("it opens");
    let mut number = 0;
    // Some of these meet the end of a segment, so that there is no room for the next one; some are in the middle.
    for _ in 0..6 {
        for _ in 0..17 {
            number += 1;
            disk.append(round(number)).expect("taken");
            disk.flush().expect("durable");
        }
        files.full.store(true, Ordering::SeqCst);
        number += 1;
        disk.append(round(number)).expect("nobody knows yet");
        assert!(matches!(disk.flush(), Err(Error::Full { .. })));
        assert!(matches!(disk.append(round(number + 1)), Err(Error::Full { .. })));
        assert_eq!(disk.durable(), Seq(number - 1), "nothing is acknowledged");
        let (refuses, _) = StateReader::Disk(disk.reader()).trouble();
        assert!(refuses.is_some(), "status and readiness know it, whether anything comes or not");
        check_rows(&disk);
        files.full.store(false, Ordering::SeqCst);
        while told.recv().expect("it goes on") < Seq(number) {}
        assert_eq!(StateReader::Disk(disk.reader()).trouble(), (None, None));
    }
    drop(disk);
    let disk = open(state.path(), unhurried());
    assert_eq!(disk.last(), Seq(number));
    check_rows(&disk);
}

#[test]
fn a_start_on_a_full_disk_does_not_promise_to_go_on_by_itself() {
    let state = tempfile::tempdir().expect("a folder");
    let files = Arc::new(Watched::default());
    files.full.store(true, Ordering::SeqCst);
    let opened = Disk::open(state.path(), with(&files, unhurried()), Box::new(|_| {}));
    let error = opened.expect_err("there is no room");
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("in one piece"), "it says how much is needed: {error}");
    let help = miette::Diagnostic::help(&error).expect("it helps").to_string();
    assert!(help.contains("start the engine again"), "{help}");
    files.full.store(false, Ordering::SeqCst);
    assert_eq!(open(state.path(), unhurried()).last(), Seq(0));
}

#[test]
fn a_ledger_that_closes_on_a_full_disk_keeps_what_was_durable() {
    let state = tempfile::tempdir().expect("a folder");
    let files = Arc::new(Watched::default());
    let mut disk = Disk::open(state.path(), with(&files, unhurried()), Box::new(|_| {})).expect("it opens");
    write(&mut disk, 30);
    files.full.store(true, Ordering::SeqCst);
    disk.append(round(31)).expect("nobody knows yet");
    assert!(matches!(disk.flush(), Err(Error::Full { .. })));
    drop(disk);
    let disk = open(state.path(), unhurried());
    assert_eq!(disk.last(), Seq(30));
    check_rows(&disk);
}

#[test]
fn where_checkpoints_are_behind_nothing_more_is_taken_until_they_have_caught_up() {
    let state = tempfile::tempdir().expect("a folder");
    let settings = Settings { full_rows: 30, ..unhurried() };
    let mut disk = Disk::open(state.path(), settings, Box::new(|_| {})).expect("it opens");
    let mut number = 0;
    while number < 200 {
        match disk.append(round(number + 1)) {
            Ok(_) => number += 1,
            Err(Error::Full { .. }) => {
                assert!(disk.reader().health().active_rows >= 30);
                disk.checkpoint().expect("written");
            }
            Err(other) => panic!("{other}"),
        }
    }
    check_rows(&disk);
    let settings = Settings { full_journal: 2_000, ..unhurried() };
    drop(disk);
    let mut disk = Disk::open(state.path(), settings, Box::new(|_| {})).expect("it opens");
    disk.checkpoint().expect("written");
    let large = || Round { changes: vec![], records: vec![vec![0; 1_500]] };
    disk.append(large()).expect("taken");
    disk.append(large()).expect("taken");
    assert!(matches!(disk.append(large()), Err(Error::Full { .. })), "records alone also make a start longer");
    disk.checkpoint().expect("written");
    disk.append(large()).expect("taken");
}

/// Before each of its syncs a checkpoint leaves a state from which a start makes the same rows, even where rows
/// were deleted in the meantime that a checkpoint before had only half written.
#[test]
fn a_crash_before_any_sync_of_a_checkpoint_loses_and_revives_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, pictures) = (place.path().join("state"), place.path().join("pictures"));
    let files = Arc::new(Watched {
        pictures: Some((state.clone(), pictures.clone(), AtomicU64::new(0))),
        ..Watched::default()
    });
    let mut disk = Disk::open(&state, with(&files, unhurried()), Box::new(|_| {})).expect("it opens");
    let mut ends = BTreeMap::new();
    for last in [160, 170, 360] {
        write(&mut disk, last);
        disk.checkpoint().expect("written");
        let taken = files.pictures.as_ref().expect("set").2.load(Ordering::SeqCst);
        ends.insert(taken, last);
    }
    drop(disk);
    let all = *ends.keys().last().expect("three");
    assert!(all >= 12, "{all} pictures");
    for number in 0..all {
        let picture = pictures.join(number.to_string());
        let last = *ends.range(number + 1..).next().expect("within").1;
        let mut disk = open(&picture, unhurried());
        assert_eq!(disk.last(), Seq(last), "picture {number}");
        check_rows(&disk);
        // Rows die while the checkpoint that wrote some of them is not known to have happened.
        write(&mut disk, last + 40);
        disk.checkpoint().expect("written");
        check_rows(&disk);
        assert_eq!(disk.reader().check().expect("readable").problems, Vec::<String>::new(), "picture {number}");
    }
}

#[test]
fn values_of_any_size_leave_no_file_behind_that_sled_does_not_sync() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), small());
    for number in 1..=40u64 {
        let size = [10, 4_095, 4_096, 4_097, 60_000, 300_000][(number % 6) as usize];
        let key = vec![9, (number % 5) as u8];
        let value = (number % 9 != 0).then(|| vec![number as u8; size]);
        disk.append(Round { changes: vec![(key.clone(), value.clone())], records: vec![] }).expect("taken");
        if number % 3 == 0 {
            disk.checkpoint().expect("written");
        }
        assert!(engine::testing::ledger::Rows::get(&disk, &key).expect("readable") == value, "round {number}");
    }
    disk.checkpoint().expect("written");
    let blobs = std::fs::read_dir(state.path().join("sled/blobs")).expect("there").count();
    assert_eq!(blobs, 0);
    assert_eq!(disk.reader().check().expect("readable").problems, Vec::<String>::new());
}
