//! A consistent copy of the ledger while it is in use, and back.
//!
//! In: a running ledger, or a copy. Out: a folder that [`Disk::open`](super::Disk::open) takes, with every round
//! that was durable when the copy began and none after it.
//! Always true: the copy was read back and checked before it is called one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::check::check;
use super::disk::Reader;
use super::files::{Files, System, failed, sync_folder};
use super::high_water_mark::{self, HighWaterMark};
use super::hold::Hold;
use super::journal::{journal_folder, segments};
use super::store::FOLDER;
use super::{Error, Seq};

impl Reader {
    /// Copies the ledger to `to`, which must not exist or be empty. Rounds are taken meanwhile; checkpoints wait.
    /// Returns the last round in the copy.
    ///
    /// # Errors
    /// Where `to` is in use, the copy does not read back well, or the operating system refuses. What was copied so
    /// far stays for a person to look at.
    pub fn backup(&self, to: &Path) -> Result<Seq, Error> {
        let hold = Hold::new(&self.0)?;
        prepare(to)?;
        let from = &self.0.folder;
        copy_rows(&from.join(FOLDER), &to.join(FOLDER))?;
        let (newest, end) = hold.end();
        let journal = journal_folder(to);
        make(&journal)?;
        for segment in segments(&journal_folder(from))? {
            let target = journal.join(segment.name());
            match segment.first.cmp(&newest) {
                std::cmp::Ordering::Less => copy(&segment.path, &target, u64::MAX)?,
                // Behind the end a frame may be half written; the copy has room there instead.
                std::cmp::Ordering::Equal => copy(&segment.path, &target, end)?,
                std::cmp::Ordering::Greater => (),
            }
        }
        let durable = hold.durable();
        drop(hold);
        let files: Arc<dyn Files> = Arc::new(System);
        drop(HighWaterMark::open(to, &files, durable)?);
        for folder in [&journal, &to.join(FOLDER), to] {
            sync_folder(&*files, folder)?;
        }
        proven(to)?;
        Ok(durable)
    }
}

/// Puts a copy made by [`Reader::backup`] where `state` does not exist or is empty. Returns its last round.
///
/// # Errors
/// Where `state` is in use, the copy is damaged, or the operating system refuses.
pub fn restore(backup: &Path, state: &Path) -> Result<Seq, Error> {
    std::fs::metadata(backup).map_err(failed("cannot read", backup))?;
    let mark = backup.join(high_water_mark::NAME);
    if !mark.try_exists().map_err(failed("cannot read", &mark))? {
        let what = format!(
            "{} is half a copy: the file `{}`, which is written last, is not in it",
            backup.display(),
            high_water_mark::NAME
        );
        return Err(Error::Damaged { what, advice: "take another copy".into() });
    }
    prepare(state)?;
    copy_rows(&backup.join(FOLDER), &state.join(FOLDER))?;
    let journal = journal_folder(state);
    make(&journal)?;
    for segment in segments(&journal_folder(backup))? {
        copy(&segment.path, &journal.join(segment.name()), u64::MAX)?;
    }
    copy(&mark, &state.join(high_water_mark::NAME), u64::MAX)?;
    for folder in [&journal, &state.join(FOLDER), state] {
        sync_folder(&System, folder)?;
    }
    proven(state)
}

/// The last round of a copy that is whole.
fn proven(copy: &Path) -> Result<Seq, Error> {
    let report = check(copy)?;
    if report.problems.is_empty() {
        return Ok(report.last.max(report.applied));
    }
    let what = format!("the copy {} is not whole: {}", copy.display(), report.problems.join("; "));
    Err(Error::Damaged { what, advice: "check the ledger it was made from, and make another copy".into() })
}

fn prepare(folder: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("cannot make", folder))?;
    let mut entries = std::fs::read_dir(folder).map_err(failed("cannot list", folder))?;
    if entries.next().is_some() {
        let taken = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "the folder is not empty");
        return Err(failed("cannot copy to", folder)(taken));
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(folder).map_err(failed("cannot make", folder))
}

/// The files of sled, but neither a half-made snapshot nor files for large values, of which there are none.
fn copy_rows(from: &Path, to: &Path) -> Result<(), Error> {
    make(to)?;
    for entry in std::fs::read_dir(from).map_err(failed("cannot list", from))? {
        let path = entry.map_err(failed("cannot list", from))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "db" || name == "conf" || (name.starts_with("snap.") && !name.ends_with(".generating")) {
            copy(&path, &to.join(&*name), u64::MAX)?;
        }
    }
    Ok(())
}

/// Copies the first `limit` bytes, gives the copy the length of the original, and syncs it.
fn copy(from: &Path, to: &Path, limit: u64) -> Result<(), Error> {
    let source = File::open(from).map_err(failed("cannot open", from))?;
    let length = source.metadata().map_err(failed("cannot read", from))?.len();
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut target = target.map_err(failed("cannot make", to))?;
    let mut source = source.take(limit.min(length));
    let copied = std::io::copy(&mut source, &mut target).and_then(|_| target.set_len(length));
    copied.and_then(|()| target.flush()).and_then(|()| target.sync_all()).map_err(failed("cannot write", to))
}
