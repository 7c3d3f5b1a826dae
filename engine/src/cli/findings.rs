//! The findings of one or more rule sets as one list, for `validate`, `fix` and `test`.
//!
//! In: paths as typed. Out: problems and files with ids of their own over all sets.
//! Always true: a set is read whole or not at all; the same path given twice is read once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dsl::check::Compiled;
use dsl::diagnostic::{Fix, Format, Label, Problem, Related, Severity, render};
use dsl::source::{FileId, SourceFile, Span};

use crate::rules;

/// A rule set that was checked, and which of its files was asked for.
pub(super) struct Set {
    /// Its folder as typed.
    pub(super) folder: PathBuf,
    /// The only file whose findings are wanted, relative to the folder.
    pub(super) only: Option<String>,
    /// What became of it.
    pub(super) compiled: Compiled,
}

/// Reads and checks the rule set of each path.
pub(super) fn check(paths: &[PathBuf], today: Option<jiff::civil::Date>) -> Result<Vec<Set>, rules::Error> {
    let mut sets: Vec<Set> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let (folder, only) = rules::set_of(path)?;
        if seen.insert((folder.clone(), only.clone())) {
            let compiled = rules::read(&folder)?.compile(today);
            // One that is hidden, say. Without findings of its own it would look sound.
            if only.as_ref().is_some_and(|only| compiled.files.iter().all(|file| file.path != *only)) {
                return Err(rules::Error::NoRules { path: path.display().to_string() });
            }
            sets.push(Set { folder, only, compiled });
        }
    }
    Ok(sets)
}

impl Set {
    /// Its findings, those of other files left out where one file was asked for.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.compiled.problems.iter().filter(|problem| {
            let file = self.compiled.files.get(problem.span().file.0 as usize);
            self.only.as_ref().is_none_or(|only| file.is_none_or(|file| file.path == *only))
        })
    }
}

/// The findings of all sets in one form.
///
/// In the forms that a code host or an editor reads, paths are those from here; elsewhere they are those inside of
/// the rule set, unless there are several.
pub(super) fn print(format: Format, sets: &[Set], color: bool) -> String {
    let inside = matches!(format, Format::Human | Format::Json | Format::Jsonl) && sets.len() == 1;
    let mut files: Vec<SourceFile> = Vec::new();
    let mut problems = Vec::new();
    for set in sets {
        let first = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let path = |inner: &str| if inside { inner.to_owned() } else { from_here(&set.folder, inner) };
        problems.extend(set.problems().map(|problem| moved(problem, first, &path)));
        files.extend(set.compiled.files.iter().map(|file| renamed(file, first, path(&file.path))));
    }
    render(format, &problems, &files, color)
}

/// Whether findings stop a load; warnings count on demand.
pub(super) fn wrong(sets: &[Set], warnings: bool) -> bool {
    sets.iter().flat_map(Set::problems).any(|problem| warnings || problem.severity() == Severity::Error)
}

/// `inner` as it is reached from the working folder, with `/`.
fn from_here(folder: &Path, inner: &str) -> String {
    let path = folder.join(inner);
    let text = path.strip_prefix(".").unwrap_or(&path).display().to_string();
    if std::path::MAIN_SEPARATOR == '/' { text } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

fn renamed(file: &SourceFile, first: u32, path: String) -> SourceFile {
    SourceFile::new(FileId(file.id.0 + first), path, &file.text)
}

fn moved(problem: &Problem, first: u32, path: &dyn Fn(&str) -> String) -> Problem {
    let span = |span: Span| Span { file: FileId(span.file.0 + first), ..span };
    let label = |label: &Label| Label { span: span(label.span), text: label.text.clone() };
    let fix = |fix: &Fix| Fix {
        title: fix.title.clone(),
        safe: fix.safe,
        edits: fix.edits.iter().map(|(at, text)| (span(*at), text.clone())).collect(),
    };
    let related = |other: &Related| Related { file: path(&other.file), ..other.clone() };
    Problem {
        labels: problem.labels.iter().map(label).collect(),
        fixes: problem.fixes.iter().map(fix).collect(),
        related: problem.related.iter().map(related).collect(),
        ..problem.clone()
    }
}
