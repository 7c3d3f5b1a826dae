//! In which form decisions keep their rows, and how rows of an older form become those of this one.
//!
//! In: the rows of a state folder, and the rule set that was active last. Out: rounds that are to be appended before
//! anything is decided, a page of rows each, until none is left.
//! Always true: a folder says its form; a newer one is refused. Rows go from each form to the next one, and a migration
//! that is cut off goes on where it stopped.

mod first;
mod second;

use dsl::program::Program;

use crate::decide::model::key;
use crate::decide::model::kind::Kind;
pub use crate::decide::model::meta::FORM;
use crate::decide::model::meta::FormRow;
use crate::decide::model::row::Row;
use crate::ledger::{Error, Round, Rows};

/// Rows that are migrated in one round.
const PAGE: usize = 500;

/// The form of the rows; `None` where there are none yet.
///
/// # Errors
/// Where rows cannot be read.
pub fn form(rows: &dyn Rows) -> Result<Option<u32>, Error> {
    match key::form().read(rows)? {
        Some(FormRow { form, migrated_to: None }) => Ok(Some(form)),
        // Not all of it is there yet.
        Some(FormRow { form, migrated_to: Some(_) }) => Ok(Some(form - 1)),
        // The first form did not say so.
        None => Ok(key::meta().read(rows)?.map(|_| 1)),
    }
}

/// The round that brings the next page of rows to the next form; `None` where all of them are in that of this engine.
/// `program` is the rule set that was active last: it says which lines of syncs hold links.
///
/// # Errors
/// [`Error::Newer`] where an engine after this one wrote them, and where rows cannot be read.
pub fn migration(rows: &dyn Rows, program: Option<&Program>) -> Result<Option<Round>, Error> {
    let (to, cut_off) = match key::form().read(rows)? {
        Some(FormRow { form, .. }) if form > FORM => return Err(Error::Newer { found: form, known: FORM }),
        Some(FormRow { form, migrated_to: Some(from) }) => (form, Some(from)),
        Some(FormRow { form: FORM, migrated_to: None }) => return Ok(None),
        Some(FormRow { form, migrated_to: None }) => (form + 1, None),
        // A new folder says its form with its first decision.
        None => match form(rows)? {
            Some(form) => (form + 1, None),
            None => return Ok(None),
        },
    };
    let (first, behind) = match to {
        2 => (Kind::Meta, Kind::Form),
        _ => (Kind::Record, Kind::Index),
    };
    let page = rows.scan(&cut_off.unwrap_or_else(|| vec![first as u8]), &[behind as u8], PAGE)?;
    let whole = page.len() == PAGE;
    let next = page.last().filter(|_| whole).map(|(last, _)| crate::ledger::key::after(last));
    let mut changes = Vec::new();
    for (key, bytes) in page {
        match to {
            2 => changes.extend(first::migrated(&key, &bytes, program)?.map(|row| (key, row))),
            _ => changes.extend(second::migrated(&key, &bytes)?),
        }
    }
    changes.push((key::form().into_bytes(), Some(FormRow { form: to, migrated_to: next }.encode())));
    Ok(Some(Round { changes, records: Vec::new() }))
}

#[cfg(test)]
pub(crate) mod testing {
    //! For tests of whoever applies migrations.

    use dsl::schema::EntityName;

    use super::*;

    /// The change that says that all rows are of this form.
    pub(crate) fn of_form(form: u32) -> (Vec<u8>, Option<Vec<u8>>) {
        (key::form().into_bytes(), Some(FormRow { form, migrated_to: None }.encode()))
    }

    /// The key of a record's row.
    pub(crate) fn record_key(entity: &EntityName, id: &str) -> Vec<u8> {
        key::record(entity, id).into_bytes()
    }
}
