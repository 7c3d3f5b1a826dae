//! Trees and locks to a checked program: names resolved, types fitted, everything said that cannot work.
//!
//! In: the trees of all files of a rule set and the texts of its locks. Out: a [`Program`] where there is no
//! error, and all problems, in the order of files and lines.
//! Always true: every pass runs; a failed expression has a recovery type, so one mistake gives one message.
//! There is no clock in here: the age of a lock is judged against a day that the caller gives.

mod declare;
mod expr;
mod facts;
mod items;
mod session;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::ast::{Item, ItemKind};
use crate::check::facts::locks::Locks;
use crate::check::facts::world::World;
use crate::check::session::kept::Kept;
use crate::check::whole::loops;
use crate::diagnostic::{Code, Problem, Severity};
use crate::parallel;
use crate::parse::{Parse, on_known_stack, parse_all};
use crate::program::Program;
use crate::program::test::Test;
use crate::schema::read_lock;
use crate::source::{FileId, SourceFile};
pub use session::Session;

/// What became of a rule set.
#[derive(Debug)]
pub struct Compiled {
    /// Its files, by [`FileId`].
    pub files: Vec<SourceFile>,
    /// Everything there is to say, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// The program; `None` if any problem is an error.
    pub program: Option<Program>,
    /// Its tests, in the order of files and lines; none if any problem is an error.
    pub tests: Vec<Test>,
    /// Its trees, `test` items included, by file.
    pub items: Vec<(FileId, Arc<Item>)>,
}

/// The most files of a rule set.
pub const MAX_FILES: usize = 2_000;
/// The most text of a rule set, in bytes.
pub const MAX_TEXT: usize = 16 << 20;

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
    on_known_stack(|| compiled(files, locks, today))
}

fn compiled(
    files: &[(String, String)],
    locks: &BTreeMap<String, String>,
    today: Option<jiff::civil::Date>,
) -> Compiled {
    let sources = sources(files);
    // What is too large is not read at all; `check` says so.
    let parsed = if too_large(&sources) {
        sources.into_iter().map(|file| (file, Parse::default())).collect()
    } else {
        let trees = parse_all(&sources);
        sources.into_iter().zip(trees).collect()
    };
    check(parsed, locks, today)
}

/// Files of a rule set by path and text; the id of each is its position.
#[must_use]
pub fn sources(files: &[(String, String)]) -> Vec<SourceFile> {
    let file = |(index, (path, text)): (usize, &(String, String))| SourceFile::new(file_id(index), path.clone(), text);
    files.iter().enumerate().map(file).collect()
}

/// The id of the file at a position.
fn file_id(position: usize) -> FileId {
    FileId(u32::try_from(position).unwrap_or(u32::MAX))
}

/// Is it more than a rule set holds? Then nothing of it is read.
pub(crate) fn too_large(files: &[SourceFile]) -> bool {
    let size = files.iter().fold(0usize, |sum, file| sum.saturating_add(file.text.len()));
    files.len() > MAX_FILES || size > MAX_TEXT
}

/// Checks files that are parsed already, such as those of an editor that parses only what changed. The id of each
/// file is its position.
#[must_use]
pub fn check(
    files: Vec<(SourceFile, Parse)>,
    locks: &BTreeMap<String, String>,
    today: Option<jiff::civil::Date>,
) -> Compiled {
    check_with(files, locks, &read(locks), today, None)
}

/// Checks with locks that are read already, and with what is kept of an earlier check.
fn check_with(
    files: Vec<(SourceFile, Parse)>,
    locks: &BTreeMap<String, String>,
    read: &Locks,
    today: Option<jiff::civil::Date>,
    mut kept: Option<&mut Kept>,
) -> Compiled {
    let mut problems = Vec::new();
    let mut items = Vec::new();
    let mut lost = BTreeSet::new();
    let (sources, parses): (Vec<SourceFile>, Vec<Parse>) = files.into_iter().unzip();
    if too_large(&sources) {
        let span = crate::source::Span::default();
        let problem = Problem::new(Code::E0090, "this rule set is too large", span, "in this folder")
            .help("a rule set has at most 2000 files and 16 MiB: is this the folder that was meant?");
        return Compiled { files: sources, problems: vec![problem], program: None, tests: Vec::new(), items };
    }
    for (file, Parse { items: found, problems: wrong, lost: names, .. }) in sources.iter().zip(parses) {
        problems.extend(wrong);
        lost.extend(names);
        items.extend(found.into_iter().map(|item| (file.id, item)));
    }
    let broken = problems.iter().any(|p| p.severity() == Severity::Error);
    let mut world = World::new(&sources, read, broken);
    world.lost = lost;
    world.spoiled = problems.iter().map(Problem::span).collect();
    let repeated = world.declare(&items);
    // What stands under a name that is taken is not looked at: everything else means the first one.
    let (mut items, again): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, item)| !repeated.contains(&item.span));
    world.only_tests(&items);
    if let Some(kept) = &mut kept {
        kept.begin(&world, &items);
    }
    world.vocabulary(&items, &mut kept);
    world.systems_age(today);
    // What rules hand on goes by what items declare, and the hash by nothing in here.
    let declared = world.clone();
    let checks = || {
        let mut ahead = world.ahead(&items, kept.as_deref());
        for (_, item) in &items {
            if matches!(item.kind, ItemKind::Sync(_) | ItemKind::Events(_)) {
                world.item(item, &mut ahead, &mut kept);
            }
        }
        for (_, item) in &items {
            if matches!(item.kind, ItemKind::When(_) | ItemKind::Workflow(_)) {
                world.item(item, &mut ahead, &mut kept);
            }
        }
        if let Some(kept) = kept {
            kept.end();
        }
    };
    let ((), (hash, mut rules)) =
        parallel::both(checks, || (hash(&sources, locks), loops::rules::rules(&declared, &items)));
    // Last, because a test names what may stand in a later file.
    for (_, item) in &items {
        if let ItemKind::Test(test) = &item.kind {
            world.test(test, item);
        }
    }
    loops::rules::doubt(&mut rules, &world.found.problems);
    world.writers(&rules);
    world.apart();
    world.limits();
    world.loops(&rules);
    world.routes(&items);
    world.unheard();
    world.lints(&items);
    world.count_names();
    problems.append(&mut world.found.problems);
    problems.sort_by_key(|p| (p.span().file, p.span().start, p.code));
    problems.dedup();
    items.extend(again);
    items.sort_by_key(|(file, item)| (*file, item.span.start));
    let failed = problems.iter().any(|p| p.severity() == Severity::Error);
    let tests = if failed { Vec::new() } else { std::mem::take(&mut world.tests) };
    let program = (!failed).then(|| world.finish(hash));
    Compiled { files: sources, problems, program, tests, items }
}

/// Reads all locks.
fn read(texts: &BTreeMap<String, String>) -> Locks {
    let texts: Vec<(&String, &String)> = texts.iter().collect();
    let read = parallel::map(&texts, |(_, text)| read_lock(text).map(Arc::new));
    texts.into_iter().map(|(path, _)| path.clone()).zip(read).collect()
}

/// Over paths and texts of rules and locks, whatever the order of the files; tests are no part of it.
fn hash(files: &[SourceFile], locks: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    let rules: BTreeSet<(&str, &str)> =
        files.iter().filter(|file| !file.holds_tests()).map(|file| (file.path.as_str(), &*file.text)).collect();
    let locks = locks.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    for (path, text) in rules.into_iter().chain(locks) {
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path);
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
