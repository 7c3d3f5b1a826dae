//! Reads the YAML of a lock, form 1. Unknown keys are errors.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::text::{CHANGES, DELIVERIES, FORMS, change, delivery, form};
use super::{About, ChangedAt, Deliveries, Entity, Field, Link, Lock, Lookup, Message, Operation, Type};
use crate::yaml::{self, Places};

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
struct RawLock {
    lock: Option<u32>,
    system: Option<String>,
    connector: Option<String>,
    product: Option<String>,
    pulled: Option<String>,
    #[serde(default)]
    entities: Named<RawEntity>,
    #[serde(default)]
    events: Named<RawEvent>,
    #[serde(default)]
    operations: Named<RawOperation>,
    #[serde(default)]
    lookups: Named<RawLookup>,
    deliveries: Option<RawDeliveries>,
}

#[derive(Deserialize)]
struct RawEntity {
    remote: Option<String>,
    changed_at: Option<String>,
    records: Option<u64>,
    batch: Option<usize>,
    #[serde(default)]
    create_needs: Vec<String>,
    #[serde(default)]
    fields: Named<RawField>,
    #[serde(default)]
    links: Named<RawLink>,
}

#[derive(Deserialize)]
struct RawField {
    #[serde(rename = "type")]
    ty: Option<String>,
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
    form: Option<String>,
    zone: Option<String>,
}

#[derive(Deserialize)]
struct RawLink {
    to: Option<String>,
    remote: Option<i64>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
struct RawEvent {
    fields: Option<Named<RawField>>,
}

#[derive(Deserialize)]
struct RawOperation {
    #[serde(default)]
    params: Named<RawField>,
    #[serde(default)]
    result: Named<RawField>,
    delivery: Option<String>,
}

#[derive(Deserialize)]
struct RawLookup {
    entity: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
struct RawDeliveries {
    #[serde(default)]
    envelope: Named<RawField>,
    name: Option<String>,
    time: Option<String>,
    #[serde(default)]
    dedupe: Vec<String>,
    order: Option<String>,
    #[serde(default)]
    verify: Vec<String>,
    messages: Option<Named<RawMessage>>,
}

#[derive(Deserialize)]
struct RawMessage {
    entity: Option<String>,
    change: Option<String>,
    event: Option<String>,
    #[serde(default)]
    also_written: Vec<String>,
    #[serde(default)]
    generic: bool,
}

/// A mapping in which no key stands twice. The derived mappings look after theirs.
struct Named<T>(BTreeMap<String, T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: serde::Deserializer<'de>>(yaml: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Members<T> {
            type Value = Named<T>;

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
                Ok(Named(map))
            }
        }

        yaml.deserialize_map(Members(std::marker::PhantomData))
    }
}

/// Reads a lock.
///
/// # Errors
/// [`Unreadable`] where it is no YAML, of another form, or says something that form 1 does not have.
pub fn read_lock(text: &str) -> Result<Lock, Unreadable> {
    let mut unknown = None;
    let yaml = serde_yaml::Deserializer::from_str(text);
    let raw: RawLock = serde_ignored::deserialize(yaml, |path| {
        unknown.get_or_insert_with(|| names(&path));
    })
    .map_err(|error| unreadable(&error))?;
    let form = Form { text, places: Places::of(text) };
    match form.required(raw.lock, &[], "lock")? {
        1 => {}
        other => return Err(form.wrong(&["lock"], format!("it has form {other}, and this engine reads form 1"))),
    }
    if let Some(path) = unknown {
        return Err(form.unknown(&path));
    }
    let system = form.required(raw.system, &[], "system")?;
    let lock = Lock {
        product: raw.product.unwrap_or_else(|| system.clone()),
        system,
        connector: form.required(raw.connector, &[], "connector")?,
        pulled: form.required(raw.pulled, &[], "pulled")?,
        entities: each(raw.entities, |name, entity| form.entity(name, entity))?,
        events: each(raw.events, |name, event| form.event(name, event))?,
        operations: each(raw.operations, |name, operation| form.operation(name, operation))?,
        lookups: each(raw.lookups, |name, lookup| form.lookup(name, lookup))?,
        deliveries: raw.deliveries.map(|deliveries| form.deliveries(deliveries)).transpose()?,
        lines: form.places.lines(text),
    };
    consistent(&lock)?;
    Ok(lock)
}

