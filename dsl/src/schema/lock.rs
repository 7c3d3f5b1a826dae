//! Reads the YAML of a lock, form 1. Unknown keys are errors.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    About, Change, ChangedAt, Deliveries, Delivery, Entity, Field, Link, Lock, Lookup, Message, Operation, Type,
};

/// Why a lock cannot be used; the line, from 1, where the YAML says one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// In plain words.
    pub reason: String,
    /// Where.
    pub line: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    lock: u32,
    system: String,
    connector: String,
    product: Option<String>,
    pulled: String,
    #[serde(default)]
    entities: BTreeMap<String, RawEntity>,
    #[serde(default)]
    events: BTreeMap<String, RawEvent>,
    #[serde(default)]
    operations: BTreeMap<String, RawOperation>,
    #[serde(default)]
    lookups: BTreeMap<String, RawLookup>,
    deliveries: Option<RawDeliveries>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntity {
    remote: Option<String>,
    changed_at: Option<String>,
    records: Option<u64>,
    batch: Option<usize>,
    #[serde(default)]
    create_needs: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, RawField>,
    #[serde(default)]
    links: BTreeMap<String, RawLink>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    custom: bool,
    #[serde(default)]
    protect: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLink {
    to: String,
    remote: Option<i64>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    fields: BTreeMap<String, RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOperation {
    #[serde(default)]
    params: BTreeMap<String, RawField>,
    #[serde(default)]
    result: BTreeMap<String, RawField>,
    delivery: Delivery,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLookup {
    entity: String,
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeliveries {
    #[serde(default)]
    envelope: BTreeMap<String, RawField>,
    name: String,
    time: String,
    #[serde(default)]
    dedupe: Vec<String>,
    order: String,
    #[serde(default)]
    verify: Vec<String>,
    messages: BTreeMap<String, RawMessage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMessage {
    entity: Option<String>,
    change: Option<Change>,
    event: Option<String>,
    #[serde(default)]
    also_written: Vec<String>,
    #[serde(default)]
    generic: bool,
}

/// Reads a lock.
///
/// # Errors
/// [`Unreadable`] where it is no YAML, of another form, or says something that form 1 does not have.
pub fn read_lock(text: &str) -> Result<Lock, Unreadable> {
    let raw: RawLock = serde_yaml::from_str(text)
        .map_err(|error| Unreadable { line: error.location().map(|at| at.line()), reason: error.to_string() })?;
    if raw.lock != 1 {
        return Err(Unreadable {
            reason: format!("it has form {}, and this engine reads form 1", raw.lock),
            line: None,
        });
    }
    let wrong = |reason: String| Unreadable { reason, line: None };
    let fields = |raw: BTreeMap<String, RawField>| -> Result<BTreeMap<String, Field>, Unreadable> {
        raw.into_iter().map(|(name, field)| Ok((name.clone(), typed(&name, field)?))).collect()
    };
    let mut entities = BTreeMap::new();
    for (name, entity) in raw.entities {
        let links = entity
            .links
            .into_iter()
            .map(|(name, link)| (name, Link { to: link.to, remote: link.remote, optional: link.optional }))
            .collect();
        let changed_at = match entity.changed_at.as_deref() {
            None => ChangedAt::Unknown,
            Some("per_field") => ChangedAt::PerField,
            Some(field) => ChangedAt::Field(field.to_owned()),
        };
        let fields = fields(entity.fields)?;
        entities.insert(
            name,
            Entity {
                remote: entity.remote,
                changed_at,
                records: entity.records,
                batch: entity.batch.unwrap_or(1).max(1),
                create_needs: entity.create_needs,
                fields,
                links,
            },
        );
    }
    let mut events = BTreeMap::new();
    for (name, event) in raw.events {
        events.insert(name, fields(event.fields)?);
    }
    let mut operations = BTreeMap::new();
    for (name, operation) in raw.operations {
        operations.insert(
            name,
            Operation {
                params: fields(operation.params)?,
                result: fields(operation.result)?,
                delivery: operation.delivery,
            },
        );
    }
    let lookups =
        raw.lookups.into_iter().map(|(name, l)| (name, Lookup { entity: l.entity, from: l.from, to: l.to })).collect();
    let deliveries = match raw.deliveries {
        None => None,
        Some(raw) => {
            let mut messages = BTreeMap::new();
            for (name, message) in raw.messages {
                let about = match (message.entity, message.change, message.event) {
                    (Some(entity), Some(change), None) => About::Record { entity, change },
                    (None, None, Some(event)) => About::Event(event),
                    _ => return Err(wrong(format!("message `{name}` needs `entity` and `change`, or `event`"))),
                };
                messages.insert(name, Message { about, also_written: message.also_written, generic: message.generic });
            }
            Some(Deliveries {
                envelope: fields(raw.envelope)?,
                name: raw.name,
                time: raw.time,
                dedupe: raw.dedupe,
                order: raw.order,
                verify: raw.verify,
                messages,
            })
        }
    };
    Ok(Lock {
        product: raw.product.unwrap_or_else(|| raw.system.clone()),
        system: raw.system,
        connector: raw.connector,
        pulled: raw.pulled,
        entities,
        events,
        operations,
        lookups,
        deliveries,
        lines: lines(text),
    })
}

fn typed(name: &str, raw: RawField) -> Result<Field, Unreadable> {
    let ty = parse_type(&raw.ty)
        .ok_or_else(|| Unreadable { reason: format!("`{name}` has the unknown type `{}`", raw.ty), line: None })?;
    Ok(Field {
        ty,
        options: raw.options,
        optional: raw.optional,
        unique: raw.unique,
        read_only: raw.read_only,
        custom: raw.custom,
        protect: raw.protect,
    })
}

/// The type that locks and `entity` items write like this.
#[must_use]
pub fn parse_type(text: &str) -> Option<Type> {
    if let Some(inner) = text.strip_prefix("list of ") {
        return parse_type(inner).map(|inner| Type::List(Box::new(inner)));
    }
    Some(match text {
        "text" => Type::Text,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "money" => Type::Money,
        "percent" => Type::Percent,
        "flag" => Type::Flag,
        "date" => Type::Date,
        "time" => Type::Time,
        "enum" => Type::Enum,
        "record" => Type::Record,
        _ => return None,
    })
}

/// The line of every key, by its path: `entities.User.fields.email`.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let body = line.trim_start();
        if body.is_empty() || body.starts_with('#') || body.starts_with('-') {
            continue;
        }
        let Some((key, _)) = body.split_once(':') else { continue };
        let indent = line.len() - body.len();
        stack.retain(|(other, _)| *other < indent);
        stack.push((indent, key.trim().trim_matches('"').to_owned()));
        let path = stack.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(".");
        found.entry(path).or_insert(number + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_locks_are_read_and_an_unknown_key_is_not() {
        let text = include_str!("../../../rules/schemas/crm.lock");
        let lock = read_lock(text).expect("the shipped lock is sound");
        assert!(lock.entities["Contact"].fields["email"].unique);
        assert_eq!(lock.lines["entities.Deal.fields.amount"], 60);
        let wrong = read_lock(&text.replace("product:", "produkt:")).expect_err("an unknown key");
        assert!(wrong.reason.contains("produkt"), "{wrong}");
    }
}
