//! Trees and locks to a checked program: names resolved, types fitted, everything said that cannot work.
//!
//! In: the trees of all files of a rule set and the texts of its locks. Out: a [`Program`] where there is no
//! error, and all problems, in the order of files and lines.
//! Always true: every pass runs; a failed expression has a recovery type, so one mistake gives one message.
//! There is no clock in here: the age of a lock is judged against a day that the caller gives.
//!
//! Each room uses those above it, and none below: `facts` (what passes look things up in, and what they leave),
//! `declare` (what items declare), `expr` (types, paths, operators), `items` (one at a time), `whole` (all of them
//! together), `session` (the passes in order, and again after an edit).

mod declare;
mod expr;
mod facts;
mod items;
mod session;
mod whole;

use std::collections::BTreeMap;

use crate::check::facts::locks::read_locks;
use crate::check::session::passes::{check_set, refused};
use crate::parse::{Parse, on_known_stack, parse_all};
use crate::source::SourceFile;

pub(crate) use session::passes::too_large;
pub use session::passes::{Compiled, MAX_FILES, MAX_TEXT};
pub use session::{Session, sources};

/// Parses and checks a rule set.
///
/// `files` are paths relative to its folder and texts, tests (`*.test.rules`) included; `locks` are the texts of
/// lock files by the path that `schema` names. `today` judges the age of locks.
#[must_use]
pub fn compile(
    files: &[(String, String)],
    locks: &BTreeMap<String, String>,
    today: Option<jiff::civil::Date>,
) -> Compiled {
    on_known_stack(|| {
        let sources = sources(files);
        if too_large(&sources) {
            return refused(sources);
        }
        let trees = parse_all(&sources);
        check(sources.into_iter().zip(trees).collect(), locks, today)
    })
}

/// Checks files that are parsed already, such as those of an editor that parses only what changed. The id of each
/// file is its position.
#[must_use]
pub fn check(
    files: Vec<(SourceFile, Parse)>,
    locks: &BTreeMap<String, String>,
    today: Option<jiff::civil::Date>,
) -> Compiled {
    check_set(files, locks, &read_locks(locks), today, None)
}
