//! Messages of a system: every one has a route, and one that is waited for arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{self, Item, ItemKind};
use crate::check::facts::declared::meant_message;
use crate::check::facts::phrases;
use crate::check::whole::WholeSet;
use crate::check::whole::loops::rules::Rule;
use crate::diagnostic::{Code, Problem};
use crate::program::Route;
use crate::schema::{About, EntityName};
use crate::source::FileId;

impl WholeSet<'_> {
    /// W0204 for a wait for an event whose messages are all ignored.
    pub(crate) fn unheard(&mut self) {
        let (declared, found) = (self.declared, self.found);
        for (what, span) in &found.waits {
            let (door, system) = (found.doors.get(&what.system), declared.systems.get(&what.system));
            let (Some(door), Some(system)) = (door, system) else { continue };
            let messages = system.lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
            let told: Vec<&String> = messages
                .filter(|(_, message)| matches!(&message.about, About::Event(event) if *event == what.entity))
                .map(|(name, _)| name)
                .collect();
            if told.is_empty() || !told.iter().all(|name| matches!(door.routes.get(*name), Some(Route::Ignore))) {
                continue;
            }
            let names: Vec<String> = told.iter().map(|name| format!("\"{name}\"")).collect();
            let help = format!("write `{} -> event {what}`", names.join(", "));
            let problem =
                Problem::new(Code::W0204, "this wait can only time out", *span, "its messages lead to `ignore`");
            self.report(problem.help(help));
        }
    }

    /// W0204 for a `when` about records that no message with a route tells of, that no sync reads and no rule writes.
    /// Of a system without `events` nothing is said: its messages may still be to come.
    pub(crate) fn untold(&mut self, rules: &[Rule<'_>]) {
        if self.declared.incomplete {
            return;
        }
        let (declared, found) = (self.declared, self.found);
        let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
        for sync in found.syncs.values() {
            told.extend([&sync.left, &sync.right].map(|entity| (entity.system.as_str(), entity.entity.as_str())));
        }
        for act in rules.iter().flat_map(|rule| &rule.acts) {
            let entity = act.effect.entity();
            told.insert((&entity.system, &entity.entity));
        }
        for rule in rules.iter().filter(|rule| rule.sync.is_none() && !rule.route) {
            let EntityName { system, entity } = &rule.entity;
            let (Some(door), Some(lock)) = (found.doors.get(system), declared.systems.get(system)) else { continue };
            if told.contains(&(system.as_str(), entity.as_str())) {
                continue;
            }
            let messages = lock.lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
            let about = |about: &About| matches!(about, About::Record { entity: of, .. } if of == entity);
            let mut its = messages.filter(|(_, message)| about(&message.about)).map(|(name, _)| name).peekable();
            let (label, help) = match its.peek() {
                None => (
                    format!("{} sends no message about {}", lock.lock.product, phrases::a_thing(entity)),
                    format!("let a sync with {} read it, or wait for something that is told of", rule.entity),
                ),
                Some(first) => (
                    "its messages lead to `ignore`".to_owned(),
                    format!("write `\"{first}\" -> event {}`", rule.entity),
                ),
            };
            if its.all(|name| matches!(door.routes.get(name), Some(Route::Ignore))) {
                self.problems.push(Problem::new(Code::W0204, "this never fires", rule.head, label).help(help));
            }
        }
    }

    /// E0501: a message of a lock that has an `events` item, but no route. `again` are second items about a system.
    pub(crate) fn routes(&mut self, items: &[(FileId, Arc<Item>)], again: &[(FileId, Arc<Item>)]) {
        // A route in an item that should not be there is one all the same.
        let mut written: BTreeMap<&str, Vec<&ast::Name>> = BTreeMap::new();
        for (_, events) in items.iter().chain(again).filter_map(events_of) {
            let messages = events.routes.iter().flat_map(|route| &route.messages);
            written.entry(&events.from.value).or_default().extend(messages);
        }
        let declared = self.declared;
        for (item, events) in items.iter().filter_map(events_of) {
            let system = events.from.value.as_str();
            let Some(lock) = declared.systems.get(system).map(|system| &system.lock) else { continue };
            let Some(deliveries) = &lock.deliveries else { continue };
            // Routes that point at nothing have been told already.
            let named: BTreeSet<&str> =
                written[system].iter().filter_map(|name| meant_message(&deliveries.messages, &name.value)).collect();
            let unnamed = deliveries.messages.keys().filter(|name| !named.contains(name.as_str()));
            let missing: Vec<String> = unnamed.map(|name| format!("\"{name}\"")).collect();
            if !missing.is_empty() && !self.declared.incomplete {
                let problem = Problem::new(
                    Code::E0501,
                    format!("no route for {}", phrases::list(&missing)),
                    item.head,
                    format!("{} sends it", lock.product),
                );
                self.report(problem.help(format!("add `{} -> ignore`, or say what should happen", missing.join(", "))));
            }
        }
    }
}

fn events_of((_, item): &(FileId, Arc<Item>)) -> Option<(&Item, &ast::Events)> {
    match &item.kind {
        ItemKind::Events(events) => Some((item, events)),
        _ => None,
    }
}
