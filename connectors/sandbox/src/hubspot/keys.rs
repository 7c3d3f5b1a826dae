//! What a record holds that no other record of its type may have (CONTRACT 3.3).
//!
//! Always true: an address counts wherever a contact holds it.

use super::definitions::{FURTHER_EMAILS, Known};
use super::record::Record;

/// A property and a value that no other live record may have.
pub(super) type Key = (String, String);

/// The keys of a record.
pub(super) fn keys(definitions: Option<&Known>, kind: &str, record: &Record) -> Vec<Key> {
    let unique = |name: &str| definitions.and_then(|all| all.get(name)).is_some_and(|definition| definition.unique);
    let held = record.properties.iter().filter(|(name, _)| unique(name));
    let further = record.properties.get(FURTHER_EMAILS).filter(|_| kind == "0-1");
    let further = further.into_iter().flat_map(|addresses| addresses.split(';'));
    held.map(|(name, value)| (name.clone(), value.clone()))
        .chain(further.map(|address| ("email".to_owned(), address.to_owned())))
        .collect()
}
