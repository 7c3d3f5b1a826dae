//! Messages of a system: every one has a route, and one that is waited for arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{self, Item, ItemKind};
use crate::check::facts::declared::meant_message;
use crate::check::facts::phrases;
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};
use crate::program::Route;
use crate::schema::About;
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
