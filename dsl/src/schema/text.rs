//! A lock as the text of its file, in the form in which locks are kept: one line a field, so that a change of the
//! system is one line of a review.
//!
//! In: a lock. Out: text that reads back as the same lock. Always true: what the lock was read from keeps its order;
//! what is new stands behind it. Not here: comments, which a pull does not keep.

use std::collections::BTreeMap;

use super::{About, Change, ChangedAt, Delivery, Entity, EpochForm, Field, Link, Lock};

/// The text of the file.
#[must_use]
pub fn write_lock(lock: &Lock) -> String {
    let mut text = format!(
        "# Written by `engine schema pull {}`. Reviewed like code, not edited by hand.\nlock: 1\nsystem: {}\nconnector: {}\n\
         product: {}\npulled: {}\n",
        lock.system,
        scalar(&lock.system),
        scalar(&lock.connector),
        scalar(&lock.product),
        lock.pulled,
    );
    // A YAML library would write the same data, but not one line a field, nor in the order that the file had.
    let writer = Writer { lock };
    if !lock.entities.is_empty() {
        text.push_str("\nentities:\n");
        for (name, entity) in writer.ordered("entities", &lock.entities) {
            text.push_str(&format!("  {}:\n", scalar(name)));
            writer.entity(&mut text, name, entity);
        }
    }
    if !lock.events.is_empty() {
        text.push_str("\nevents:\n");
        for (name, fields) in writer.ordered("events", &lock.events) {
            text.push_str(&format!("  {}:\n    fields:\n", scalar(name)));
            table(&mut text, 6, writer.ordered(&format!("events.{name}.fields"), fields), field);
        }
    }
    if !lock.operations.is_empty() {
        text.push_str("\noperations:\n");
        for (name, operation) in writer.ordered("operations", &lock.operations) {
            text.push_str(&format!("  {}:\n", scalar(name)));
            for (what, members) in [("params", &operation.params), ("result", &operation.result)] {
                if !members.is_empty() {
                    text.push_str(&format!("    {what}:\n"));
                    table(&mut text, 6, writer.ordered(&format!("operations.{name}.{what}"), members), field);
                }
            }
            text.push_str(&format!("    delivery: {}\n", delivery(operation.delivery)));
        }
    }
    if !lock.lookups.is_empty() {
        text.push_str("\nlookups:\n");
        let lookup = |lookup: &super::Lookup| {
            format!(
                "{{ entity: {}, from: {}, to: {} }}",
                scalar(&lookup.entity),
                scalar(&lookup.from),
                scalar(&lookup.to)
            )
        };
        table(&mut text, 2, writer.ordered("lookups", &lock.lookups), lookup);
    }
    if let Some(deliveries) = &lock.deliveries {
        text.push_str("\ndeliveries:\n  envelope:\n");
        table(&mut text, 4, writer.ordered("deliveries.envelope", &deliveries.envelope), field);
        text.push_str(&format!(
            "  name:   {}\n  time:   {}\n  dedupe: {}\n  order:  {}\n  verify: {}\n  messages:\n",
            scalar(&deliveries.name),
            scalar(&deliveries.time),
            list(&deliveries.dedupe),
            scalar(&deliveries.order),
            list(&deliveries.verify),
        ));
        table(&mut text, 4, writer.ordered("deliveries.messages", &deliveries.messages), message);
    }
    text
}

struct Writer<'a> {
    lock: &'a Lock,
}

impl Writer<'_> {
    /// Known names in the order in which they were read, then new ones by name.
    fn ordered<'m, T>(&self, path: &str, items: &'m BTreeMap<String, T>) -> Vec<(&'m String, &'m T)> {
        let mut ordered: Vec<_> = items.iter().collect();
        ordered.sort_by_key(|(name, _)| self.lock.lines.get(&format!("{path}.{name}")).copied().unwrap_or(usize::MAX));
        ordered
    }

    fn entity(&self, text: &mut String, name: &str, entity: &Entity) {
        if let Some(remote) = &entity.remote {
            text.push_str(&format!("    remote: {}\n", quoted(remote)));
        }
        match &entity.changed_at {
            ChangedAt::Unknown => {}
            ChangedAt::PerField => text.push_str("    changed_at: per_field\n"),
            ChangedAt::Field(field) => text.push_str(&format!("    changed_at: {}\n", scalar(field))),
        }
        if let Some(records) = entity.records {
            text.push_str(&format!("    records: {records}\n"));
        }
        if entity.batch != 1 {
            text.push_str(&format!("    batch: {}\n", entity.batch));
        }
        if !entity.create_needs.is_empty() {
            text.push_str(&format!("    create_needs: {}\n", list(&entity.create_needs)));
        }
        text.push_str("    fields:\n");
        table(text, 6, self.ordered(&format!("entities.{name}.fields"), &entity.fields), field);
        if !entity.links.is_empty() {
            text.push_str("    links:\n");
            table(text, 6, self.ordered(&format!("entities.{name}.links"), &entity.links), link);
        }
    }
}

/// Names and what they are, the second column aligned.
fn table<T>(text: &mut String, indent: usize, items: Vec<(&String, &T)>, shown: impl Fn(&T) -> String) {
    let width = items.iter().map(|(name, _)| scalar(name).chars().count()).max().unwrap_or(0) + 1;
    for (name, item) in items {
        let name = format!("{}:", scalar(name));
        text.push_str(&format!("{:indent$}{name:<width$} {}\n", "", shown(item)));
    }
}

