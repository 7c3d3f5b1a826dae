//! What items declare for others: names, systems and entities, choices and tables.
//!
//! In: the trees of all files and the locks. Out: [`Declared`], and what is wrong with the declarations.
//! Always true: each step looks things up in what the steps before it declared. Afterwards nothing of it changes.

pub(crate) mod item_names;
pub(crate) mod names;
pub(crate) mod systems;
pub(crate) mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::facts::checker::Checker;
use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::check::facts::locks::Locks;
use crate::check::facts::vocabulary::Vocabulary;
use crate::diagnostic::{Problem, Severity};
use crate::source::SourceFile;

/// What is declared so far, and what was found of it.
pub(crate) struct Declaring<'a> {
    pub(crate) declared: Declared<'a>,
    pub(crate) findings: Findings,
}

impl<'a> Declaring<'a> {
    /// Nothing yet. `problems` are those of the parser, `unparsed_names` what it could not take into a tree.
    pub(crate) fn new(
        files: &'a [SourceFile],
        locks: &'a Locks,
        problems: &[Problem],
        unparsed_names: BTreeSet<String>,
    ) -> Self {
        let declared = Declared {
            files,
            locks,
            incomplete: problems.iter().any(|problem| problem.severity() == Severity::Error),
            unparsed_names,
            error_spans: problems.iter().map(Problem::span).collect(),
            systems: BTreeMap::new(),
            unknown: BTreeSet::new(),
            undescribed: BTreeMap::new(),
            lock_paths: BTreeMap::new(),
            lock_spans: BTreeMap::new(),
            vocabulary: Vocabulary::default(),
            syncs: Vec::new(),
            workflows: Vec::new(),
            limit_spans: BTreeMap::new(),
        };
        Self { declared, findings: Findings::default() }
    }

    fn report(&mut self, problem: Problem) {
        self.findings.report(problem);
    }

    /// Resolves names by what is declared so far.
    fn checker(&mut self) -> Checker<'_> {
        Checker::new(&self.declared, &mut self.findings)
    }
}
