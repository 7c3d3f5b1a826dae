//! What a start and a check say to files that no crash leaves behind. Nothing of this may pass in silence.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine::testing::ledger::{Disk, Error, Rows, Seq, StateReader, check, journal_folder, rebuild, records};
use tempfile::TempDir;

use crate::common::{check_rows, copy, open, roll, rows, unhurried, write};

/// The state folder of a ledger with rounds 1 to `last`, of which those up to `checkpoint` are in sled.
fn written(checkpoint: u64, last: u64) -> TempDir {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = open(state.path(), unhurried());
    write(&mut disk, checkpoint);
    if checkpoint > 0 {
        disk.checkpoint().expect("written");
    }
    write(&mut disk, last);
    state
}

fn segments(state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(journal_folder(state)).expect("there");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("there").path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "journal"));
    found.sort();
    found
}

/// Where each frame of a segment begins, and the byte behind the last one: read here by the documented form.
fn frames(segment: &Path) -> Vec<u64> {
    let bytes = std::fs::read(segment).expect("readable");
    let mut at = 64;
    let mut found = vec![at as u64];
    loop {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        if length == 0 {
            return found;
        }
        at += (16 + length).next_multiple_of(8);
        found.push(at as u64);
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).expect("there").write_all_at(bytes, at).expect("written");
}

fn flip(path: &Path, bit: u64) {
    let mut byte = [0];
    let file = OpenOptions::new().read(true).write(true).open(path).expect("there");
    file.read_exact_at(&mut byte, bit / 8).expect("readable");
    file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).expect("written");
}

fn try_open(state: &Path) -> Result<Disk, Error> {
    Disk::open(state, unhurried(), Box::new(|_| {}))
}

/// The message with which a start refuses, which must be one about damage.
fn refused(state: &Path) -> String {
    match try_open(state) {
        Err(Error::Damaged { what, advice }) => {
            assert!(!advice.is_empty());
            what
        }
        Err(other) => panic!("{other}"),
        Ok(disk) => panic!("opened with round {:?}", disk.last()),
    }
}

#[test]
fn a_torn_last_frame_is_cut_off_and_all_before_it_is_kept() {
    let state = written(0, 20);
    let segment = segments(state.path()).pop().expect("one");
    let frames = frames(&segment);
    let [.., last, end] = *frames else { panic!("the newest segment has a frame") };
    // The mark says 20, but a frame that tears was never durable.
    for cut in [last + 1, last + 5, last + 17, end - 1] {
        let torn = tempfile::tempdir().expect("a folder");
        copy(state.path(), torn.path());
        std::fs::remove_file(torn.path().join("mark")).expect("there");
        let segment = segments(torn.path()).pop().expect("one");
        let zeros = vec![0; usize::try_from(end - cut).expect("small")];
        // Only what is not zero anyway makes a difference, and the last byte may be padding.
        if std::fs::read(&segment).expect("readable")[cut as usize..end as usize].iter().all(|byte| *byte == 0) {
            continue;
        }
        overwrite(&segment, cut, &zeros);
        let mut disk = open(torn.path(), unhurried());
        assert_eq!(disk.last(), Seq(19), "cut at byte {cut}");
        check_rows(&disk);
        write(&mut disk, 40);
        drop(disk);
        check_rows(&open(torn.path(), unhurried()));
    }
}

#[test]
fn a_bit_in_any_frame_but_the_last_is_refused_with_segment_frame_and_byte() {
    let state = written(0, 60);
    let found = segments(state.path());
    assert!(found.len() > 2);
    let mut dice = 1;
    for (at, segment) in found.iter().enumerate() {
        let frames = frames(segment);
        let newest = at + 1 == found.len();
        for (number, range) in frames.windows(2).enumerate() {
            if newest && number + 2 == frames.len() {
                continue;
            }
            let length = u32::from_le_bytes(
                std::fs::read(segment).expect("readable")[range[0] as usize..][..4].try_into().expect("four bytes"),
            );
            let bit = range[0] * 8 + roll(&mut dice) % ((16 + u64::from(length)) * 8);
            flip(segment, bit);
            let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
            let what = refused(state.path());
            let place = format!("segment {name}, frame {number}, byte {}:", range[0]);
            assert!(what.starts_with(&place), "bit {bit}: {what}");
            // The check tells the same, and so does reading history, which gives nothing from behind the damage.
            let problems = check(state.path()).expect("readable").problems;
            assert!(problems.iter().any(|problem| problem.starts_with(&place)), "{problems:?}");
            let history: Vec<_> = records(state.path(), Seq(1)).expect("listed").collect();
            assert!(matches!(history.last(), Some(Err(Error::Damaged { .. }))));
            assert!(history[..history.len() - 1].iter().all(Result::is_ok));
            flip(segment, bit);
        }
    }
    check_rows(&open(state.path(), unhurried()));
}

