//! Records as rows, and the indexes that hang on them: values of keys, who links to whom, what is known to be absent.

use std::collections::BTreeSet;
use std::sync::Arc;

use dsl::program::{Program, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

pub(crate) use crate::decide::model::kept::{kept_by_both, normal};
use crate::decide::model::key;
use crate::decide::model::record::{FieldValue, Life, RecordRow};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

impl Context<'_> {
    /// Ids of records that hold a value in an indexed field.
    pub(crate) fn indexed(&self, entity: &EntityName, field: &str, value: &Value) -> Result<Vec<String>, Error> {
        if field == "id" {
            let id = value.to_string();
            return Ok(match self.record(entity, &id)? {
                Some(row) if matches!(row.life, Life::Live) => vec![id],
                _ => Vec::new(),
            });
        }
        let found = self.scan(&key::indexed(entity, field, value), 3)?;
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// When a point read last found no record with this value, unless one has been seen since.
    pub(crate) fn absent(&self, entity: &EntityName, field: &str, value: &str) -> Result<Option<Timestamp>, Error> {
        self.get(&key::absent(entity, field, value))
    }
}

/// Fields whose values are indexed: unique ones, and the match keys of syncs.
pub(crate) fn is_indexed(program: &Program, entity: &EntityName, field: &str) -> bool {
    program.field(entity, field).is_some_and(|f| f.unique)
        || program.syncs.iter().any(|sync| {
            sync.keys.iter().any(|(l, r)| (sync.left == *entity && l == field) || (sync.right == *entity && r == field))
        })
}

/// Links that hold a record.
pub(crate) fn links_of(cx: &Context<'_>, entity: &EntityName, id: &str) -> Result<BTreeSet<crate::ids::LinkId>, Error> {
    let program = cx.program();
    let mut found = BTreeSet::new();
    for (index, side) in program.syncs_of(entity) {
        if let Some(link) = cx.get(&key::link_of(&program.syncs[index].name, side, id))? {
            found.insert(link);
        }
    }
    Ok(found)
}

/// Records that link to a record, or once did.
pub(crate) fn linking(cx: &Context<'_>, entity: &EntityName, id: &str) -> Result<Vec<(EntityName, String)>, Error> {
    Ok(cx.scan(&key::backlinks(entity, id), usize::MAX)?.into_iter().map(|(_, from)| from).collect())
}

/// Links of the records that link to a record, or once did.
pub(crate) fn links_to(cx: &Context<'_>, entity: &EntityName, id: &str) -> Result<BTreeSet<crate::ids::LinkId>, Error> {
    let mut found = BTreeSet::new();
    for (from, source) in linking(cx, entity, id)? {
        found.extend(links_of(cx, &from, &source)?);
    }
    Ok(found)
}

/// The side of a sync that an entity stands on.
pub(crate) fn side_of(sync: &dsl::program::Sync, entity: &EntityName) -> Option<Side> {
    if sync.left == *entity {
        Some(Side::Left)
    } else if sync.right == *entity {
        Some(Side::Right)
    } else {
        None
    }
}

/// What a record links to by these fields is not known any more, until it is read.
pub(crate) fn forget_links(cx: &mut Context<'_>, entity: &EntityName, id: &str, fields: &[&str]) -> Result<(), Error> {
    let Some(mut known) = cx.record(entity, id)? else { return Ok(()) };
    let row = Arc::make_mut(&mut known);
    for field in fields {
        row.links.remove(*field);
    }
    row.complete_at = None;
    cx.learn(entity, id, known);
    Ok(())
}

pub(crate) fn forget_absence(cx: &mut Context<'_>, entity: &EntityName, field: &str, value: &str) {
    cx.delete(key::absent(entity, field, value));
}

pub(crate) fn reindex(
    cx: &mut Context<'_>,
    program: &Program,
    entity: &EntityName,
    id: &str,
    field: &str,
    old: Option<&FieldValue>,
    new: &FieldValue,
) {
    if !is_indexed(program, entity, field) {
        return;
    }
    let key = |value: &Value| key::index(entity, field, value, id);
    let normal = |value: &Value| normal(program, entity, field, value);
    if let Some(FieldValue::Is(old)) = old
        && !old.is_empty()
    {
        cx.delete(key(&normal(old)));
    }
    if let FieldValue::Is(new) = new
        && !new.is_empty()
    {
        let new = normal(new);
        cx.put(key(&new), &id.to_owned());
        forget_absence(cx, entity, field, &new.to_string());
    }
}

/// A record that was gone can be found by its keys again.
pub(crate) fn index(cx: &mut Context<'_>, entity: &EntityName, id: &str, row: &RecordRow) {
    let program = cx.program();
    for (field, seen) in &row.fields {
        reindex(cx, &program, entity, id, field, None, &seen.value);
    }
}

pub(crate) fn unindex(cx: &mut Context<'_>, entity: &EntityName, id: &str, row: &RecordRow) {
    let program = cx.program();
    for (field, seen) in &row.fields {
        reindex(cx, &program, entity, id, field, Some(&seen.value), &FieldValue::Is(Value::Empty));
    }
}
