//! What is taken as known before anything happens: records, and pairs on whose values both sides have agreed.
//!
//! In: observations and pairs. Out: rows as they would be had the engine known them for long.
//! Always true: nothing is decided from it; no merge is planned, no `when` fires.

use std::sync::Arc;

use connectors::port::Observed;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::links::sides;
use crate::decide::model::instance::Isolation;
use crate::decide::model::key;
use crate::decide::model::link::LinkState;
use crate::decide::model::outcome::Outcome;
use crate::decide::model::record::FieldValue;
use crate::decide::model::settings::{Programs, Settings};
use crate::decide::model::sides::Sides;
use crate::decide::records::observe::{How, observe};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::links::OpenLink;
use crate::decide::store::records;
use crate::decide::store::transaction::Context;
use crate::ledger::{Error, Rows};

/// A record and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its entity.
    pub entity: EntityName,
    /// All of it.
    pub observed: Observed,
    /// When that was so, where the system does not say.
    pub at: Timestamp,
}

/// Two known records that are the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Index of the sync in the active program.
    pub sync: usize,
    /// Id on the left.
    pub left: String,
    /// Id on the right.
    pub right: String,
}

/// Takes records as known and pairs as linked.
///
/// # Errors
/// Where rows cannot be read or understood; nothing has happened then.
pub fn seed(
    rows: &dyn Rows,
    programs: &Programs,
    settings: &Settings,
    known: &[Known],
    pairs: &[Pair],
    now: Timestamp,
) -> Result<Outcome, Error> {
    let isolation = Isolation::default();
    let mut cx = Context::new(rows, programs, settings, &isolation, now);
    for Known { entity, observed, at } in known {
        observe(&mut cx, entity, observed, How::Read, *at)?;
        let Some(mut row) = cx.record(entity, &observed.id)?.map(Arc::unwrap_or_clone) else { continue };
        // It was made, and had these values, long before any `when` looks.
        row.created = true;
        for (field, seen) in &row.fields {
            if let FieldValue::Is(value) = &seen.value {
                row.notified.insert(field.clone(), value.clone());
            }
        }
        cx.learn(entity, &observed.id, Arc::new(row));
    }
    let mut links = Vec::new();
    for Pair { sync, left, right } in pairs {
        let ids = Sides::new(Some(left.clone()), Some(right.clone()));
        let sync = ActiveSync::at(&cx, *sync);
        let link = OpenLink::begin(&mut cx, sync, ids, LinkState::Linked)?;
        links.push(link.id);
        link.save(&mut cx);
    }
    // A line that moves a link asks for the pair of the linked record, so all pairs must be there first.
    for id in links {
        let Some(mut link) = OpenLink::open(&cx, id)? else { continue };
        for (number, (field, _)) in link.sync.keys.clone().iter().enumerate() {
            let value = key_value(&cx, &link, field)?;
            if !value.is_empty() {
                let claim = key::claim(&link.sync.name, number, &value);
                cx.put(claim.clone(), &id);
                link.claims.insert(claim);
            }
        }
        link.base = sides::agreed(&cx, &link)?;
        link.save(&mut cx);
    }
    // What is on the agenda is not taken: nothing is decided from what was known before.
    Ok(cx.finish())
}

/// What the left record holds of a match key, in the domain in which keys are compared.
fn key_value(cx: &Context<'_>, link: &OpenLink, field: &str) -> Result<Value, Error> {
    let entity = &link.sync.left;
    let record = link.record(Side::Left);
    let row = cx.record(entity, &record)?;
    let value = match row.as_ref().and_then(|row| row.fields.get(field)).map(|seen| &seen.value) {
        Some(FieldValue::Is(value)) => value.clone(),
        Some(FieldValue::Malformed(_)) => Value::Empty,
        None if field == "id" => Value::Text(record.clone()),
        None => Value::Empty,
    };
    Ok(records::normal(&link.sync.program, entity, field, &value))
}
