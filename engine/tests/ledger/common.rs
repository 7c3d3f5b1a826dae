//! Rounds that follow from their number, a model of their rows, and ledgers with small sizes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::testing::ledger::{Disk, Ledger, Memory, Round, Rows, Settings};

/// Small enough that a short test sees many segments and checkpoints.
pub(crate) fn small() -> Settings {
    Settings {
        segment: 1 << 15,
        checkpoint_rows: 40,
        checkpoint_after: Duration::from_millis(10),
        ..Settings::default()
    }
}

/// Checkpoints only where a test asks for one.
pub(crate) fn unhurried() -> Settings {
    Settings { segment: 1 << 15, checkpoint_after: Duration::from_secs(3600), ..Settings::default() }
}

pub(crate) fn open(state: &Path, settings: Settings) -> Disk {
    Disk::open(state, settings, Box::new(|_| {})).expect("the ledger opens")
}

pub(crate) fn rows(ledger: &dyn Rows) -> BTreeMap<Vec<u8>, Vec<u8>> {
    ledger.scan(&[], &[255], usize::MAX).expect("readable").into_iter().collect()
}

/// The next number of a sequence that looks random and depends on nothing but where it began.
pub(crate) fn roll(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut out = *state;
    out = (out ^ (out >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    out = (out ^ (out >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    out ^ (out >> 31)
}

/// What round `number` is, so that anybody who knows the number knows the round: a row that everybody overwrites,
/// rows that live for a while, rows that stay, and now and then a value too large for one row of sled.
pub(crate) fn round(number: u64) -> Round {
    let mut state = number;
    let mut changes = BTreeMap::new();
    changes.insert(vec![1], Some(number.to_be_bytes().to_vec()));
    for _ in 0..roll(&mut state) % 5 {
        let key = vec![2, (roll(&mut state) % 64) as u8];
        let length = match roll(&mut state) % 20 {
            0 => 4_000 + roll(&mut state) % 12_000,
            _ => roll(&mut state) % 60,
        };
        let value = (!roll(&mut state).is_multiple_of(3)).then(|| vec![number as u8; length as usize]);
        changes.insert(key, value);
    }
    let stays = |number: u64| [&[3], number.to_be_bytes().as_slice()].concat();
    changes.insert(stays(number), Some(vec![number as u8; 24]));
    // Nine of ten of those that stay go again, sooner or later.
    if let Some(old) = number.checked_sub(roll(&mut state) % 30 + 1)
        && old % 10 != 0
    {
        changes.insert(stays(old), None);
    }
    let records = (0..number % 3).map(|n| format!("record {n} of round {number}").into_bytes()).collect();
    Round { changes: changes.into_iter().collect(), records }
}

/// Brings a model up to round `last`.
pub(crate) fn advance(model: &mut Memory, last: u64) {
    while model.last().0 < last {
        let next = model.last().0 + 1;
        model.append(round(next)).expect("memory takes it");
        model.flush().expect("memory takes it");
    }
}

/// Appends the rounds up to `last`; each has a frame of its own.
pub(crate) fn write(disk: &mut Disk, last: u64) {
    for number in disk.last().0 + 1..=last {
        disk.append(round(number)).expect("taken");
        disk.flush().expect("durable");
    }
}

/// The same rows as the rounds up to the ledger's last one give.
pub(crate) fn check_rows(disk: &Disk) {
    let mut model = Memory::new();
    advance(&mut model, disk.last().0);
    assert!(rows(disk) == rows(&model), "rows differ after round {}", disk.last().0);
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("there");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
