//! Names of all items, systems with their locks, entities written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::world::World;
use crate::diagnostic::{Code, Problem};
use crate::schema::EntityName;
use crate::source::{FileId, Span};

impl World<'_> {
    /// Names of all items, systems with their locks, entities written by hand. Gives the items whose name is taken.
    pub(crate) fn declare(&mut self, items: &[(FileId, Arc<Item>)]) -> BTreeSet<Span> {
        let mut repeated = BTreeSet::new();
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        let mut edition: Option<Span> = None;
        for (_, item) in items {
            let name = match &item.kind {
                ItemKind::Edition(number) => {
                    if number.value != 2026 {
                        let problem = Problem::new(
                            Code::E0006,
                            format!("there is no edition {}", number.value),
                            number.span,
                            "not an edition",
                        );
                        self.tell(problem.help("write `edition 2026`"));
                    } else if let Some(first) = edition {
                        let problem = Problem::new(
                            Code::E0006,
                            "the edition stands twice in this rule set",
                            number.span,
                            "again here",
                        );
                        self.tell(problem.label(first, "first here").help("remove one of them"));
                    }
                    edition.get_or_insert(number.span);
                    continue;
                }
                ItemKind::Choice(c) => &c.name,
                ItemKind::System(s) => &s.name,
                ItemKind::Table(t) => &t.name,
                ItemKind::Sync(s) => &s.name,
                ItemKind::Workflow(w) => &w.name,
                ItemKind::Test(test) => &test.title,
                ItemKind::Entity(_) | ItemKind::Events(_) | ItemKind::When(_) => continue,
            };
            if let Some(first) = names.get(&name.value) {
                let problem = Problem::new(
                    Code::E0103,
                    format!("the name `{}` is used twice", name.value),
                    name.span,
                    "again here",
                );
                self.tell(problem.label(*first, "first here").help("give one of them another name"));
                // Two tests of one title are two tests.
                if !matches!(item.kind, ItemKind::Test(_)) {
                    repeated.insert(item.span);
                }
                continue;
            }
            names.insert(name.value.clone(), name.span);
        }
        // The one that is missing may only be unread.
        let rules = || items.iter().filter(|(_, item)| !matches!(item.kind, ItemKind::Test(_)));
        let first = rules().find(|(_, item)| matches!(item.kind, ItemKind::System(_))).or_else(|| rules().next());
        if let (None, false, Some((_, item))) = (edition, self.broken, first) {
            let message = "nothing says which edition of the language this rule set is written in";
            let problem = Problem::new(Code::E0006, message, item.head, "no `edition` stands before it");
            self.tell(problem.help("write `edition 2026` in one of its files"));
        }
        let own = |item: &&(FileId, Arc<Item>)| !repeated.contains(&item.1.span);
        for (_, item) in items.iter().filter(own) {
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
        for (_, item) in items.iter().filter(own) {
            match &item.kind {
                ItemKind::Sync(sync) => {
                    let (left, right) = (self.meant(&sync.left), self.meant(&sync.right));
                    self.sync_names.push((sync.name.value.clone(), left, right, sync.name.span));
                }
                ItemKind::Workflow(w) => {
                    self.workflow_names.push((w.name.value.clone(), self.meant(&w.entity), w.name.span));
                }
                _ => {}
            }
        }
        self.sync_names.sort_by(|a, b| a.0.cmp(&b.0));
        self.workflow_names.sort_by(|a, b| a.0.cmp(&b.0));
        repeated
    }
}
