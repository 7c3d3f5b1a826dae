//! What the account holds, as a lock: properties and pipelines (CONTRACT 3.7, 3.8).
//!
//! In: the lock that is known, for what HubSpot does not tell: entities, links, messages, which numbers are money.
//! Out: the same lock with the fields of today. Always true: every property of the account is in it, and nothing else;
//! what a person decided about a field (`protect`, its finer type, that it is never empty) stays.

use std::collections::BTreeMap;

use dsl::schema::{Field, Lock, Type, read_lock};
use http::{Method, StatusCode};
use serde_json::Value as Json;

use super::HubSpot;
use super::failure::Failure;
use super::limits::is_owner;
use crate::http::text;
use crate::port::Answer;

/// Fields that no property list shows.
const OWN: [&str; 1] = ["id"];

/// What every account has: the standard entities without the properties that an account adds itself.
#[must_use]
pub fn known(system: &str) -> Lock {
    const SHIPPED: &str = include_str!("../../../rules/schemas/crm.lock");
    let mut lock = read_lock(SHIPPED).expect("the lock that is shipped is sound");
    system.clone_into(&mut lock.system);
    for entity in lock.entities.values_mut() {
        entity.fields.retain(|_, field| !field.custom);
        entity.records = None;
    }
    lock
}

impl HubSpot {
    /// Asks the account for its schema. `today` is the day of the pull, `2026-11-25`.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    pub async fn pull(&self, today: &str) -> Result<Lock, String> {
        let mut lock = self.lock.clone();
        today.clone_into(&mut lock.pulled);
        for (name, entity) in &mut lock.entities {
            if is_owner(name) {
                continue;
            }
            let listed = self.listed(&self.definitions_path("properties", name)).await?;
            // Which stages there are is defined by the account's pipelines, not by the property that holds them.
            let stages = match stage_property(name) {
                Some(property) => {
                    let pipelines = self.listed(&self.definitions_path("pipelines", name)).await?;
                    Some((property, stages(&pipelines)))
                }
                None => None,
            };
            let mut fields: BTreeMap<String, Field> = BTreeMap::new();
            for own in OWN {
                fields.extend(entity.fields.get(own).map(|field| (own.to_owned(), field.clone())));
            }
            for property in listed.iter().filter(|property| property["archived"] != true) {
                let property_name = text(&property["name"]);
                let mut field = field(property, entity.fields.get(&property_name));
                if let Some((stage, options)) = &stages
                    && *stage == property_name
                {
                    field.options.clone_from(options);
                }
                fields.insert(property_name, field);
            }
            entity.fields = fields;
        }
        Ok(lock)
    }

    async fn listed(&self, path: &str) -> Result<Vec<Json>, String> {
        let refused = |failure: Failure| match failure {
            Failure::Words { status: StatusCode::FORBIDDEN, json } => {
                format!("HubSpot does not allow it: {}", text(&json["message"]))
            }
            Failure::Words { status, json } => format!("HubSpot answers {status}: {}", text(&json["message"])),
            Failure::Same(Answer::Refused { reason, .. }) => reason,
            Failure::Same(Answer::Retry { cause, .. } | Answer::Unknown { cause }) => cause,
            Failure::Same(other) => format!("{other:?}"),
        };
        let json = self.call(Method::GET, path, None, false).await.map_err(refused)?;
        json["results"].as_array().cloned().ok_or_else(|| format!("HubSpot's answer to {path} has no results"))
    }
}

pub(super) fn stage_property(entity: &str) -> Option<&'static str> {
    match entity {
        "Deal" => Some("dealstage"),
        "Ticket" => Some("hs_pipeline_stage"),
        _ => None,
    }
}

/// Ids of the stages of all pipelines, in the order in which they are shown; archived ones still stand in records.
pub(super) fn stages(pipelines: &[Json]) -> Vec<String> {
    let mut found = Vec::new();
    for stage in pipelines.iter().flat_map(|pipeline| pipeline["stages"].as_array().into_iter().flatten()) {
        let id = text(&stage["id"]);
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

pub(super) fn field(property: &Json, known: Option<&Field>) -> Field {
    let options = property["options"].as_array().into_iter().flatten();
    let options: Vec<String> = options.map(|option| text(&option["value"])).collect();
    let several = property["fieldType"] == "checkbox" && property["type"] == "enumeration";
    let told = match property["type"].as_str().unwrap_or_default() {
        "number" => Type::Number,
        "bool" => Type::Flag,
        "date" => Type::Date,
        "datetime" => Type::Time,
        "enumeration" if several => Type::List(Box::new(Type::Enum)),
        "enumeration" if !options.is_empty() => Type::Enum,
        _ => Type::Text,
    };
    let ty = match known {
        // HubSpot has one kind of number, and stages whose options stand elsewhere.
        Some(known) if finer(&known.ty, &told) => known.ty.clone(),
        _ => told,
    };
    let enumerated = matches!(&ty, Type::Enum) || matches!(&ty, Type::List(of) if **of == Type::Enum);
    Field {
        options: match known {
            _ if !enumerated => Vec::new(),
            Some(known) if options.is_empty() => known.options.clone(),
            _ => options,
        },
        ty,
        // HubSpot asks for hardly anything; that a field is never empty is what a person knows.
        optional: known.is_none_or(|known| known.optional),
        unique: property["hasUniqueValue"] == true || known.is_some_and(|known| known.unique && !known.custom),
        read_only: property["modificationMetadata"]["readOnlyValue"] == true,
        custom: property["hubspotDefined"] != true,
        protect: known.is_some_and(|known| known.protect),
        form: known.and_then(|known| known.form),
        zone: known.and_then(|known| known.zone.clone()),
    }
}

/// The known type says more than what HubSpot tells, and does not disagree.
fn finer(known: &Type, told: &Type) -> bool {
    match told {
        Type::Number => matches!(known, Type::Integer | Type::Money | Type::Percent | Type::Number),
        Type::Text => matches!(known, Type::Text | Type::Enum | Type::Record),
        Type::Enum => *known == Type::Enum,
        _ => known == told,
    }
}
