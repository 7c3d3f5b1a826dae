//! The passes over a rule set, in order.
//!
//! In: trees of all files and locks. Out: [`Compiled`]. Always true: every pass runs, whatever those before it found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::ast::Item;
use crate::check::declare::Declaring;
use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::check::facts::locks::Locks;
use crate::check::session::cache::CheckCache;
use crate::check::session::item_checks::check_items;
use crate::check::whole::WholeSet;
use crate::check::whole::loops::rules;
use crate::diagnostic::{Code, Problem, Severity};
use crate::parallel;
use crate::parse::Parse;
use crate::program::test::Test;
use crate::program::{Program, System};
use crate::source::{FileId, SourceFile, Span};

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

/// Is it more than a rule set holds? Then nothing of it is read.
pub(crate) fn too_large(files: &[SourceFile]) -> bool {
    let size = files.iter().fold(0usize, |sum, file| sum.saturating_add(file.text.len()));
    files.len() > MAX_FILES || size > MAX_TEXT
}

/// What is said of a rule set of which nothing is read.
pub(crate) fn refused(files: Vec<SourceFile>) -> Compiled {
    let problem = Problem::new(Code::E0090, "this rule set is too large", Span::default(), "in this folder")
        .help("a rule set has at most 2000 files and 16 MiB: is this the folder that was meant?");
    Compiled { files, problems: vec![problem], program: None, tests: Vec::new(), items: Vec::new() }
}

/// Checks files by locks that are read already, and by what is kept of an earlier check.
pub(crate) fn check_set(
    files: Vec<(SourceFile, Parse)>,
    texts: &BTreeMap<String, String>,
    locks: &Locks,
    today: Option<jiff::civil::Date>,
    mut cache: Option<&mut CheckCache>,
) -> Compiled {
    let mut problems = Vec::new();
    let mut items = Vec::new();
    let mut unparsed_names = BTreeSet::new();
    let (files, parses): (Vec<SourceFile>, Vec<Parse>) = files.into_iter().unzip();
    if too_large(&files) {
        return refused(files);
    }
    for (file, parse) in files.iter().zip(parses) {
        problems.extend(parse.problems);
        unparsed_names.extend(parse.unparsed_names);
        items.extend(parse.items.into_iter().map(|item| (file.id, item)));
    }
    let mut declaring = Declaring::new(&files, locks, &problems, unparsed_names);
    let repeated = declaring.items(&items);
    // What stands under a name that is taken is not looked at: everything else means the first one.
    let (mut items, again): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, item)| !repeated.contains(&item.span));
    if let Some(cache) = &mut cache {
        cache.begin(&declaring.declared, &items);
    }
    match cache.as_ref().and_then(|cache| cache.vocabulary(&items)) {
        Some(kept) => declaring.declared.vocabulary = kept,
        None => {
            let sound = declaring.vocabulary(&items);
            if let (true, Some(cache)) = (sound, &mut cache) {
                cache.keep_vocabulary(&items, declaring.declared.vocabulary.clone());
            }
        }
    }
    declaring.systems_age(today);
    let Declaring { declared, findings: mut found } = declaring;
    let checks = || {
        check_items(&declared, &items, cache.as_deref_mut(), &mut found);
        if let Some(cache) = &mut cache {
            cache.end();
        }
    };
    // What rules hand on goes by what items declare, and the hash by nothing in here.
    let meanwhile = || (hash(&files, texts), rules::rules(&declared, &items));
    let ((), (hash, mut rules)) = parallel::both(checks, meanwhile);
    rules::doubt(&mut rules, &found.problems);
    let whole = WholeSet::problems(&declared, &found, &rules, &items, &again);
    found.problems.extend(whole);
    found.count_unresolved();
    problems.append(&mut found.problems);
    problems.sort_by_key(|problem| (problem.span().file, problem.span().start, problem.code));
    problems.dedup();
    let failed = problems.iter().any(|problem| problem.severity() == Severity::Error);
    let tests = if failed { Vec::new() } else { std::mem::take(&mut found.tests) };
    let program = (!failed).then(|| program(declared, found, hash));
    items.extend(again);
    items.sort_by_key(|(file, item)| (*file, item.span.start));
    Compiled { files, problems, program, tests, items }
}

fn program(declared: Declared<'_>, found: Findings, hash: String) -> Program {
    let mut systems = declared.systems;
    // Whoever reads a system's messages goes by its lock. Where that says the same as the rules, it stays one with
    // that of other checks.
    for (system, by) in found.dedupes {
        let Some(System { lock, .. }) = systems.get_mut(&system) else { continue };
        if lock.deliveries.as_ref().is_some_and(|deliveries| deliveries.dedupe != by)
            && let Some(own) = Arc::make_mut(lock).deliveries.as_mut()
        {
            own.dedupe = by;
        }
    }
    Program {
        hash,
        systems,
        choices: declared.vocabulary.choices,
        tables: declared.vocabulary.tables,
        syncs: found.syncs.into_values().collect(),
        doors: found.doors,
        whens: found.whens,
        workflows: found.workflows.into_values().collect(),
        used: found.used,
        choice_of: declared.vocabulary.choice_of,
    }
}

/// Over paths and texts of rules and locks, whatever the order of the files; tests are no part of it.
fn hash(files: &[SourceFile], locks: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    let rules: BTreeSet<(&str, &str)> =
        files.iter().filter(|file| !file.holds_tests()).map(|file| (file.path.as_str(), &*file.text)).collect();
    let locks = locks.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    for (path, text) in rules.into_iter().chain(locks) {
        // With their lengths, so that no two sets run together into the same bytes.
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path);
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
