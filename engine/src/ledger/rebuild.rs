//! Makes the rows again from the journal, for `engine ledger rebuild`.
//!
//! In: a state folder that no engine has open. Out: the same rows, made from the first round on; those that were there
//! are kept beside them. Always true: nothing is moved before it is known that the journal holds every round.

use std::path::{Path, PathBuf};

use super::check::{Report, journal_alone};
use super::disk::{Disk, Lock};
use super::files::failed;
use super::settings::Settings;
use super::store::FOLDER;
use super::{Error, Seq};

/// Most folders of damaged rows that are kept beside each other.
const KEPT: u32 = 100;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The last round whose rows are there.
    pub round: Seq,
    /// Where the rows are that were there before.
    pub aside: PathBuf,
}

/// Makes the rows of the state folder `state` again.
///
/// # Errors
/// [`Error::Locked`] where an engine has it; [`Error::Damaged`] where the journal does not hold every round, with what is
/// missing; what the operating system refuses.
pub fn rebuild(state: &Path) -> Result<Rebuilt, Error> {
    let journal = {
        std::fs::metadata(state).map_err(failed("cannot read", state))?;
        let _lock = Lock::take(state)?;
        journal_alone(state)?
    };
    if let Some(what) = gap(&journal) {
        let advice = "the rows cannot be made from it: `engine restore` puts the newest backup where there is no state";
        return Err(Error::Damaged { what, advice: advice.into() });
    }
    let rows = state.join(FOLDER);
    let free = |number: &u32| !state.join(format!("{FOLDER}.damaged-{number}")).exists();
    let number = (1..=KEPT).find(free).unwrap_or(KEPT);
    let aside = state.join(format!("{FOLDER}.damaged-{number}"));
    if rows.is_dir() {
        std::fs::rename(&rows, &aside).map_err(failed("cannot move", &rows))?;
    }
    let mut disk = Disk::open(state, Settings::default(), Box::new(|_| ()))?;
    disk.checkpoint()?;
    Ok(Rebuilt { round: disk.reader().health().applied, aside })
}

/// What the journal lacks of a history from the first round on.
fn gap(report: &Report) -> Option<String> {
    if report.oldest != Seq(1) {
        return Some(format!("the journal begins with round {}", report.oldest.0));
    }
    report.problems.first().cloned()
}
