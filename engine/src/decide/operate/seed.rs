//! What is taken as known before anything happens: records, and pairs on whose values both sides have agreed.
//!
//! In: observations and pairs. Out: rows as they would be had the engine known them for long.
//! Always true: nothing is decided from it; no merge is planned, no `when` fires.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::port::Observed;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::links::sides;
use crate::decide::model::instance::Isolation;
use crate::decide::model::key;
use crate::decide::model::link::{LinkRow, LinkState};
use crate::decide::model::outcome::Outcome;
use crate::decide::model::record::FieldValue;
use crate::decide::model::settings::{Programs, Settings};
use crate::decide::records::observe::{How, observe};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ids::LinkId;
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
        let rule = ActiveSync { program: cx.program(), index: *sync };
        let id = LinkId(cx.next()?);
        let link = LinkRow {
            sync: rule.name.clone(),
            left: Some(left.clone()),
            right: Some(right.clone()),
            state: LinkState::Linked,
            base: BTreeMap::new(),
            parked: BTreeMap::new(),
            unstable: BTreeMap::new(),
            in_flight: [None, None],
            queued: [None, None],
            claims: BTreeSet::new(),
            bulk: false,
            since: now,
            attempts: 0,
            not_before: None,
            send_alone: false,
            restores: BTreeMap::new(),
            creates: 0,
        };
        for (side, record) in [(Side::Left, left), (Side::Right, right)] {
            cx.put(key::link_of(&rule.name, side, record), &id);
        }
        links::store(&mut cx, id, &link);
        links.push((id, link, rule));
    }
    // A line that moves a link asks for the pair of the linked record, so all pairs must be there first.
    for (id, mut link, rule) in links {
        for (number, (left, _)) in rule.keys.iter().enumerate() {
            let record = link.left.clone().unwrap_or_default();
            let value = match cx.record(&rule.left, &record)?.and_then(|row| row.fields.get(left).cloned()) {
                Some(seen) => match seen.value {
                    FieldValue::Is(value) => value,
                    FieldValue::Malformed(..) => Value::Empty,
                },
                None if left == "id" => Value::Text(record),
                None => Value::Empty,
            };
            let value = records::normal(&rule.program, &rule.left, left, &value);
            if !value.is_empty() {
                let claim = key::claim(&rule.name, number, &value);
                cx.put(claim.clone(), &id);
                link.claims.insert(claim);
            }
        }
        link.base = sides::agreed(&cx, &link, &rule)?;
        links::store(&mut cx, id, &link);
    }
    // What is on the agenda is not taken: nothing is decided from what was known before.
    Ok(cx.finish())
}
