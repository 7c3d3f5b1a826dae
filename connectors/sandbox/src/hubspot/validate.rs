//! What HubSpot accepts as values, from the definitions of the lock.

use std::collections::BTreeMap;

use dsl::schema::Type;
use dsl::value::Moment;
use serde_json::{Value as Json, json};

use super::HubSpot;

/// Why a write is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) category: &'static str,
    pub(super) context: Json,
}

impl Refusal {
    pub(super) fn body(&self) -> Json {
        json!({"status": "error", "message": self.message, "category": self.category, "context": self.context,
               "errors": [{"message": self.message, "context": self.context}]})
    }
}

impl HubSpot {
    /// Checks and normalises values; all bad ones are listed.
    pub(super) fn valid(
        &self,
        kind: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let fields = self.entity_name(kind).and_then(|name| self.lock.entities.get(name)).map(|e| &e.fields);
        let mut bad: Vec<(String, &'static str, String)> = Vec::new();
        let mut normal = BTreeMap::new();
        for (name, value) in values {
            let Some(field) = fields.and_then(|f| f.get(name)) else {
                bad.push((name.clone(), "PROPERTY_DOESNT_EXIST", format!("Property \"{name}\" does not exist")));
                continue;
            };
            if field.read_only {
                bad.push((
                    name.clone(),
                    "READ_ONLY_VALUE",
                    format!("\"{name}\" is a read only property; its value cannot be set."),
                ));
                continue;
            }
            if value.is_empty() {
                normal.insert(name.clone(), String::new());
                continue;
            }
            let checked = match field.ty {
                Type::Enum if !field.options.is_empty() && !field.options.contains(value) => {
                    Err(("INVALID_OPTION", format!("{value} was not one of the allowed options: {:?}", field.options)))
                }
                Type::Text if name == "email" => {
                    let lower = value.trim().to_lowercase();
                    let sound = lower.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.'))
                        && !lower.contains(' ');
                    if sound { Ok(lower) } else { Err(("INVALID_EMAIL", format!("Email address {value} is invalid"))) }
                }
                Type::Integer | Type::Number | Type::Money | Type::Percent => {
                    if value.parse::<rust_decimal::Decimal>().is_ok() {
                        Ok(value.clone())
                    } else {
                        Err(("INVALID_LONG", format!("{value} was not a valid number.")))
                    }
                }
                Type::Time => match value.parse::<i64>().map(Moment).ok().or_else(|| Moment::parse(value)) {
                    Some(at) => Ok(at.to_string()),
                    None => Err(("INVALID_DATE", format!("{value} was not a valid date."))),
                },
                _ => Ok(value.clone()),
            };
            match checked {
                Ok(value) => {
                    normal.insert(name.clone(), value);
                }
                Err((code, message)) => bad.push((name.clone(), code, message)),
            }
        }
        if bad.is_empty() {
            return Ok(normal);
        }
        let list: Vec<Json> = bad
            .iter()
            .map(|(name, code, message)| json!({"isValid": false, "message": message, "error": code, "name": name}))
            .collect();
        let names: Vec<&String> = bad.iter().map(|(name, ..)| name).collect();
        Err(Refusal {
            status: 400,
            message: format!("Property values were not valid: {}", Json::Array(list)),
            category: "VALIDATION_ERROR",
            context: json!({"propertyName": names}),
        })
    }

    /// The record that holds a unique value already.
    pub(super) fn taken(&self, kind: &str, values: &BTreeMap<String, String>, but: Option<u64>) -> Option<Refusal> {
        let entity = self.lock.entities.get(self.entity_name(kind)?)?;
        for (name, value) in values {
            if value.is_empty() || !entity.fields.get(name).is_some_and(|f| f.unique) {
                continue;
            }
            let holder = self.records.get(kind)?.values().find(|record| {
                !record.archived && Some(record.id) != but && record.properties.get(name) == Some(value)
            });
            if let Some(holder) = holder {
                let message = if name == "email" {
                    format!("Contact already exists. Existing ID: {}", holder.id)
                } else {
                    format!(
                        "Cannot set PropertyValueCoordinates{{portalId={}, objectTypeId={kind}, propertyName={name}, value={value}}} on {}. {} already has that value.",
                        self.settings.portal_id, self.next_id, holder.id
                    )
                };
                let (status, category) = if name == "email" { (409, "CONFLICT") } else { (400, "VALIDATION_ERROR") };
                return Some(Refusal {
                    status,
                    message,
                    category,
                    context: json!({"existingId": [holder.id.to_string()]}),
                });
            }
        }
        None
    }
}