#[test]
fn a_zeroed_block_before_good_frames_is_refused() {
    let state = written(0, 20);
    let segment = segments(state.path()).pop().expect("one");
    let frames = frames(&segment);
    assert!(frames.len() > 3, "the newest segment has several frames");
    overwrite(&segment, frames[0], &vec![0; usize::try_from(frames[1] - frames[0]).expect("small")]);
    assert!(refused(state.path()).contains("frame 0, byte 64"));
}

#[test]
fn a_zeroed_tail_is_found_by_the_mark_and_the_missing_rounds_are_counted() {
    let state = written(0, 20);
    let segment = segments(state.path()).pop().expect("one");
    let frames = frames(&segment);
    let lost = 3;
    let from = frames[frames.len() - 1 - lost];
    let length = frames[frames.len() - 1] - from;
    overwrite(&segment, from, &vec![0; usize::try_from(length).expect("small")]);
    let what = refused(state.path());
    assert_eq!(what, "the journal ends after round 17, but round 20 was durable: 3 rounds are missing");
    assert!(check(state.path()).expect("readable").problems.iter().any(|problem| problem.contains("round 17")));
    // A mark that cannot be read says nothing: it is never synced, so a power cut may leave it so.
    std::fs::write(state.path().join("mark"), "torn").expect("written");
    assert_eq!(open(state.path(), unhurried()).last(), Seq(17));
}

#[test]
fn a_missing_segment_is_refused_where_rounds_of_it_must_be_redone() {
    let state = written(0, 60);
    let found = segments(state.path());
    for segment in &found[..found.len() - 1] {
        let bytes = std::fs::read(segment).expect("readable");
        std::fs::remove_file(segment).expect("there");
        assert!(refused(state.path()).contains("are missing"));
        std::fs::write(segment, bytes).expect("written");
    }
    check_rows(&open(state.path(), unhurried()));
}

#[test]
fn a_missing_segment_that_no_start_needs_is_found_by_the_check() {
    let state = written(60, 62);
    let found = segments(state.path());
    assert!(found.len() > 2);
    std::fs::remove_file(&found[1]).expect("there");
    check_rows(&open(state.path(), unhurried()));
    let problems = check(state.path()).expect("readable").problems;
    assert!(problems.len() == 1 && problems[0].contains("are missing behind it"), "{problems:?}");
}

#[test]
fn rows_without_their_journal_are_refused() {
    let state = written(10, 20);
    std::fs::remove_file(state.path().join("mark")).expect("there");
    for segment in segments(state.path()) {
        std::fs::remove_file(segment).expect("there");
    }
    assert!(refused(state.path()).contains("round 10 was durable"));
}

#[test]
fn a_journal_that_lost_what_a_checkpoint_had_begun_to_write_is_refused() {
    let state = written(0, 20);
    let mut disk = open(state.path(), unhurried());
    disk.checkpoint().expect("written");
    drop(disk);
    std::fs::remove_file(state.path().join("mark")).expect("there");
    let segment = segments(state.path()).pop().expect("one");
    let frames = frames(&segment);
    let length = std::fs::metadata(&segment).expect("there").len() - frames[frames.len() - 2];
    overwrite(&segment, frames[frames.len() - 2], &vec![0; usize::try_from(length).expect("small")]);
    assert!(refused(state.path()).contains("round 20 was durable"));
}