fn field(field: &Field) -> String {
    let mut parts = vec![format!("type: {}", field.ty)];
    if !field.options.is_empty() {
        parts.push(format!("options: {}", list(&field.options)));
    }
    let flags = [
        ("unique", field.unique),
        ("optional", field.optional),
        ("read_only", field.read_only),
        ("custom", field.custom),
        ("protect", field.protect),
    ];
    parts.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| format!("{name}: true")));
    parts.extend(field.form.map(|told| format!("form: {}", form(told))));
    parts.extend(field.zone.iter().map(|zone| format!("zone: {}", quoted(zone))));
    format!("{{ {} }}", parts.join(", "))
}

fn link(link: &Link) -> String {
    let remote = link.remote.map_or_else(String::new, |remote| format!(", remote: {remote}"));
    let optional = if link.optional { ", optional: true" } else { "" };
    format!("{{ to: {}{remote}{optional} }}", scalar(&link.to))
}

fn message(message: &super::Message) -> String {
    let mut parts = match &message.about {
        About::Record { entity, change } => {
            vec![format!("entity: {}", scalar(entity)), format!("change: {}", self::change(*change))]
        }
        About::Event(name) => vec![format!("event: {}", scalar(name))],
    };
    if message.generic {
        parts.push("generic: true".to_owned());
    }
    if !message.also_written.is_empty() {
        parts.push(format!("also_written: {}", list(&message.also_written)));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "))
}

/// A text as YAML: bare where no reader takes it for something else.
fn scalar(text: &str) -> String {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    if first && rest && !TAKEN.contains(&text.to_ascii_lowercase().as_str()) { text.to_owned() } else { quoted(text) }
}

/// JSON's quotes are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The ways to repeat an operation, in the order in which messages name them.
pub(super) const DELIVERIES: [Delivery; 4] = [Delivery::ByNature, Delivery::ByKey, Delivery::ByCheck, Delivery::None];

/// What a number can count, in the order in which messages name it.
pub(super) const FORMS: [EpochForm; 2] = [EpochForm::Seconds, EpochForm::Milliseconds];

pub(super) fn form(form: EpochForm) -> &'static str {
    match form {
        EpochForm::Seconds => "seconds",
        EpochForm::Milliseconds => "milliseconds",
    }
}

/// What can happen to a record, in the order in which messages name it.
pub(super) const CHANGES: [Change; 7] = [
    Change::Created,
    Change::Updated,
    Change::Deleted,
    Change::Merged,
    Change::Restored,
    Change::Erased,
    Change::Linked,
];

pub(super) fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::ByNature => "by_nature",
        Delivery::ByKey => "by_key",
        Delivery::ByCheck => "by_check",
        Delivery::None => "none",
    }
}

pub(super) fn change(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Deleted => "deleted",
        Change::Merged => "merged",
        Change::Restored => "restored",
        Change::Erased => "erased",
        Change::Linked => "linked",
    }
}

/// What differs between two locks of a system, a line each, in the order of names: for people, and empty where
/// nothing does. The day of the pull does not count.
#[must_use]
pub fn differences(old: &Lock, new: &Lock) -> Vec<String> {
    let mut told = Vec::new();
    let system = &new.system;
    each(&old.entities, &new.entities, |name, change| match change {
        Side::Gone => told.push(format!("- {system}.{name}")),
        Side::New(entity) => told.push(format!("+ {system}.{name}  {} fields", entity.fields.len())),
        Side::Both(old, new) => {
            let of = format!("{system}.{name}");
            each(&old.fields, &new.fields, |name, change| tell(&mut told, &format!("{of}.{name}"), change, field));
            each(&old.links, &new.links, |name, change| tell(&mut told, &format!("{of}.{name}"), change, link));
            if old.create_needs != new.create_needs {
                let (old, new) = (list(&old.create_needs), list(&new.create_needs));
                told.push(format!("~ {of}  a new one needs {old}, now {new}"));
            }
        }
    });
    each(&old.operations, &new.operations, |name, change| {
        let shown = |operation: &super::Operation| {
            let params = operation.params.iter().map(|(name, declared)| format!("{name} {}", field(declared)));
            format!("{}, {}", params.collect::<Vec<_>>().join(", "), delivery(operation.delivery))
        };
        tell(&mut told, &format!("{system}.{name}()"), change, shown);
    });
    let none = BTreeMap::new();
    let messages = |lock: &'_ Lock| lock.deliveries.as_ref().map(|deliveries| deliveries.messages.clone());
    let (old, new) = (messages(old), messages(new));
    each(old.as_ref().unwrap_or(&none), new.as_ref().unwrap_or(&none), |name, change| {
        tell(&mut told, &format!("{system} message {name}"), change, message);
    });
    told
}

enum Side<'a, T> {
    Gone,
    New(&'a T),
    Both(&'a T, &'a T),
}

fn each<T>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>, mut see: impl FnMut(&str, Side<'_, T>)) {
    for (name, item) in old {
        match new.get(name) {
            Some(now) => see(name, Side::Both(item, now)),
            None => see(name, Side::Gone),
        }
    }
    for (name, item) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        see(name, Side::New(item));
    }
}

fn tell<T>(told: &mut Vec<String>, name: &str, change: Side<'_, T>, shown: impl Fn(&T) -> String) {
    match change {
        Side::Gone => told.push(format!("- {name}")),
        Side::New(item) => told.push(format!("+ {name}  {}", shown(item))),
        Side::Both(old, new) if shown(old) != shown(new) => {
            told.push(format!("~ {name}  {}, now {}", shown(old), shown(new)));
        }
        Side::Both(..) => {}
    }
}
