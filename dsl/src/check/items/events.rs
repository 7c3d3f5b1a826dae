//! `events`: doors, and a route for every message.

use std::collections::BTreeMap;

use crate::ast::{self, Item, RouteTo};
use crate::check::facts::checker::Checker;
use crate::check::facts::declared::{entity_name, meant_message};
use crate::check::facts::phrases::{self, suggest};
use crate::diagnostic::{Code, Problem};
use crate::program::{Door, Route};
use crate::schema::{About, EntityName};
use crate::source::{Span, Spanned};
use crate::suggest::nearest;
use crate::value;

impl Checker<'_> {
    pub(crate) fn events(&mut self, events: &ast::Events, item: &Item) {
        let Some(system) = self.has_system(&events.from) else { return };
        self.wants(&system);
        let lock = self.declared.systems[&system].lock.clone();
        // What a system sends stands in its lock alone; without it every message would be told as unknown.
        if self.declared.unknown.contains(&system) {
            return;
        }
        let Some(deliveries) = &lock.deliveries else {
            let problem = Problem::new(
                Code::E0104,
                format!("{} sends no messages", lock.product),
                events.from.span,
                "its lock names none",
            );
            self.report(problem);
            return;
        };
        if events.webhook.is_some() && events.verify.is_none() {
            let span = events.webhook.unwrap_or(item.head);
            let problem = Problem::new(Code::E0506, "nothing verifies this webhook", span, "anybody could send to it");
            self.report(
                problem.help(format!("add `verify {}`", deliveries.verify.first().cloned().unwrap_or_default())),
            );
        }
        if let Some((name, _)) = &events.verify
            && !deliveries.verify.contains(&name.value)
        {
            let problem = Problem::new(
                Code::E0109,
                format!("{} cannot be verified by `{}`", lock.product, name.value),
                name.span,
                "not known",
            );
            self.report(problem.help(format!("it has: {}", deliveries.verify.join(", "))));
        } else if let Some((name, header)) = &events.verify {
            self.header(name, header.as_ref());
        }
        for path in [events.dedupe.as_ref().and_then(|(by, _)| by.as_ref()), events.key.as_ref()].into_iter().flatten()
        {
            let name = path.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(".");
            if !deliveries.envelope.contains_key(&name) {
                let near = nearest(&name, deliveries.envelope.keys().map(String::as_str)).map(str::to_owned);
                let problem = Problem::new(
                    Code::E0101,
                    format!("the messages of {} have no `{name}`", lock.product),
                    path.span,
                    "not in the envelope",
                );
                let problem = suggest(problem, near, path.span);
                self.report(problem);
            }
        }
        if let Some((Some(by), _)) = &events.dedupe {
            let name = by.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(".");
            if deliveries.envelope.get(&name).is_some_and(|f| !f.unique) {
                let problem = Problem::new(
                    Code::W0508,
                    format!("{} does not promise that `{name}` is unique", lock.product),
                    by.span,
                    "two messages may share it",
                );
                self.report(problem.help("leave `by` out: the connector's own key is safe"));
            }
        }
        let mut routes = BTreeMap::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for route in &events.routes {
            let to = self.route(route, &system);
            self.led(route, &system);
            for message in &route.messages {
                // Counted under the name that is meant: two routes of one message are found however they are spelt.
                let Some(name) = self.message(&system, message) else { continue };
                if let Some(first) = seen.insert(name.clone(), message.span) {
                    let text = format!("message `{name}` has two routes");
                    let problem = Problem::new(Code::E0103, text, message.span, "again here");
                    self.report(problem.label(first, "first here").help("remove one of them"));
                    continue;
                }
                if let Some(to) = &to {
                    routes.insert(name, to.clone());
                }
            }
        }
        let tombstones = self.tombstones(events, &system);
        let dedupe_by = events.dedupe.as_ref().and_then(|(by, _)| by.as_ref());
        let dedupe_by = dedupe_by.map(|by| by.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join("."));
        if let Some(by) = &dedupe_by {
            self.findings.dedupes.insert(system.clone(), vec![by.clone()]);
        }
        self.findings.doors.insert(
            system.clone(),
            Door {
                webhook: events.webhook.is_some(),
                topics: events.topics.iter().map(|t| t.value.clone()).collect(),
                verify: events
                    .verify
                    .as_ref()
                    .map(|(name, header)| (name.value.clone(), header.as_ref().map(|h| h.value.clone()))),
                dedupe_by,
                dedupe_for: events.dedupe.as_ref().map_or(value::Duration::hours(24), |(_, span)| span.value),
                tombstones,
                routes,
            },
        );
    }

    /// The entity whose records the tombstones of each topic delete.
    fn tombstones(&mut self, events: &ast::Events, system: &str) -> BTreeMap<String, EntityName> {
        let topics: Vec<&str> = events.topics.iter().map(|topic| topic.value.as_str()).collect();
        let mut said: BTreeMap<String, Span> = BTreeMap::new();
        let mut deletes = BTreeMap::new();
        for line in &events.tombstones {
            let of = match &line.topic {
                Some(topic) if topics.contains(&topic.value.as_str()) => vec![topic.value.as_str()],
                Some(topic) => {
                    let near = nearest(&topic.value, topics.iter().copied()).map(|near| format!("\"{near}\""));
                    let message = format!("no door here is the topic `{}`", topic.value);
                    let problem = Problem::new(Code::E0510, message, topic.span, "nothing is read from it");
                    self.report(suggest(problem, near, topic.span));
                    continue;
                }
                None if topics.is_empty() => {
                    let message = "tombstones come over Kafka, and there is no topic here";
                    let problem = Problem::new(Code::E0510, message, line.span, "would never happen");
                    self.report(problem.help("remove the line, or add `kafka topic \"name\"` to the doors"));
                    continue;
                }
                None if topics.len() > 1 && line.delete.is_some() => {
                    let message = "a key says no entity, and there are several topics here";
                    let problem = Problem::new(Code::E0510, message, line.span, "which of them is meant is not said");
                    self.report(problem.help(format!("write the topic behind it: `in topic \"{}\"`", topics[0])));
                    continue;
                }
                None => topics.clone(),
            };
            let entity = line.delete.as_ref().map(|what| (entity_name(what), what.span));
            if let Some((entity, span)) = &entity {
                let known = entity.system == system
                    && self.declared.systems.get(system).is_some_and(|s| s.lock.entities.contains_key(&entity.entity));
                if !known {
                    let names: Vec<String> =
                        self.declared.systems[system].lock.entities.keys().map(|e| format!("{system}.{e}")).collect();
                    let near = nearest(&entity.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
                    let message = format!("there is no entity {entity} of {system}");
                    self.report(suggest(Problem::new(Code::E0104, message, *span, "not in its lock"), near, *span));
                    continue;
                }
            }
            for topic in of {
                if let Some(first) = said.insert(topic.to_owned(), line.span) {
                    let message = format!("two lines say what tombstones in `{topic}` mean");
                    let problem = Problem::new(Code::E0103, message, line.span, "again here");
                    self.report(problem.label(first, "first here").help("remove one of them"));
                    continue;
                }
                if let Some((entity, _)) = &entity {
                    deletes.insert(topic.to_owned(), entity.clone());
                }
            }
        }
        deletes
    }

    /// A scheme of the language is told which header holds the signature; one of a connector knows its own.
    fn header(&mut self, scheme: &ast::Name, header: Option<&Spanned<String>>) {
        let name = &scheme.value;
        let problem = match (name.starts_with("hmac_"), header) {
            (true, None) => {
                let message = "nothing says which header holds the signature";
                Problem::new(Code::E0506, message, scheme.span, "signs with a header of the sender's choice")
                    .help(format!("write `verify {name} in header \"X-App-Signature\"`, with the header that it sends"))
            }
            (false, Some(header)) => Problem::new(
                Code::E0109,
                format!("`{name}` has headers of its own"),
                header.span,
                "would not be looked at",
            )
            .help(format!("write `verify {name}`")),
            _ => return,
        };
        self.report(problem);
    }

    /// E0507 and E0601: messages that are about something else than what they are led to. One line is one mistake.
    fn led(&mut self, route: &ast::Route, system: &str) {
        let leads = match &route.to.value {
            RouteTo::Ignore => return,
            RouteTo::Sync(name) => self.declared.sync_index(&name.value).map(|index| {
                let sync = &self.declared.syncs[index];
                (vec![sync.left.clone(), sync.right.clone()], name.span)
            }),
            RouteTo::Workflow(name) => self.declared.workflow_index(&name.value).map(|index| {
                let workflow = &self.declared.workflows[index];
                (vec![workflow.entity.clone()], name.span)
            }),
            RouteTo::Event(what) => {
                let name = entity_name(what);
                let known = self.declared.systems.get(&name.system).is_some_and(|s| {
                    s.lock.events.contains_key(&name.entity) || s.lock.entities.contains_key(&name.entity)
                });
                known.then(|| (vec![name], what.span))
            }
        };
        let Some((leads, span)) = leads else { return };
        // Nothing is said of a route to a sync whose head was told of, or to what an unread lock would describe.
        if leads.iter().any(|lead| self.declared.unknown.contains(&lead.system))
            || matches!(leads.as_slice(), [left, right] if !self.declared.can_pair(left, right))
        {
            return;
        }
        let Some(lock) = self.declared.systems.get(system).map(|s| s.lock.clone()) else { return };
        let Some(deliveries) = &lock.deliveries else { return };
        let mut wrong: Vec<(&ast::Name, EntityName)> = Vec::new();
        for message in &route.messages {
            let Some(found) =
                meant_message(&deliveries.messages, &message.value).and_then(|n| deliveries.messages.get(n))
            else {
                continue;
            };
            let (About::Record { entity: about, .. } | About::Event(about)) = &found.about;
            if !leads.iter().any(|lead| lead.system == system && lead.entity == *about) {
                wrong.push((message, EntityName::new(system, about)));
            }
        }
        let Some((first, about)) = wrong.first() else { return };
        let label = match (&route.to.value, leads.as_slice()) {
            (RouteTo::Sync(_), [left, right]) => format!("pairs {left} with {right}"),
            (RouteTo::Workflow(_), [entity]) => format!("takes {}", phrases::an_entity(entity)),
            (_, [lead, ..]) => format!("is {lead}"),
            _ => return,
        };
        let names: Vec<String> = wrong.iter().map(|(message, _)| format!("`{}`", message.value)).collect();
        let (code, help) = match &route.to.value {
            RouteTo::Workflow(name) => {
                (Code::E0601, format!("start {} from a `when` that has such a record", name.value))
            }
            RouteTo::Sync(_) => (Code::E0507, format!("lead it to a sync of {about}, or to `ignore`")),
            _ => (Code::E0507, format!("write `event {about}`")),
        };
        let message = match names.as_slice() {
            [one] => format!("{one} is about {about}"),
            several if wrong.iter().all(|(_, other)| other == about) => {
                format!("{} are about {about}", phrases::list(several))
            }
            several => format!("{} are about something else", phrases::list(several)),
        };
        let problem = Problem::new(code, message, first.span, format!("about {about}"));
        self.report(problem.label(span, label).help(help));
    }

    /// The message's name, or E0105 and the name that is meant.
    pub(crate) fn message(&mut self, system: &str, message: &ast::Name) -> Option<String> {
        let lock = &self.declared.systems[system].lock;
        let messages = &lock.deliveries.as_ref()?.messages;
        if messages.contains_key(&message.value) {
            return Some(message.value.clone());
        }
        let meant = meant_message(messages, &message.value).map(str::to_owned);
        let product = lock.product.clone();
        let headline = format!("{product} sends no message `{}`", message.value);
        let problem = match &meant {
            Some(meant) => Problem::new(Code::E0105, headline, message.span, format!("{product} calls this `{meant}`"))
                .help(format!("write \"{meant}\""))
                .fix(format!("write \"{meant}\""), true, vec![(message.span, format!("\"{meant}\""))]),
            None => {
                let known: Vec<&str> = messages.keys().map(String::as_str).collect();
                Problem::new(Code::E0105, headline, message.span, "not in its lock")
                    .help(format!("it sends: {}", known.join(", ")))
            }
        };
        self.report(problem);
        meant
    }

    pub(crate) fn route(&mut self, route: &ast::Route, system: &str) -> Option<Route> {
        match &route.to.value {
            RouteTo::Ignore => Some(Route::Ignore),
            RouteTo::Sync(name) => self.has_sync(name).map(Route::Sync),
            RouteTo::Workflow(name) => {
                self.findings.mentioned.insert(name.value.clone());
                self.has_workflow(name).map(Route::Workflow)
            }
            RouteTo::Event(what) => {
                let name = entity_name(what);
                let known = self.declared.systems.get(&name.system).is_some_and(|s| {
                    s.lock.events.contains_key(&name.entity) || s.lock.entities.contains_key(&name.entity)
                });
                if !known && self.declared.unknown.contains(&name.system) {
                    return None;
                }
                if !known {
                    let keys: Vec<String> = self
                        .declared
                        .systems
                        .get(system)
                        .map(|s| s.lock.events.keys().chain(s.lock.entities.keys()).cloned().collect())
                        .unwrap_or_default();
                    let near = nearest(&name.entity, keys.iter().map(String::as_str)).map(str::to_owned);
                    let problem = Problem::new(
                        Code::E0104,
                        format!("there is no event or entity {name}"),
                        what.span,
                        "not in a lock",
                    );
                    let problem = suggest(problem, near, what.name.span);
                    self.report(problem);
                    return None;
                }
                Some(Route::Event)
            }
        }
    }
}
