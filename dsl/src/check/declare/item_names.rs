//! Names of all items: none twice, one edition; and what a sync or workflow is to the items that name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{self, Item, ItemKind, WorkflowStatement};
use crate::check::declare::Declaring;
use crate::check::facts::declared::{DeclaredSync, DeclaredWorkflow};
use crate::diagnostic::{Code, Problem};
use crate::schema::EntityName;
use crate::source::{FileId, Span};

/// The edition of the language that there is.
const EDITION: u32 = 2026;

impl Declaring<'_> {
    /// Declares names of all items, systems with their locks, and entities that are written by hand. Gives where the
    /// items stand whose name is taken: everything else means the first one.
    pub(crate) fn items(&mut self, items: &[(FileId, Arc<Item>)]) -> BTreeSet<Span> {
        self.edition(items);
        let mut repeated = self.names(items);
        for (_, item) in items.iter().filter(|(_, item)| !repeated.contains(&item.span)) {
            if let ItemKind::System(system) = &item.kind {
                self.system(system, items);
            }
        }
        let mut entities: BTreeMap<EntityName, Span> = BTreeMap::new();
        for (_, item) in items {
            if let ItemKind::Entity(entity) = &item.kind {
                self.entity_item(entity, &mut entities);
            }
        }
        for (_, item) in items {
            if let ItemKind::Entity(entity) = &item.kind {
                self.entity_links(entity);
            }
        }
        for (_, item) in items.iter().filter(|(_, item)| !repeated.contains(&item.span)) {
            match &item.kind {
                ItemKind::Sync(sync) => self.sync(sync),
                ItemKind::Workflow(workflow) => self.workflow(workflow),
                _ => {}
            }
        }
        self.declared.syncs.sort_by(|a, b| a.name.cmp(&b.name));
        self.declared.workflows.sort_by(|a, b| a.name.cmp(&b.name));
        repeated.extend(self.events(items));
        self.only_tests(items, &repeated);
        repeated
    }

    /// E0103 for names that are taken. Gives where their items stand.
    fn names(&mut self, items: &[(FileId, Arc<Item>)]) -> BTreeSet<Span> {
        let mut repeated = BTreeSet::new();
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        for (_, item) in items {
            let name = match &item.kind {
                ItemKind::Choice(c) => &c.name,
                ItemKind::System(s) => &s.name,
                ItemKind::Table(t) => &t.name,
                ItemKind::Sync(s) => &s.name,
                ItemKind::Workflow(w) => &w.name,
                ItemKind::Test(test) => &test.title,
                ItemKind::Edition(_) | ItemKind::Entity(_) | ItemKind::Events(_) | ItemKind::When(_) => continue,
            };
            if let Some(first) = names.get(name.value.as_str()) {
                let message = format!("the name `{}` is used twice", name.value);
                let problem = Problem::new(Code::E0103, message, name.span, "again here");
                self.report(problem.label(*first, "first here").help("give one of them another name"));
                // Two tests of one title are two tests.
                if !matches!(item.kind, ItemKind::Test(_)) {
                    repeated.insert(item.span);
                }
                continue;
            }
            names.insert(&name.value, name.span);
        }
        repeated
    }

    /// E0006 for an edition that does not exist, for a second one, and where there is none.
    fn edition(&mut self, items: &[(FileId, Arc<Item>)]) {
        let mut edition: Option<Span> = None;
        for (_, item) in items {
            let ItemKind::Edition(number) = &item.kind else { continue };
            let (value, span) = (number.value, number.span);
            if value != EDITION {
                let message = format!("there is no edition {value}");
                let problem = Problem::new(Code::E0006, message, span, "not an edition");
                self.report(problem.help(format!("write `edition {EDITION}`")));
            } else if let Some(first) = edition {
                let message = "the edition stands twice in this rule set";
                let problem = Problem::new(Code::E0006, message, span, "again here");
                self.report(problem.label(first, "first here").help("remove one of them"));
            }
            edition.get_or_insert(span);
        }
        let rules = || items.iter().filter(|(_, item)| !matches!(item.kind, ItemKind::Test(_)));
        let first = rules().find(|(_, item)| matches!(item.kind, ItemKind::System(_))).or_else(|| rules().next());
        // The one that is missing may only be unread.
        if let (None, false, Some((_, item))) = (edition, self.declared.incomplete, first) {
            let message = "nothing says which edition of the language this rule set is written in";
            let problem = Problem::new(Code::E0006, message, item.head, "no `edition` stands before it");
            self.report(problem.help(format!("write `edition {EDITION}` in one of its files")));
        }
    }

    fn sync(&mut self, sync: &ast::Sync) {
        let (left, right) = (self.declared.meant(&sync.left), self.declared.meant(&sync.right));
        let (name, span) = (sync.name.value.clone(), sync.name.span);
        self.declared.syncs.push(DeclaredSync { name, left, right, span });
    }

    fn workflow(&mut self, workflow: &ast::Workflow) {
        let entity = self.declared.meant(&workflow.entity);
        let steps = workflow.body.iter().filter_map(|statement| match statement {
            WorkflowStatement::Step(step) => Some(step.name.value.clone()),
            _ => None,
        });
        let (name, span) = (workflow.name.value.clone(), workflow.name.span);
        self.declared.workflows.push(DeclaredWorkflow { name, entity, steps: steps.collect(), span });
    }

    /// E0103 for a second item about the events of a system. Gives where those stand.
    fn events(&mut self, items: &[(FileId, Arc<Item>)]) -> BTreeSet<Span> {
        let mut repeated = BTreeSet::new();
        let mut heads: BTreeMap<String, Span> = BTreeMap::new();
        for (_, item) in items {
            let ItemKind::Events(events) = &item.kind else { continue };
            let written = &events.from.value;
            let known = self.declared.systems.contains_key(written).then(|| written.clone());
            let Some(system) = known.or_else(|| self.declared.near_system(written)) else { continue };
            if let Some(first) = heads.get(&system) {
                let message = format!("the events of {system} stand twice");
                let problem = Problem::new(Code::E0103, message, item.head, "again here");
                self.report(problem.label(*first, "first here").help("write all routes of a system in one item"));
                repeated.insert(item.span);
                continue;
            }
            heads.insert(system, item.head);
        }
        repeated
    }

    /// E0702: what stands in a file of tests is not loaded, so it would be checked and never run.
    fn only_tests(&mut self, items: &[(FileId, Arc<Item>)], repeated: &BTreeSet<Span>) {
        for (file, item) in items.iter().filter(|(_, item)| !repeated.contains(&item.span)) {
            if matches!(item.kind, ItemKind::Test(_)) || !self.declared.files[file.0 as usize].holds_tests() {
                continue;
            }
            let message = "a file of tests holds nothing but tests";
            let problem = Problem::new(Code::E0702, message, item.head, "no test: this would be checked and never run");
            self.report(problem.help("move it to a file whose name does not end with `.test.rules`"));
        }
    }
}
