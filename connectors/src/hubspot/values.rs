//! Between HubSpot's properties and values of the port (CONTRACT 3.2, 3.8).

use std::collections::BTreeMap;

use dsl::schema::{Entity, Type};
use dsl::value::{Timestamp, Value};
use serde_json::Value as Json;

use crate::http::text;
use crate::planted::{Mutant, planted};
use crate::port::{Observed, Wire};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// Type id of contacts, which have names of their own for what all others share.
const CONTACTS: &str = "0-1";

/// The property with the time of the last change. The wrong name finds nothing, without an error (CONTRACT 4).
pub(super) fn modified_property(remote: Option<&str>) -> &'static str {
    if remote == Some(CONTACTS) { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

/// Properties to write: HubSpot wants text, and an empty text clears.
pub(super) fn properties(values: &BTreeMap<String, Wire>) -> Json {
    let sent = values.iter().map(|(name, value)| (name, wire(value)));
    let sent = sent.filter(|(_, value)| !value.is_empty() || !planted(Mutant::EmptyLeftOut));
    Json::Object(sent.map(|(name, value)| (name.clone(), value.into())).collect())
}

/// One value as text; several options of one property are joined by semicolons.
pub(super) fn wire(value: &Wire) -> String {
    match value {
        Json::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(";"),
        other => text(other),
    }
}

/// Type id of companies.
const COMPANIES: &str = "0-2";

/// The form in which HubSpot keeps a value (CONTRACT 3.2): addresses and domains in lower case, texts without blanks at
/// their ends, days as midnight UTC.
pub(crate) fn kept(entity: &Entity, field: &str, value: Value) -> Value {
    let Some(declared) = entity.fields.get(field) else { return value };
    match (&declared.ty, value) {
        (Type::Text, Value::Text(text)) => {
            let remote = entity.remote.as_deref();
            let is_name = field == "email" || (field == "domain" && remote == Some(COMPANIES));
            let trimmed = text.trim();
            let lower = trimmed.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
            if is_name && !lower {
                Value::text(trimmed.to_lowercase())
            } else if trimmed.len() == text.len() {
                Value::text(text)
            } else {
                Value::text(trimmed)
            }
        }
        (Type::Date, Value::Time(time)) => Value::Time(Timestamp(time.0 - time.0.rem_euclid(DAY))),
        (_, value) => value,
    }
}

/// A record of an answer with the fields that were asked for; `None` asks for all that are there.
pub(super) fn observed(record: &Json, wanted: Option<&[String]>) -> Observed {
    let properties = record["properties"].as_object().into_iter().flatten();
    let fields = properties
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(name)))
        .map(|(name, value)| (name.clone(), value.clone()));
    Observed {
        id: text(&record["id"]),
        fields: fields.collect(),
        links: BTreeMap::new(),
        changed_at: record["updatedAt"].as_str().and_then(Timestamp::parse),
        complete: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_hubspot_keeps_in_one_form_are_one_value() {
        let mut entity = crate::hubspot::known("crm").entities["Contact"].clone();
        entity.fields.insert("born".to_owned(), dsl::schema::Field::of(Type::Date));
        let kept = |field: &str, value: Value| kept(&entity, field, value);
        assert_eq!(kept("email", Value::text(" Ada@Example.COM ")), Value::text("ada@example.com"));
        assert_eq!(kept("firstname", Value::text("Ada ")), Value::text("Ada"));
        assert_eq!(kept("firstname", Value::text(" \n")), Value::Empty);
        let time = |text: &str| Value::Time(Timestamp::parse(text).expect("a time"));
        assert_eq!(kept("born", time("1990-05-04T22:30:00Z")), time("1990-05-04T00:00:00Z"));
        assert_eq!(kept("born", time("1969-12-31T22:30:00Z")), time("1969-12-31T00:00:00Z"));
        assert_eq!(kept("unknown", Value::text(" A ")), Value::text(" A "));
    }

    #[test]
    fn everything_is_written_as_text_and_null_clears() {
        let values = BTreeMap::from([
            ("amount".to_owned(), json!("49.00")),
            ("flag".to_owned(), json!(true)),
            ("health_score".to_owned(), json!(87)),
            ("options".to_owned(), json!(["a", "b"])),
            ("phone".to_owned(), Json::Null),
        ]);
        let expected = json!({"amount": "49.00", "flag": "true", "health_score": "87", "options": "a;b", "phone": ""});
        assert_eq!(properties(&values), expected);
    }
}
