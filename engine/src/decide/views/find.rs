//! The pairs that a person means: by the number of one, by an id that a record has or had, by the value of a match key.
//!
//! In: what somebody typed. Out: pairs, by the indexes that the decisions keep. Always true: no more rows are read than
//! the answer needs, however many there are. Not here: pairs of syncs that the rules do not have any more.

use std::collections::BTreeSet;

use dsl::program::{Program, Side};
use dsl::schema::EntityName;
use dsl::value::Value;

use crate::decide::model::kept;
use crate::decide::model::key;
use crate::decide::model::record::Life;
use crate::ids::LinkId;
use crate::ledger::{Error, Rows};

/// Records that may share a value of a key; more are nobody's match.
const SHARE_A_VALUE: usize = 20;

/// The pairs of a record, in the order of their numbers; none where nothing is known of it.
///
/// # Errors
/// Where rows cannot be read.
pub fn links_about(rows: &dyn Rows, program: &Program, about: &str) -> Result<Vec<LinkId>, Error> {
    let mut found = BTreeSet::new();
    for sync in &program.syncs {
        for side in [Side::Left, Side::Right] {
            let entity = sync.entity(side);
            let mut ids = vec![about.to_owned()];
            for (left, right) in &sync.keys {
                let field = if side == Side::Left { left } else { right };
                let value = kept::normal(program, entity, field, &Value::Text(about.to_owned()));
                let (from, to) = key::indexed(entity, field, &value).range();
                for (place, bytes) in rows.scan(&from, &to, SHARE_A_VALUE)? {
                    ids.push(key::indexed(entity, field, &value).key(place).decode(&bytes)?);
                }
            }
            for id in ids {
                let living = living(rows, entity, &id)?;
                for id in [id, living] {
                    found.extend(key::link_of(&sync.name, side, &id).read(rows)?);
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The id under which a record lives, however often it was merged.
fn living(rows: &dyn Rows, entity: &EntityName, id: &str) -> Result<String, Error> {
    let mut seen = BTreeSet::new();
    let mut at = id.to_owned();
    while let Some(Life::Merged(into)) = key::record(entity, &at).read(rows)?.map(|row| row.life) {
        if !seen.insert(std::mem::replace(&mut at, into)) {
            break;
        }
    }
    Ok(at)
}