#[test]
fn a_lost_file_of_sled_is_refused_and_a_folder_moved_aside_is_made_again_from_the_journal() {
    let state = written(15, 20);
    let db = state.path().join("sled/db");
    std::fs::rename(&db, state.path().join("db")).expect("moved");
    assert!(refused(state.path()).contains("db"));
    std::fs::rename(state.path().join("sled"), state.path().join("sled.aside")).expect("moved");
    let disk = open(state.path(), unhurried());
    assert_eq!(disk.last(), Seq(20));
    check_rows(&disk);
}

#[test]
fn damaged_rows_are_found_beside_the_loop_and_made_again_by_one_command() {
    let state = written(300, 320);
    let expected = rows(&open(state.path(), unhurried()));
    // Behind the engine's back: a row is gone.
    {
        let sled = sled::open(state.path().join("sled")).expect("it opens");
        let tree = sled.tree_names().into_iter().map(|name| sled.open_tree(name).expect("a tree"));
        let tree = tree.max_by_key(sled::Tree::len).expect("the rows");
        let (key, _) = tree.iter().nth(40).expect("enough rows").expect("readable");
        tree.remove(key).expect("removed");
        sled.flush().expect("on the disk");
    }
    let disk = open(state.path(), unhurried());
    let problems = StateReader::Disk(disk.reader()).check_rows().expect("readable");
    assert!(!problems.is_empty(), "a delivery would have found it, or nobody");
    let locked = rebuild(state.path()).expect_err("an engine has it");
    assert!(matches!(locked, Error::Locked { .. }), "{locked}");
    drop(disk);

    let made = rebuild(state.path()).expect("the journal is whole");
    assert_eq!(made.round, Seq(320));
    assert!(made.aside.is_dir(), "what was there is kept");
    let disk = open(state.path(), unhurried());
    assert_eq!(rows(&disk), expected);
    assert_eq!(StateReader::Disk(disk.reader()).check_rows().expect("readable"), Vec::<String>::new());
    drop(disk);

    // Without its beginning the journal makes no rows, and nothing is moved.
    let journal = journal_folder(state.path());
    let mut segments: Vec<_> =
        std::fs::read_dir(&journal).expect("there").map(|entry| entry.expect("readable").path()).collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    std::fs::remove_file(&segments[0]).expect("removed");
    let error = rebuild(state.path()).expect_err("rounds are missing");
    assert!(error.to_string().contains("begins with round"), "{error}");
    assert!(state.path().join("sled").is_dir());
}

#[test]
fn rows_are_made_again_from_a_journal_that_is_larger_than_an_overlay_may_be() {
    let state = written(400, 400);
    std::fs::remove_dir_all(state.path().join("sled")).expect("there");
    let settings = engine::testing::ledger::Settings { full_rows: 25, ..unhurried() };
    let mut disk = Disk::open(state.path(), settings, Box::new(|_| {})).expect("it opens");
    check_rows(&disk);
    disk.checkpoint().expect("written");
    assert_eq!(disk.reader().check().expect("readable").problems, Vec::<String>::new());
}

#[test]
fn a_bit_in_sled_is_refused_repaired_or_found_and_never_passes_in_silence() {
    let state = written(300, 320);
    let expected = rows(&open(state.path(), unhurried()));
    let mut outcomes = BTreeMap::<&str, u32>::new();
    let mut dice = 7;
    let length = std::fs::metadata(state.path().join("sled/db")).expect("there").len();
    for _ in 0..25 {
        let damaged = tempfile::tempdir().expect("a folder");
        copy(state.path(), damaged.path());
        flip(&damaged.path().join("sled/db"), roll(&mut dice) % (length * 8));
        let outcome = match try_open(damaged.path()) {
            Err(Error::Damaged { .. }) => "refused",
            Err(other) => panic!("{other}"),
            Ok(disk) => {
                let read = disk.scan(&[], &[255], usize::MAX).map(BTreeMap::from_iter);
                let problems = disk.reader().check().expect("readable").problems;
                match read {
                    Err(Error::Damaged { .. } | Error::Row { .. }) => "an error where it is read",
                    Err(other) => panic!("{other}"),
                    Ok(read) if read == expected => "harmless",
                    Ok(_) if !problems.is_empty() => "found by the check",
                    Ok(_) => panic!("rows were lost and nobody noticed"),
                }
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert!(outcomes.len() > 1, "some bits matter and some do not: {outcomes:?}");
}
