//! Which parts of the rules the tests have seen.
//!
//! In: the trees, the program, the reports of all tests. Out: every part that counts, and whether it was seen.
//! A line of `fields` is seen where an expectation that held looked at the value it wrote; a row of a table where a
//! decision read it; a word of a branch of a `when` where a change came to it by that branch; every other block where
//! an action in it was decided. A block without actions, which is there to say that nothing happens, does not count,
//! unless it is a branch for a stage.

use std::collections::BTreeSet;

use dsl::ast::{self, Item, ItemKind, WorkflowStatement};
use dsl::check::Compiled;
use dsl::program::{MappingKind, Place};
use dsl::source::{FileId, Span};
use dsl::value::Value;

use super::test::Report;
use crate::decide::Reached;

/// A part of the rules.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Part {
    /// `field`, `row`, `branch` or `block`.
    pub kind: &'static str,
    /// File, relative to the rule set.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// What it is, for people.
    pub text: String,
    /// A test has seen it.
    pub seen: bool,
}

/// How much the tests have seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Every part that counts, in the order of files and lines.
    pub parts: Vec<Part>,
}

impl Coverage {
    /// How many parts were seen.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.parts.iter().filter(|part| part.seen).count()
    }

    /// Of a hundred parts, how many were seen; a hundred where there is none.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.parts.is_empty() { 100.0 } else { self.seen() as f64 * 100.0 / self.parts.len() as f64 }
    }
}

/// Counts. `compiled` is the rule set whose tests were rehearsed.
#[must_use]
pub fn coverage(compiled: &Compiled, reports: &[Report]) -> Coverage {
    let mut parts = Vec::new();
    let reached: BTreeSet<&Reached> = reports.iter().flat_map(|report| &report.reached).collect();
    if let Some(program) = &compiled.program {
        for (index, sync) in program.syncs.iter().enumerate() {
            for (line, mapping) in sync.fields.iter().enumerate().filter(|(_, mapping)| !mapping.implicit) {
                let seen = reports.iter().any(|report| report.looked_at.contains(&(index, line)));
                let text = match mapping.kind {
                    MappingKind::Link { .. } | MappingKind::Field { .. } | MappingKind::Computed { .. } => {
                        format!("sync {}: {}", sync.name, mapping.text)
                    }
                };
                parts.push(part("field", &mapping.place, text, seen));
            }
        }
    }
    let mut of = Of { compiled, reached: &reached, parts };
    for (file, item) in &compiled.items {
        of.item(*file, item);
    }
    let mut parts = of.parts;
    parts.sort_by(|a, b| (&a.file, a.line, a.kind, &a.text).cmp(&(&b.file, b.line, b.kind, &b.text)));
    Coverage { parts }
}

fn part(kind: &'static str, place: &Place, text: String, seen: bool) -> Part {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Part { kind, file: place.file.clone(), line: place.line, text, seen }
}

struct Of<'a> {
    compiled: &'a Compiled,
    reached: &'a BTreeSet<&'a Reached>,
    parts: Vec<Part>,
}

