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
    #[serde(default, deserialize_with = "unique")]
    entities: BTreeMap<String, RawEntity>,
    #[serde(default, deserialize_with = "unique")]
    events: BTreeMap<String, RawEvent>,
    #[serde(default, deserialize_with = "unique")]
    operations: BTreeMap<String, RawOperation>,
    #[serde(default, deserialize_with = "unique")]
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
    #[serde(default, deserialize_with = "unique")]
    fields: BTreeMap<String, RawField>,
    #[serde(default, deserialize_with = "unique")]
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
    #[serde(deserialize_with = "unique")]
    fields: BTreeMap<String, RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOperation {
    #[serde(default, deserialize_with = "unique")]
    params: BTreeMap<String, RawField>,
    #[serde(default, deserialize_with = "unique")]
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
    #[serde(default, deserialize_with = "unique")]
    envelope: BTreeMap<String, RawField>,
    name: String,
    time: String,
    #[serde(default)]
    dedupe: Vec<String>,
    order: String,
    #[serde(default)]
    verify: Vec<String>,
    #[serde(deserialize_with = "unique")]
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

/// A mapping in which no key stands twice. The derived mappings look after theirs.
fn unique<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(yaml: D) -> Result<BTreeMap<String, T>, D::Error> {
    struct Members<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Members<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("a map")
        }

        fn visit_map<M: serde::de::MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = members.next_key::<String>()? {
                if map.contains_key(&key) {
                    return Err(serde::de::Error::custom(format_args!("duplicate entry with key \"{key}\"")));
                }
                let value = members.next_value()?;
                map.insert(key, value);
            }
            Ok(map)
        }
    }

    yaml.deserialize_map(Members(std::marker::PhantomData))
}

/// Reads a lock.
///
/// # Errors
/// [`Unreadable`] where it is no YAML, of another form, or says something that form 1 does not have.
pub fn read_lock(text: &str) -> Result<Lock, Unreadable> {
    let raw: RawLock = serde_yaml::from_str(text).map_err(|error| unreadable(&error))?;
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
    let lock = Lock {
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
    };
    consistent(&lock)?;
    Ok(lock)
}

/// What the reader of YAML says, in plain words.
fn unreadable(error: &serde_yaml::Error) -> Unreadable {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    let (path, said) = match said.rsplit_once(": ") {
        Some((path, said)) if !path.contains(' ') => (format!(" in {path}"), said),
        _ => (String::new(), said),
    };
    let name = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let reason = if said.starts_with("unknown field") {
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        format!("`{}` is no key of form 1{path}; keys here are: {}", name(said), known.join(", "))
    } else if said.starts_with("missing field") {
        format!("`{}` is missing{path}", name(said))
    } else if said.starts_with("unknown variant") {
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        format!("`{}` is not known{path}; possible are: {}", name(said), known.join(", "))
    } else {
        format!("{said}{path}")
    };
    Unreadable { reason, line: error.location().map(|at| at.line()) }
}

