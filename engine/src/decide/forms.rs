//! In which form decisions keep their rows, and how rows of an older form become those of this one.
//!
//! In: the rows of a state folder, and the rule set that was active last. Out: rounds that are to be appended before
//! anything is decided, a page of rows each, until none is left.
//! Always true: a folder says its form; a newer one is refused. A migration that is cut off goes on where it stopped.

mod first;

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

/// The round that brings the next page of rows to the form of this engine; `None` where all of them are in it.
/// `program` is the rule set that was active last: it says which lines of syncs hold links.
///
/// # Errors
/// [`Error::Newer`] where an engine after this one wrote them, and where rows cannot be read.
pub fn migration(rows: &dyn Rows, program: Option<&Program>) -> Result<Option<Round>, Error> {
    let row = key::form().read(rows)?;
    let from = match (&row, form(rows)?) {
        (Some(FormRow { form, .. }), _) if *form > FORM => {
            return Err(Error::Newer { found: *form, known: FORM });
        }
        (Some(FormRow { migrated_to: None, .. }), _) => return Ok(None),
        (Some(FormRow { migrated_to: Some(from), .. }), _) => from.clone(),
        (None, Some(_)) => vec![Kind::Meta as u8],
        // A new folder says its form with its first decision.
        (None, None) => return Ok(None),
    };
    let page = rows.scan(&from, &[Kind::Form as u8], PAGE)?;
    let whole = page.len() == PAGE;
    let next = page.last().filter(|_| whole).map(|(last, _)| crate::ledger::key::after(last));
    let mut changes = Vec::new();
    for (key, bytes) in page {
        if let Some(row) = first::migrated(&key, &bytes, program)? {
            changes.push((key, row));
        }
    }
    changes.push(written(next));
    Ok(Some(Round { changes, records: Vec::new() }))
}

fn written(migrated_to: Option<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key::form().into_bytes(), Some(FormRow { form: FORM, migrated_to }.encode()))
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
