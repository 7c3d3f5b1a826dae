//! Rule sets in the ledger: what is active, and every version that a run in progress still needs, by hash.
//!
//! Always true: activating a set keeps its texts in the same round, so that a daemon whose folder is broken goes
//! on with what ran last.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::diagnostic::{Problem, Severity, concise, human};
use dsl::program::Program;
use dsl::source::SourceFile;
use dsl::value::Timestamp;

use super::{Rules, Texts};
use crate::decide::model::key::Key;
use crate::decide::model::kind::Kind;
use crate::decide::{Action, Event, Programs, hashes_in_use};
use crate::ledger::{self, Change, Rows};

/// Why a folder was not loaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unreadable(#[from] super::Error),
    /// Its rules have errors.
    #[error("{0}")]
    #[diagnostic(code(rules::invalid), help("`engine validate` shows where, and what to do"))]
    Invalid(Findings),
}

/// The findings of a rule set that does not hold. Shown as text, they are their number and the first of them.
#[derive(Debug)]
pub struct Findings {
    files: Vec<SourceFile>,
    problems: Vec<Problem>,
}

impl Findings {
    /// Each finding on a line: its place, its code and what it says.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(|problem| concise(problem, &self.files).trim_end().to_owned()).collect()
    }

    /// All findings with the words that they are about, as `engine validate` shows them to people, without colours.
    #[must_use]
    pub fn report(&self) -> String {
        self.problems.iter().map(|problem| human(problem, &self.files, false)).collect()
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let errors: Vec<&Problem> = self.problems.iter().filter(|p| p.severity() == Severity::Error).collect();
        write!(out, "the rules have {} error{}", errors.len(), if errors.len() == 1 { "" } else { "s" })?;
        if let Some(first) = errors.first()
            && let Some(file) = self.files.get(first.span().file.0 as usize)
        {
            let (line, column) = file.position(first.span().start);
            write!(out, "; the first is {} at {}:{line}:{column}: {}", first.code, file.path, first.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Why there are no rules to run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// The folder is broken, and nothing ran before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] Refusal),
    /// The ledger cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] ledger::Error),
}

/// A rule set that holds.
#[derive(Debug, Clone)]
pub struct Set {
    /// The program.
    pub program: Arc<Program>,
    /// Its texts, tests left out.
    pub texts: Texts,
}

/// What is to be run.
#[derive(Debug)]
pub struct Loaded {
    /// The active set and older ones that runs need.
    pub programs: Programs,
    /// Texts of the active set.
    pub texts: Texts,
    /// The folder was refused; this is what ran last.
    pub refused: Option<Refusal>,
    /// Hashes that runs need and that cannot be had: those runs will stop for a person.
    pub lost: Vec<String>,
}

/// Reads and checks rules. What they warn of is logged, the age of locks as of this machine's day included.
///
/// # Errors
/// [`Refusal`] where they cannot be read or have errors.
pub fn load(rules: &Rules) -> Result<Set, Refusal> {
    let mut texts = rules.read()?;
    texts.files.retain(|(path, _)| !path.ends_with(".test.rules"));
    let today = jiff::Timestamp::from_millisecond(crate::clock::wall().0).ok();
    let today = today.map(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date());
    match checked(&texts, today) {
        Ok((program, warnings)) => {
            for warning in warnings {
                tracing::warn!(warning, "the rules are loaded with a warning");
            }
            Ok(Set { program, texts })
        }
        Err(findings) => Err(Refusal::Invalid(findings)),
    }
}

/// The program, and what there is to say of it, a line each.
fn checked(texts: &Texts, today: Option<jiff::civil::Date>) -> Result<(Arc<Program>, Vec<String>), Findings> {
    let compiled = texts.compile(today);
    let warnings = compiled.problems.iter().map(|problem| concise(problem, &compiled.files)).collect();
    match compiled.program {
        Some(program) => Ok((Arc::new(program), warnings)),
        None => Err(Findings { files: compiled.files, problems: compiled.problems }),
    }
}

fn compiled(texts: &Texts) -> Result<Arc<Program>, Findings> {
    checked(texts, None).map(|(program, _)| program)
}

/// What runs at a start: these rules, or what ran last where they are broken.
///
/// # Errors
/// Where there is neither.
pub fn start(rules: &Rules, rows: &dyn Rows) -> Result<Loaded, Error> {
    let (set, refused) = match load(rules) {
        Ok(set) => (set, None),
        Err(refusal) => match active(rows)? {
            Some(set) => (set, Some(refusal)),
            None => return Err(refusal.into()),
        },
    };
    let (programs, lost) = with_older(set.program, rows)?;
    Ok(Loaded { programs, texts: set.texts, refused, lost })
}

/// The program with every older one that runs in progress need; and the hashes of those that cannot be had.
///
/// # Errors
/// Where rows cannot be read.
pub fn with_older(program: Arc<Program>, rows: &dyn Rows) -> Result<(Programs, Vec<String>), ledger::Error> {
    let mut programs = Programs::new(program);
    let mut lost = Vec::new();
    for hash in hashes_in_use(rows)? {
        if programs.by_hash.contains_key(&hash) {
            continue;
        }
        match texts(rows, &hash)?.map(|texts| compiled(&texts)) {
            Some(Ok(program)) => {
                programs.by_hash.insert(hash, program);
            }
            Some(Err(_)) | None => lost.push(hash),
        }
    }
    Ok((programs, lost))
}

/// The set that was active last; `None` where there was none, or it no longer holds under this engine.
pub(crate) fn active(rows: &dyn Rows) -> Result<Option<Set>, ledger::Error> {
    let Some(texts) = active_texts(rows)? else { return Ok(None) };
    Ok(compiled(&texts).ok().map(|program| Set { program, texts }))
}

/// Hash of the set that was activated last.
///
/// # Errors
/// Where rows cannot be read.
pub fn active_hash(rows: &dyn Rows) -> Result<Option<String>, ledger::Error> {
    Ok(rows.get(&active_key())?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The rows that make `set` the active one and keep its texts; texts that no run needs any more are dropped.
///
/// # Errors
/// Where rows cannot be read.
pub fn keep(set: &Set, rows: &dyn Rows) -> Result<Vec<Change>, ledger::Error> {
    let hash = &set.program.hash;
    let texts: (&Vec<(String, String)>, &BTreeMap<String, String>) = (&set.texts.files, &set.texts.locks);
    let bytes = postcard::to_stdvec(&texts).expect("texts are plain data");
    let mut changes = vec![(active_key(), Some(hash.clone().into_bytes())), (texts_key(hash), Some(bytes))];
    let needed = hashes_in_use(rows)?;
    let first = Key::new(Kind::Rules).bytes();
    for (key, _) in rows.scan(&first, &[Kind::Rules as u8 + 1], usize::MAX)? {
        let kept = needed.iter().chain([hash]).any(|hash| texts_key(hash) == key);
        if !kept {
            changes.push((key, None));
        }
    }
    Ok(changes)
}

/// The line of history for an activation.
#[must_use]
pub fn activated(set: &Set, at: Timestamp) -> Event {
    let program = &set.program;
    Event {
        subject: program.hash.clone(),
        detail: format!(
            "{} files, {} syncs, {} reactions, {} workflows are active from now on",
            set.texts.files.len(),
            program.syncs.len(),
            program.whens.len(),
            program.workflows.len()
        ),
        ..Event::new(at, Action::Rules)
    }
}

/// The texts of the set that was activated last, tests left out; `None` where there was none.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn active_texts(rows: &dyn Rows) -> Result<Option<Texts>, ledger::Error> {
    active_hash(rows)?.map_or(Ok(None), |hash| texts(rows, &hash))
}

fn texts(rows: &dyn Rows, hash: &str) -> Result<Option<Texts>, ledger::Error> {
    let key = texts_key(hash);
    let Some(bytes) = rows.get(&key)? else { return Ok(None) };
    let (files, locks) = postcard::from_bytes(&bytes)
        .map_err(|error| ledger::Error::Row { key: format!("rules {hash}"), reason: error.to_string() })?;
    Ok(Some(Texts { files, locks }))
}

fn active_key() -> Vec<u8> {
    Key::new(Kind::Active).bytes()
}

fn texts_key(hash: &str) -> Vec<u8> {
    Key::new(Kind::Rules).text(hash).bytes()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use super::*;
    use crate::ledger::{Ledger, Memory, Round};

    fn folder(stage: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        std::fs::create_dir(folder.path().join("schemas")).expect("a folder can be made");
        for file in ["systems.rules", "schemas/app.lock", "schemas/crm.lock", "schemas/mail.lock"] {
            std::fs::copy(shipped.join(file), folder.path().join(file)).expect("the shipped files are there");
        }
        std::fs::write(folder.path().join("more.rules"), stage).expect("a file can be written");
        folder
    }

    #[test]
    fn a_broken_folder_runs_what_ran_last() {
        let folder = folder("choice Word {\n  one\n}\n");
        let set = load(&Rules::folder(folder.path())).expect("the rules hold");
        let mut ledger = Memory::new();
        let changes = keep(&set, &ledger).expect("a memory ledger can be read");
        ledger.append(Round { changes, records: Vec::new() }).expect("a memory ledger takes all");
        std::fs::write(folder.path().join("more.rules"), "choice Word {\n  one\n").expect("a file can be written");
        let loaded = start(&Rules::folder(folder.path()), &ledger).expect("it ran before");
        assert_eq!(loaded.programs.active.hash, set.program.hash);
        assert!(matches!(loaded.refused, Some(Refusal::Invalid(_))), "{:?}", loaded.refused);
    }

    #[test]
    fn a_broken_folder_that_never_ran_is_refused() {
        let folder = folder("choice Word {\n  one\n");
        let refused = start(&Rules::folder(folder.path()), &Memory::new());
        assert!(matches!(refused, Err(Error::Refused(Refusal::Invalid(_)))));
    }

    #[test]
    fn the_age_of_a_lock_is_judged_when_rules_are_loaded() {
        let texts = read(folder("").path()).expect("the rules can be read");
        let told = |day| checked(&texts, Some(day)).expect("the rules hold").1;
        let lock_of = texts.locks["schemas/crm.lock"].lines().find_map(|line| line.strip_prefix("pulled: "));
        let pulled: jiff::civil::Date = lock_of.expect("it says when").trim().parse().expect("a day");
        let old = |told: &[String]| told.iter().filter(|line| line.contains("W0901")).count();
        assert_eq!(old(&told(pulled)), 0);
        let late = told(pulled.saturating_add(jiff::Span::new().days(60)));
        assert!(old(&late) > 0, "{late:?}");
    }

    #[test]
    fn tests_are_no_part_of_what_runs() {
        let folder = folder("choice Word {\n  one\n}\n");
        let without = load(&Rules::folder(folder.path())).expect("the rules hold").program.hash.clone();
        std::fs::write(folder.path().join("broken.test.rules"), "test \"x\" {").expect("a file can be written");
        assert_eq!(load(&Rules::folder(folder.path())).expect("tests are not read").program.hash, without);
    }

    #[test]
    fn texts_that_nobody_needs_are_dropped() {
        let mut ledger = Memory::new();
        for text in ["choice One {\n  one\n}\n", "choice Two {\n  two\n}\n"] {
            let folder = folder(text);
            let set = load(&Rules::folder(folder.path())).expect("the rules hold");
            let changes = keep(&set, &ledger).expect("a memory ledger can be read");
            ledger.append(Round { changes, records: Vec::new() }).expect("a memory ledger takes all");
        }
        let kept = ledger.scan(&[Kind::Rules as u8], &[Kind::Rules as u8 + 1], 10).expect("it can be read");
        assert_eq!(kept.len(), 1);
    }
}
