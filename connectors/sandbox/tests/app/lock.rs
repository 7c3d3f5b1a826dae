//! The shipped lock of the app.

use std::collections::BTreeMap;

use dsl::schema::{
    About, Change, ChangedAt, Deliveries, Delivery, Entity, Field, Link, Lock, Message, Operation, Type,
};
use serde_yaml::Value as Yaml;

/// `rules/schemas/app.lock`.
pub(crate) fn shipped() -> Lock {
    read(include_str!("../../../../rules/schemas/app.lock"))
}

/// Reads what these tests need of a lock; loud about a word it does not know.
pub(crate) fn read(text: &str) -> Lock {
    let root: Yaml = serde_yaml::from_str(text).unwrap();
    let deliveries = &root["deliveries"];
    Lock {
        system: word(&root["system"]),
        connector: word(&root["connector"]),
        product: word(&root["product"]),
        pulled: word(&root["pulled"]),
        entities: map(&root["entities"], entity),
        events: map(&root["events"], |event| map(&event["fields"], field)),
        operations: map(&root["operations"], |operation| Operation {
            params: map(&operation["params"], field),
            result: map(&operation["result"], field),
            delivery: match word(&operation["delivery"]).as_str() {
                "by_key" => Delivery::ByKey,
                other => panic!("a delivery that these tests do not know: {other}"),
            },
        }),
        lookups: BTreeMap::new(),
        deliveries: Some(Deliveries {
            envelope: map(&deliveries["envelope"], field),
            name: word(&deliveries["name"]),
            time: word(&deliveries["time"]),
            dedupe: words(&deliveries["dedupe"]),
            order: word(&deliveries["order"]),
            verify: words(&deliveries["verify"]),
            messages: map(&deliveries["messages"], message),
        }),
        lines: BTreeMap::new(),
    }
}

fn entity(entity: &Yaml) -> Entity {
    Entity {
        remote: None,
        changed_at: ChangedAt::Field(word(&entity["changed_at"])),
        records: entity["records"].as_u64(),
        batch: 1,
        create_needs: words(&entity["create_needs"]),
        fields: map(&entity["fields"], field),
        links: map(&entity["links"], |link| Link {
            to: word(&link["to"]),
            remote: None,
            optional: flag(link, "optional"),
        }),
    }
}

fn field(field: &Yaml) -> Field {
    Field {
        ty: match word(&field["type"]).as_str() {
            "text" => Type::Text,
            "integer" => Type::Integer,
            "money" => Type::Money,
            "percent" => Type::Percent,
            "time" => Type::Time,
            "enum" => Type::Enum,
            "record" => Type::Record,
            other => panic!("a type that these tests do not know: {other}"),
        },
        options: words(&field["options"]),
        optional: flag(field, "optional"),
        unique: flag(field, "unique"),
        read_only: flag(field, "read_only"),
        custom: false,
        protect: false,
    }
}

fn message(message: &Yaml) -> Message {
    let about = match &message["event"] {
        Yaml::String(event) => About::Event(event.clone()),
        _ => About::Record {
            entity: word(&message["entity"]),
            change: match word(&message["change"]).as_str() {
                "created" => Change::Created,
                "updated" => Change::Updated,
                "deleted" => Change::Deleted,
                other => panic!("a change that these tests do not know: {other}"),
            },
        },
    };
    Message { about, also_written: Vec::new(), generic: false }
}

fn word(value: &Yaml) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a word: {value:?}")).to_owned()
}

fn words(value: &Yaml) -> Vec<String> {
    value.as_sequence().into_iter().flatten().map(word).collect()
}

fn flag(value: &Yaml, name: &str) -> bool {
    value[name].as_bool().unwrap_or(false)
}

fn map<T>(value: &Yaml, read: impl Fn(&Yaml) -> T) -> BTreeMap<String, T> {
    value.as_mapping().into_iter().flatten().map(|(name, item)| (word(name), read(item))).collect()
}
