//! The lock as the YAML text that `GET /schema` publishes, in the form of LANGUAGE.md section 12.
//!
//! In: a lock. Out: text that reads back as the same lock (its line numbers apart).
//! Always true: a flag that is false and a list that is empty are left out.

use std::collections::BTreeMap;

use dsl::schema::{About, Change, ChangedAt, Delivery, Field, Lock, Type};
use serde_yaml::{Mapping, Value as Yaml};

/// Writes `lock`.
pub(super) fn write(lock: &Lock) -> String {
    let mut root = Mapping::new();
    put(&mut root, "lock", 1);
    put(&mut root, "system", lock.system.as_str());
    put(&mut root, "connector", lock.connector.as_str());
    put(&mut root, "product", lock.product.as_str());
    put(&mut root, "pulled", lock.pulled.as_str());
    section(&mut root, "entities", &lock.entities, entity);
    section(&mut root, "events", &lock.events, |event| {
        let mut out = Mapping::new();
        section(&mut out, "fields", event, field);
        out
    });
    section(&mut root, "operations", &lock.operations, |operation| {
        let mut out = Mapping::new();
        section(&mut out, "params", &operation.params, field);
        section(&mut out, "result", &operation.result, field);
        put(&mut out, "delivery", delivery(operation.delivery));
        out
    });
    section(&mut root, "lookups", &lock.lookups, |lookup| {
        let mut out = Mapping::new();
        put(&mut out, "entity", lookup.entity.as_str());
        put(&mut out, "from", lookup.from.as_str());
        put(&mut out, "to", lookup.to.as_str());
        out
    });
    if let Some(deliveries) = &lock.deliveries {
        let mut out = Mapping::new();
        section(&mut out, "envelope", &deliveries.envelope, field);
        put(&mut out, "name", deliveries.name.as_str());
        put(&mut out, "time", deliveries.time.as_str());
        put(&mut out, "dedupe", texts(&deliveries.dedupe));
        put(&mut out, "order", deliveries.order.as_str());
        put(&mut out, "verify", texts(&deliveries.verify));
        section(&mut out, "messages", &deliveries.messages, message);
        put(&mut root, "deliveries", Yaml::Mapping(out));
    }
    serde_yaml::to_string(&root).expect("a mapping of texts, numbers and lists can be written as YAML")
}

fn put(out: &mut Mapping, key: &str, value: impl Into<Yaml>) {
    out.insert(Yaml::from(key), value.into());
}

fn section<T>(out: &mut Mapping, key: &str, items: &BTreeMap<String, T>, write: impl Fn(&T) -> Mapping) {
    if !items.is_empty() {
        let items = items.iter().map(|(name, item)| (Yaml::from(name.as_str()), Yaml::Mapping(write(item))));
        put(out, key, Yaml::Mapping(items.collect()));
    }
}

fn texts(items: &[String]) -> Yaml {
    items.iter().map(|text| Yaml::from(text.as_str())).collect::<Vec<_>>().into()
}

fn entity(entity: &dsl::schema::Entity) -> Mapping {
    let mut out = Mapping::new();
    if let Some(remote) = &entity.remote {
        put(&mut out, "remote", remote.as_str());
    }
    match &entity.changed_at {
        ChangedAt::Unknown => (),
        ChangedAt::PerField => put(&mut out, "changed_at", "per_field"),
        ChangedAt::Field(name) => put(&mut out, "changed_at", name.as_str()),
    }
    if let Some(records) = entity.records {
        put(&mut out, "records", records);
    }
    if entity.batch != 1 {
        put(&mut out, "batch", entity.batch);
    }
    if !entity.create_needs.is_empty() {
        put(&mut out, "create_needs", texts(&entity.create_needs));
    }
    section(&mut out, "fields", &entity.fields, field);
    section(&mut out, "links", &entity.links, |link| {
        let mut out = Mapping::new();
        put(&mut out, "to", link.to.as_str());
        if let Some(remote) = link.remote {
            put(&mut out, "remote", remote);
        }
        flags(&mut out, &[("optional", link.optional)]);
        out
    });
    out
}

fn field(field: &Field) -> Mapping {
    let mut out = Mapping::new();
    put(&mut out, "type", ty(&field.ty));
    if !field.options.is_empty() {
        put(&mut out, "options", texts(&field.options));
    }
    flags(
        &mut out,
        &[
            ("unique", field.unique),
            ("optional", field.optional),
            ("read_only", field.read_only),
            ("custom", field.custom),
            ("protect", field.protect),
        ],
    );
    out
}

fn flags(out: &mut Mapping, flags: &[(&str, bool)]) {
    for (name, _) in flags.iter().filter(|(_, set)| *set) {
        put(out, name, true);
    }
}

fn ty(ty: &Type) -> String {
    match ty {
        Type::Text => "text",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Money => "money",
        Type::Percent => "percent",
        Type::Flag => "flag",
        Type::Date => "date",
        Type::Time => "time",
        Type::Enum => "enum",
        Type::Record => "record",
        Type::List(of) => return format!("list of {}", self::ty(of)),
    }
    .to_owned()
}

fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::ByNature => "by_nature",
        Delivery::ByKey => "by_key",
        Delivery::ByCheck => "by_check",
        Delivery::None => "none",
    }
}

fn message(message: &dsl::schema::Message) -> Mapping {
    let mut out = Mapping::new();
    match &message.about {
        About::Record { entity, change } => {
            put(&mut out, "entity", entity.as_str());
            put(&mut out, "change", self::change(*change));
        }
        About::Event(name) => put(&mut out, "event", name.as_str()),
    }
    if !message.also_written.is_empty() {
        put(&mut out, "also_written", texts(&message.also_written));
    }
    flags(&mut out, &[("generic", message.generic)]);
    out
}

fn change(change: Change) -> &'static str {
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
