//! Looks at everything a state folder holds and says what is wrong, for `engine ledger check`.
//!
//! In: a state folder that no engine has open, or the ledger of a running one. Out: a [`Report`].
//! Always true: it goes on after a problem, so that one run tells all of them; it repairs nothing.
//! Not here: what rows mean to decisions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::chunks::{Form, MAX_STORED, chunk_of, form};
use super::disk::{Lock, Reader};
use super::files::{Files, System, failed};
use super::frame::decode;
use super::high_water_mark;
use super::hold::Hold;
use super::journal::{End, Frames, Segment, journal_folder, missing_behind, segments};
use super::key::printable;
use super::store::{FOLDER, Store, hash, is_hashed};
use super::{Error, Seq};

/// What a ledger holds and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Segments of the journal.
    pub segments: u64,
    /// Good frames in them.
    pub frames: u64,
    /// Good rounds in those.
    pub rounds: u64,
    /// Records in those.
    pub records: u64,
    /// The first round that the journal still has; 0 where it has none.
    pub oldest: Seq,
    /// The last one.
    pub last: Seq,
    /// The last round whose rows are in sled.
    pub applied: Seq,
    /// Rows in sled; those that only the journal has are not counted.
    pub rows: u64,
    /// Chunks of large rows in sled.
    pub chunks: u64,
    /// What is wrong, one sentence each; empty where all is well.
    pub problems: Vec<String>,
}

/// Looks at the state folder `state`, which must exist and be free.
///
/// # Errors
/// [`Error::Locked`] where an engine has it (ask that engine instead, see [`Reader::check`]), [`Error::Newer`], and
/// what the operating system refuses. Damage is no error, but a problem in the report.
pub fn check(state: &Path) -> Result<Report, Error> {
    std::fs::metadata(state).map_err(failed("cannot read", state))?;
    let _lock = Lock::take(state)?;
    let mut report = Report::default();
    check_journal(state, None, &mut report)?;
    // Opening would make a missing one, and checking changes nothing that is there.
    if !state.join(FOLDER).is_dir() {
        report
            .problems
            .push(format!("the folder `{FOLDER}` is missing; a start makes the rows again from the journal"));
        return Ok(report);
    }
    match Store::open(state, &(Arc::new(System) as Arc<dyn Files>)) {
        Ok(store) => check_rows(&store, &mut report)?,
        Err(Error::Damaged { what, .. }) => report.problems.push(what),
        Err(error) => return Err(error),
    }
    let reached = report.last.max(Seq(report.oldest.0.saturating_sub(1)));
    if report.applied > reached {
        let (applied, last) = (report.applied.0, reached.0);
        report.problems.push(format!("rows are from round {applied}, but the journal ends after round {last}"));
    }
    reaches_the_mark(state, reached, &mut report)?;
    Ok(report)
}

/// The same of the journal alone, for whoever has the folder.
pub(super) fn journal_alone(state: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    check_journal(state, None, &mut report)?;
    let last = report.last;
    reaches_the_mark(state, last, &mut report)?;
    Ok(report)
}

fn reaches_the_mark(state: &Path, reached: Seq, report: &mut Report) -> Result<(), Error> {
    if let Some(durable) = high_water_mark::read(state)?
        && durable > reached
    {
        report
            .problems
            .push(format!("round {} was durable, but the journal ends after round {}", durable.0, reached.0));
    }
    Ok(())
}

impl Reader {
    /// The same for the ledger of this process: the journal up to what is durable, and the rows, while checkpoints
    /// wait. Rounds are taken meanwhile.
    ///
    /// # Errors
    /// Where the ledger is closed, or the operating system refuses.
    pub fn check(&self) -> Result<Report, Error> {
        let hold = Hold::new(&self.0)?;
        let mut report = Report::default();
        check_journal(&self.0.folder, Some(hold.durable()), &mut report)?;
        check_rows(&self.0.store, &mut report)?;
        Ok(report)
    }
}

impl Reader {
    /// Reads every row, and says what is wrong with them, one sentence each. Checkpoints wait meanwhile, rounds do not.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_rows(&self) -> Result<Vec<String>, Error> {
        let _hold = Hold::new(&self.0)?;
        let mut report = Report::default();
        check_rows(&self.0.store, &mut report)?;
        Ok(report.problems)
    }
}