/// The names on the way to a key.
fn names(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    match path {
        Path::Root => Vec::new(),
        Path::Map { parent, key } => {
            let mut names = names(parent);
            names.push(key.clone());
            names
        }
        Path::Seq { parent, .. }
        | Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => names(parent),
    }
}

/// What the reader of YAML says of a text that is none, or of a value of another type.
fn unreadable(error: &serde_yaml::Error) -> Unreadable {
    let said = error.to_string();
    let at = error.location();
    // The line stands beside it already.
    let place = at.as_ref().map(|at| format!(" at line {} column {}", at.line(), at.column()));
    let said = place.and_then(|place| said.strip_suffix(&place).map(str::to_owned)).unwrap_or(said);
    Unreadable { reason: said, line: at.map(|at| at.line()) }
}

/// Each of a mapping's values under its name.
fn each<Raw, T>(
    raw: Named<Raw>,
    read: impl Fn(&str, Raw) -> Result<T, Unreadable>,
) -> Result<BTreeMap<String, T>, Unreadable> {
    raw.0.into_iter().map(|(name, raw)| read(&name, raw).map(|read| (name, read))).collect()
}

/// Form 1 of locks, over a text.
struct Form<'t> {
    text: &'t str,
    places: Places,
}

impl Form<'_> {
    fn wrong(&self, path: &[&str], reason: String) -> Unreadable {
        Unreadable { reason, line: Some(yaml::line(self.text, self.places.key(path).start)) }
    }

    /// What must be said at this key of `path`.
    fn required<T>(&self, value: Option<T>, path: &[&str], key: &str) -> Result<T, Unreadable> {
        value.ok_or_else(|| self.wrong(path, format!("`{key}` is missing{}", inside(path))))
    }

    /// Of a key that the form does not name.
    fn unknown(&self, path: &[String]) -> Unreadable {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (key, above) = path.split_last().map_or(("", &[][..]), |(key, above)| (*key, above));
        let known = keys(above).join(", ");
        self.wrong(&path, format!("`{key}` is no key of form 1{}; keys here are: {known}", inside(above)))
    }

    /// What a word means, of `all` that it can mean; `word` says how each is written.
    fn meant<T: Copy>(
        &self,
        said: &str,
        path: &[&str],
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Result<T, Unreadable> {
        all.iter().copied().find(|meaning| word(*meaning) == said).ok_or_else(|| {
            let known: Vec<&str> = all.iter().copied().map(word).collect();
            let reason = format!("`{said}` is not known{}; possible are: {}", inside(path), known.join(", "));
            self.wrong(path, reason)
        })
    }

    fn entity(&self, name: &str, raw: RawEntity) -> Result<Entity, Unreadable> {
        let links = each(raw.links, |link, raw| {
            let to = self.required(raw.to, &["entities", name, "links", link], "to")?;
            Ok(Link { to, remote: raw.remote, optional: raw.optional })
        })?;
        Ok(Entity {
            remote: raw.remote,
            changed_at: match raw.changed_at.as_deref() {
                None => ChangedAt::Unknown,
                Some("per_field") => ChangedAt::PerField,
                Some(field) => ChangedAt::Field(field.to_owned()),
            },
            records: raw.records,
            batch: raw.batch.unwrap_or(1).max(1),
            create_needs: raw.create_needs,
            fields: self.fields(&["entities", name, "fields"], raw.fields)?,
            links,
        })
    }

    fn fields(&self, path: &[&str], raw: Named<RawField>) -> Result<BTreeMap<String, Field>, Unreadable> {
        each(raw, |name, raw| {
            let path = [path, &[name]].concat();
            let said = self.required(raw.ty, &path, "type")?;
            let unknown = || self.wrong(&path, format!("`{name}` has the unknown type `{said}`"));
            let ty = parse_type(&said).ok_or_else(unknown)?;
            let instant = match &ty {
                Type::List(inner) => matches!(**inner, Type::Date | Type::Time),
                ty => matches!(ty, Type::Date | Type::Time),
            };
            if !instant && (raw.form.is_some() || raw.zone.is_some()) {
                let reason = format!("`{name}` is a {ty}; only a time or a date has a `form` or a `zone`");
                return Err(self.wrong(&path, reason));
            }
            let form = match &raw.form {
                None => None,
                Some(said) => Some(self.meant(said, &path, &FORMS, form)?),
            };
            if let Some(zone) = raw.zone.as_ref().filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
                let reason = format!("`{name}` names the zone `{zone}`, which there is not; one is `Europe/London`");
                return Err(self.wrong(&path, reason));
            }
            Ok(Field {
                ty,
                options: raw.options,
                optional: raw.optional,
                unique: raw.unique,
                read_only: raw.read_only,
                custom: raw.custom,
                protect: raw.protect,
                form,
                zone: raw.zone,
            })
        })
    }

    fn event(&self, name: &str, raw: RawEvent) -> Result<BTreeMap<String, Field>, Unreadable> {
        let fields = self.required(raw.fields, &["events", name], "fields")?;
        self.fields(&["events", name, "fields"], fields)
    }

    fn operation(&self, name: &str, raw: RawOperation) -> Result<Operation, Unreadable> {
        let path = ["operations", name];
        let written = self.required(raw.delivery, &path, "delivery")?;
        Ok(Operation {
            params: self.fields(&["operations", name, "params"], raw.params)?,
            result: self.fields(&["operations", name, "result"], raw.result)?,
            delivery: self.meant(&written, &["operations", name, "delivery"], &DELIVERIES, delivery)?,
        })
    }

    fn lookup(&self, name: &str, raw: RawLookup) -> Result<Lookup, Unreadable> {
        let path = ["lookups", name];
        Ok(Lookup {
            entity: self.required(raw.entity, &path, "entity")?,
            from: self.required(raw.from, &path, "from")?,
            to: self.required(raw.to, &path, "to")?,
        })
    }

    fn deliveries(&self, raw: RawDeliveries) -> Result<Deliveries, Unreadable> {
        let path = ["deliveries"];
        Ok(Deliveries {
            envelope: self.fields(&["deliveries", "envelope"], raw.envelope)?,
            name: self.required(raw.name, &path, "name")?,
            time: self.required(raw.time, &path, "time")?,
            dedupe: raw.dedupe,
            order: self.required(raw.order, &path, "order")?,
            verify: raw.verify,
            messages: each(self.required(raw.messages, &path, "messages")?, |name, message| {
                self.message(name, message)
            })?,
        })
    }

    fn message(&self, name: &str, raw: RawMessage) -> Result<Message, Unreadable> {
        let path = ["deliveries", "messages", name];
        let about = match (raw.entity, raw.change, raw.event) {
            (Some(entity), Some(written), None) => {
                let change = self.meant(&written, &["deliveries", "messages", name, "change"], &CHANGES, change)?;
                About::Record { entity, change }
            }
            (None, None, Some(event)) => About::Event(event),
            _ => return Err(self.wrong(&path, format!("message `{name}` needs `entity` and `change`, or `event`"))),
        };
        Ok(Message { about, also_written: raw.also_written, generic: raw.generic })
    }
}