/// Every name in a lock leads to something in it.
fn consistent(lock: &Lock) -> Result<(), Unreadable> {
    let wrong = |path: String, reason: String| Unreadable { reason, line: lock.lines.get(&path).copied() };
    if lock.pulled.parse::<jiff::civil::Date>().is_err() {
        return Err(wrong("pulled".to_owned(), format!("`pulled` is no day such as 2026-11-20: {}", lock.pulled)));
    }
    for (name, entity) in &lock.entities {
        let at = format!("entities.{name}");
        let lacks = |key: &str, what: &str| wrong(format!("{at}.{key}"), format!("{name} has no {what}"));
        if !entity.fields.contains_key("id") {
            return Err(lacks("fields", "field `id`"));
        }
        if let ChangedAt::Field(field) = &entity.changed_at
            && entity.fields.get(field).is_none_or(|f| f.ty != Type::Time)
        {
            return Err(lacks("changed_at", &format!("time `{field}`")));
        }
        for need in &entity.create_needs {
            if !entity.fields.contains_key(need) && !entity.links.contains_key(need) {
                return Err(lacks("create_needs", &format!("field or link `{need}`")));
            }
        }
        for (link, to) in &entity.links {
            if !lock.entities.contains_key(&to.to) {
                return Err(wrong(
                    format!("{at}.links.{link}"),
                    format!("there is no entity `{}` for {name}.{link}", to.to),
                ));
            }
            if entity.fields.contains_key(link) {
                return Err(wrong(format!("{at}.links.{link}"), format!("{name}.{link} is a field and a link")));
            }
        }
        for (field, declared) in &entity.fields {
            let options = match &declared.ty {
                Type::List(inner) => **inner == Type::Enum,
                ty => *ty == Type::Enum,
            };
            if !declared.options.is_empty() && !options {
                return Err(wrong(
                    format!("{at}.fields.{field}"),
                    format!("{name}.{field} has options and is no enum"),
                ));
            }
        }
    }
    for (name, lookup) in &lock.lookups {
        let known = lock
            .entities
            .get(&lookup.entity)
            .is_some_and(|entity| [&lookup.from, &lookup.to].iter().all(|f| entity.fields.contains_key(*f)));
        if !known {
            let reason = format!("the lookup `{name}` leads to no {}.{} or {}", lookup.entity, lookup.from, lookup.to);
            return Err(wrong(format!("lookups.{name}"), reason));
        }
    }
    if let Some(deliveries) = &lock.deliveries {
        let members = [("name", &deliveries.name), ("time", &deliveries.time), ("order", &deliveries.order)];
        for (key, member) in members.into_iter().chain(deliveries.dedupe.iter().map(|member| ("dedupe", member))) {
            if !deliveries.envelope.contains_key(member) {
                return Err(wrong(format!("deliveries.{key}"), format!("the envelope has no `{member}`")));
            }
        }
        for (name, message) in &deliveries.messages {
            let (known, about) = match &message.about {
                About::Record { entity, .. } => (lock.entities.contains_key(entity), entity),
                About::Event(event) => (lock.events.contains_key(event), event),
            };
            if !known {
                let reason = format!("message `{name}` is about `{about}`, which this lock does not have");
                return Err(wrong(format!("deliveries.messages.{name}"), reason));
            }
        }
    }
    Ok(())
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
        assert_eq!(lock.lines["entities.Deal.fields.amount"], 61);
        let wrong = read_lock(&text.replace("product:", "produkt:")).expect_err("an unknown key");
        assert!(wrong.reason.starts_with("`produkt` is no key of form 1; keys here are: "), "{wrong}");
        assert_eq!(wrong.line, Some(5));
    }

    #[track_caller]
    fn refused(from: &str, to: &str, line: usize, reason: &str) {
        let text = include_str!("../../../rules/schemas/app.lock");
        assert!(text.contains(from));
        let wrong = read_lock(&text.replacen(from, to, 1)).expect_err("refused");
        assert_eq!((wrong.reason.as_str(), wrong.line), (reason, Some(line)));
    }

    #[test]
    fn every_name_in_a_lock_leads_to_something_in_it() {
        refused(
            "{ to: Subscription",
            "{ to: Subscriptions",
            27,
            "there is no entity `Subscriptions` for User.subscription",
        );
        refused("changed_at: updatedAt", "changed_at: changedAt", 10, "User has no time `changedAt`");
        refused("[email]", "[mail]", 12, "User has no field or link `mail`");
        refused(
            "{ event: Login }",
            "{ event: Logout }",
            145,
            "message `user.logged_in` is about `Logout`, which this lock does not have",
        );
        refused("pulled: 2026-11-20", "pulled: soon", 6, "`pulled` is no day such as 2026-11-20: soon");
        refused("order:  data.id", "order:  data.key", 139, "the envelope has no `data.key`");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let text = include_str!("../../../rules/schemas/app.lock");
        let twice =
            text.replacen("      lastName:      { type: text }\n", "      firstName:     { type: integer }\n", 1);
        let wrong = read_lock(&twice).expect_err("refused");
        assert!(wrong.reason.contains("firstName"), "{wrong}");
    }
}
