//! A pair of records line by line: what each side holds, and on what both agreed last.
//!
//! In: rows, the rules. Out: a line for each line of the sync. Always true: it is what the engine knows, and no system is
//! asked. Not here: what follows from it.

use dsl::program::{Direction, Expr, Mapping, MappingKind, Program, Side};
use serde::{Deserialize, Serialize};

use crate::decide::model::key;
use crate::decide::model::record::{FieldValue, RecordRow};
use crate::ids::LinkId;
use crate::ledger::{Error, Rows};

/// A line of a sync, for one pair of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairLine {
    /// The pair, `l12`.
    pub link: String,
    /// The line as it is written, `phone <-> phone`.
    pub line: String,
    /// Where it stands, `contacts.rules:14`.
    pub place: String,
    /// Which side it writes: `both`, `right` or `left`.
    pub writes: String,
    /// Fields and links of the left side that it reads or writes.
    pub left_names: Vec<String>,
    /// The same of the right side.
    pub right_names: Vec<String>,
    /// What the left side holds; nothing where that is not known, or calculated from several fields.
    pub left: Option<Held>,
    /// The same of the right side.
    pub right: Option<Held>,
    /// On what both sides agreed last, as the line compares them; nothing before they ever did.
    pub base: Option<String>,
    /// Why it waits for a person.
    pub parked: Option<String>,
}

/// What a side holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The field or the link.
    pub field: String,
    /// Its value, printed as in the history; the id of the record for a link.
    pub value: String,
    /// Since when, by the system's own time: that of the first observation which showed it. RFC 3339.
    pub since: String,
}

impl PairLine {
    /// Whether a person who names this field means the line: `plan` and `subscription.plan` are one.
    #[must_use]
    pub fn is_about(&self, field: &str) -> bool {
        let means = |name: &String| name == field || name.rsplit('.').next() == Some(field);
        self.left_names.iter().chain(&self.right_names).any(means)
    }
}

/// The lines of a pair; none where there is no such pair, or no such sync any more.
///
/// # Errors
/// Where rows cannot be read.
pub fn lines(rows: &dyn Rows, program: &Program, id: LinkId) -> Result<Vec<PairLine>, Error> {
    let Some(row) = key::link(id).read(rows)? else { return Ok(Vec::new()) };
    let Some(sync) = program.syncs.iter().find(|sync| sync.name == row.sync) else { return Ok(Vec::new()) };
    let record = |side: Side| match &row.ids[side] {
        Some(id) => key::record(sync.entity(side), id).read(rows),
        None => Ok(None),
    };
    let (left, right) = (record(Side::Left)?, record(Side::Right)?);
    let of = |side| if side == Side::Left { &left } else { &right };
    let held = |mapping: &Mapping, side: Side| held(of(side).as_ref()?, mapping, side);
    let line = |mapping: &Mapping| PairLine {
        link: id.to_string(),
        line: mapping.text.clone(),
        place: mapping.place.to_string(),
        writes: match mapping.direction {
            Direction::Both => "both",
            Direction::ToRight => "right",
            Direction::ToLeft => "left",
        }
        .to_owned(),
        left_names: names(mapping, Side::Left),
        right_names: names(mapping, Side::Right),
        left: held(mapping, Side::Left),
        right: held(mapping, Side::Right),
        base: row.base.get(&mapping.text).map(ToString::to_string),
        parked: row.parked.get(&mapping.text).cloned(),
    };
    Ok(sync.fields.iter().filter(|mapping| !mapping.implicit).map(line).collect())
}

/// The fields and links of a side that a line is about.
fn names(mapping: &Mapping, side: Side) -> Vec<String> {
    let is_left = side == Side::Left;
    match &mapping.kind {
        MappingKind::Field { left, right, .. } => vec![if is_left { left.clone() } else { right.clone() }],
        MappingKind::Link { left, right, .. } => {
            if is_left {
                left.clone()
            } else {
                right.clone()
            }
        }
        MappingKind::Computed { target, .. } if mapping.direction.writes(side) => vec![target.clone()],
        MappingKind::Computed { source, .. } => {
            let mut names: Vec<String> = Vec::new();
            source.visit(&mut |part| match part {
                Expr::Field { links, field, .. } => {
                    names.push(links.iter().chain([field]).map(String::as_str).collect::<Vec<_>>().join("."));
                }
                Expr::Reference { links, .. } | Expr::Record { links, .. } => names.extend(links.first().cloned()),
                _ => {}
            });
            names.sort();
            names.dedup();
            names
        }
    }
}

fn held(record: &RecordRow, mapping: &Mapping, side: Side) -> Option<Held> {
    let is_left = side == Side::Left;
    let field = match &mapping.kind {
        MappingKind::Field { left, .. } if is_left => left,
        MappingKind::Field { right, .. } => right,
        MappingKind::Computed { target, .. } if mapping.direction.writes(side) => target,
        MappingKind::Computed { source: Expr::Field { links, field, .. }, .. } if links.is_empty() => field,
        MappingKind::Computed { .. } => return None,
        MappingKind::Link { left, right, .. } => {
            let [link] = (if is_left { left } else { right }).as_slice() else { return None };
            let known = record.links.get(link)?;
            let value = known.id.clone().unwrap_or_else(|| dsl::value::Value::Empty.to_string());
            return Some(Held { field: link.clone(), value, since: known.changed.to_string() });
        }
    };
    let known = record.fields.get(field)?;
    let value = match &known.value {
        FieldValue::Is(value) => value.to_string(),
        FieldValue::Malformed(fault) => fault.to_string(),
    };
    Some(Held { field: field.clone(), value, since: known.changed.to_string() })
}