/// ` in entities.User`, for messages.
fn inside(path: &[&str]) -> String {
    if path.is_empty() { String::new() } else { format!(" in {}", path.join(".")) }
}

/// The keys that may stand below a path.
fn keys(path: &[&str]) -> &'static [&'static str] {
    match path {
        [] => &[
            "lock",
            "system",
            "connector",
            "product",
            "pulled",
            "entities",
            "events",
            "operations",
            "lookups",
            "deliveries",
        ],
        ["entities", _] => &["remote", "changed_at", "records", "batch", "create_needs", "fields", "links"],
        ["entities" | "events", _, "fields", _]
        | ["operations", _, "params" | "result", _]
        | ["deliveries", "envelope", _] => {
            &["type", "options", "optional", "unique", "read_only", "custom", "protect", "form", "zone"]
        }
        ["entities", _, "links", _] => &["to", "remote", "optional"],
        ["events", _] => &["fields"],
        ["operations", _] => &["params", "result", "delivery"],
        ["lookups", _] => &["entity", "from", "to"],
        ["deliveries"] => &["envelope", "name", "time", "dedupe", "order", "verify", "messages"],
        ["deliveries", "messages", _] => &["entity", "change", "event", "also_written", "generic"],
        _ => &[],
    }
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
            // A path names fields and links alike: of one name that is both, nobody could say which is meant.
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