impl Of<'_> {
    fn place(&self, file: FileId, span: Span) -> Place {
        let source = &self.compiled.files[file.0 as usize];
        let line = u32::try_from(source.position(span.start).0).unwrap_or(u32::MAX);
        Place { file: source.path.clone(), line }
    }

    fn item(&mut self, file: FileId, item: &Item) {
        match &item.kind {
            ItemKind::Table(table) => self.table(file, table),
            ItemKind::When(when) => self.when(file, item, when),
            ItemKind::Workflow(workflow) => self.workflow(file, workflow),
            _ => {}
        }
    }

    fn table(&mut self, file: FileId, table: &ast::Table) {
        let Some(program) = &self.compiled.program else { return };
        let Some(index) = program.tables.iter().position(|known| known.name == table.name.value) else { return };
        for row in &table.rows {
            let Some(first) = row.cells.first() else { continue };
            let source = &self.compiled.files[file.0 as usize];
            let key = source.slice(first.span).trim().to_owned();
            let is = |value: &Value| value.to_string() == key.trim_matches('"');
            let seen = self
                .reached
                .iter()
                .any(|one| matches!(one, Reached::Row(table, value) if *table == index && is(value)));
            let place = self.place(file, row.span);
            self.parts.push(part("row", &place, format!("table {}: {key}", table.name.value), seen));
        }
    }

    fn when(&mut self, file: FileId, item: &Item, when: &ast::When) {
        let place = self.place(file, item.span);
        let source = &self.compiled.files[file.0 as usize];
        let head = source.slice(item.head).trim().to_owned();
        if let Some(always) = &when.always {
            self.block(file, always, &format!("{head}: always"));
        }
        let is = |name: &ast::Name, value: &Value| value.as_text() == Some(name.value.as_str());
        for branch in &when.branches {
            for word in &branch.to {
                // A branch `from a to b` has the changes from `a`, and no other branch has them.
                let takes = |old: &Value| match &branch.from {
                    Some(from) => is(from, old),
                    None => !when.branches.iter().any(|other| {
                        let to = other.to.iter().any(|name| name.value == word.value);
                        to && other.from.as_ref().is_some_and(|from| is(from, old))
                    }),
                };
                let seen = self.reached.iter().any(|one| match one {
                    Reached::When { place: at, old: Some(old), new: Some(new) } => {
                        *at == place && is(word, new) && takes(old)
                    }
                    _ => false,
                });
                let from = branch.from.as_ref().map_or_else(String::new, |from| format!("from {} ", from.value));
                let at = self.place(file, word.span);
                self.parts.push(part("branch", &at, format!("{head}: {from}to {}", word.value), seen));
            }
            self.inside(file, &branch.block.actions, &head);
        }
        self.actions(file, &place, &when.actions, &head);
    }

    fn workflow(&mut self, file: FileId, workflow: &ast::Workflow) {
        let name = format!("workflow {}", workflow.name.value);
        for statement in &workflow.body {
            match statement {
                WorkflowStatement::Step(step) => {
                    let text = format!("{name}: step {}", step.name.value);
                    let place = self.place(file, step.name.span);
                    self.actions(file, &place, &step.actions, &text);
                    if let Some(undo) = undo_of(step) {
                        self.block(file, undo, &format!("{text}: undo"));
                    }
                }
                WorkflowStatement::WaitFor(wait) => {
                    for (block, text) in [(&wait.happened, "happened"), (&wait.timed_out, "timed out")] {
                        if let Some(block) = block {
                            self.block(file, block, &format!("{name}: {text}"));
                        }
                    }
                }
                WorkflowStatement::Action(action) => {
                    let place = self.place(file, action.span);
                    self.actions(file, &place, std::slice::from_ref(action), &name);
                }
                WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) => {}
            }
        }
        if let Some(block) = &workflow.on_failure {
            self.block(file, block, &format!("{name}: on failure"));
        }
    }

    fn block(&mut self, file: FileId, block: &ast::Block, text: &str) {
        let place = self.place(file, block.span);
        self.actions(file, &place, &block.actions, text);
    }

    /// A block counts where it does something, and is seen where one of its actions was decided.
    fn actions(&mut self, file: FileId, place: &Place, actions: &[ast::Action], text: &str) {
        let own: Vec<&ast::Action> = actions.iter().filter(|action| acts(action)).collect();
        if !own.is_empty() {
            let seen = own.iter().any(|action| self.reached.contains(&Reached::Action(action.span)));
            self.parts.push(part("block", place, text.to_owned(), seen));
        }
        self.inside(file, actions, text);
    }

    fn inside(&mut self, file: FileId, actions: &[ast::Action], text: &str) {
        for action in actions {
            if let ast::ActionKind::If { then, otherwise, .. } = &action.kind {
                self.block(file, then, &format!("{text}: if"));
                if let Some(otherwise) = otherwise {
                    self.block(file, otherwise, &format!("{text}: otherwise"));
                }
            }
        }
    }
}

fn acts(action: &ast::Action) -> bool {
    !matches!(action.kind, ast::ActionKind::Nothing | ast::ActionKind::UndoCompleted | ast::ActionKind::If { .. })
}

fn undo_of(step: &ast::Step) -> Option<&ast::Block> {
    match &step.undo {
        Some(ast::Undo::Block(block)) => Some(block),
        _ => None,
    }
}