/// Reads every frame, up to `until` where the journal is being written.
fn check_journal(state: &Path, until: Option<Seq>, report: &mut Report) -> Result<(), Error> {
    let folder = journal_folder(state);
    if !folder.is_dir() {
        return Ok(());
    }
    let found = segments(&folder)?;
    report.oldest = found.first().map_or(Seq(0), |segment| segment.first);
    for (at, segment) in found.iter().enumerate() {
        if until.is_some_and(|until| segment.first > until) {
            break;
        }
        report.segments += 1;
        let end = match check_segment(segment, until, report) {
            Ok(Some(end)) => end,
            Ok(None) => break,
            // A check tells of all damage: each segment can be read without the others.
            Err(Error::Damaged { what, .. }) => {
                report.problems.push(what);
                continue;
            }
            Err(error) => return Err(error),
        };
        let following = match (found.get(at + 1), until) {
            (Some(segment), _) => segment.first,
            (None, Some(until)) => Seq(until.0 + 1),
            (None, None) => break,
        };
        if end.next < following
            && let Error::Damaged { what, .. } = missing_behind(segment, &end, following)
        {
            report.problems.push(what);
        }
    }
    Ok(())
}

/// The end of the segment, or `None` where it holds the last round wanted.
fn check_segment(segment: &Segment, until: Option<Seq>, report: &mut Report) -> Result<Option<End>, Error> {
    let mut frames = Frames::open(segment)?;
    while let Some((first, body)) = frames.next()? {
        let counts = decode(body).map(|rounds| (rounds.len(), rounds.iter().map(|round| round.records.len()).sum()));
        let (rounds, records): (usize, usize) =
            counts.map_err(|error| frames.damaged(&format!("the rounds cannot be read: {error}")))?;
        frames.accept(rounds as u64);
        report.frames += 1;
        report.rounds += rounds as u64;
        report.records += records as u64;
        report.last = Seq(first.0 + rounds as u64 - 1);
        if until.is_some_and(|until| report.last >= until) {
            return Ok(None);
        }
    }
    frames.end().map(Some)
}

/// Reads every row, and compares their hash with the one that was kept while they were written.
fn check_rows(store: &Store, report: &mut Report) -> Result<(), Error> {
    let (applied, target) = store.applied()?;
    report.applied = applied;
    let kept = store.hash()?;
    let mut sum = 0;
    // Number and bytes of the chunks of each large row. They stand before all rows.
    let mut chunks: BTreeMap<Vec<u8>, (u32, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let read = store.every(|key, stored| {
        if !is_hashed(key) {
            return Ok(());
        }
        sum ^= hash(key, stored);
        if stored.len() > MAX_STORED {
            wrong.push(format!("row {}: its stored value has {} bytes, too many", printable(key), stored.len()));
        }
        if let Some((row, _)) = chunk_of(key) {
            report.chunks += 1;
            let (count, length) = chunks.entry(row.to_vec()).or_default();
            *count += 1;
            *length += stored.len() as u64;
            return Ok(());
        }
        report.rows += 1;
        let found = chunks.remove(key).unwrap_or_default();
        let expected = match form(key, stored) {
            Ok(Form::Whole(_)) => (0, 0),
            Ok(Form::Chunked { count, length }) => (count, length),
            Err(error) => {
                wrong.push(error.to_string());
                return Ok(());
            }
        };
        if found != expected && applied == target {
            wrong.push(format!("row {}: its parts are not those it should have", printable(key)));
        }
        Ok(())
    });
    if let Err(error) = read {
        match error {
            Error::Damaged { what, .. } => wrong.push(what),
            error => return Err(error),
        }
    } else {
        // A checkpoint that was cut off leaves chunks whose row is still to come; the next start repeats it.
        if applied == target {
            wrong.extend(chunks.keys().map(|row| format!("row {}: it has parts, but is not there", printable(row))));
        }
        if sum != kept {
            wrong.push(
                "the rows are not those that were written: some were lost or changed behind the engine's back".into(),
            );
        }
    }
    report.problems.append(&mut wrong);
    let blobs = store.folder().join("blobs");
    let mut files = std::fs::read_dir(&blobs).map_err(failed("cannot list", &blobs))?;
    if files.next().is_some() {
        report.problems.push("sled has put values into files that it never syncs (`blobs`)".into());
    }
    Ok(())
}
