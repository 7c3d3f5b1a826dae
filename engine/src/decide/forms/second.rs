//! Rows of the second form, in which what is expected of a record stood in the record's own row.

use std::collections::BTreeMap;

use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::expectation::{Content, Expectation, ExpectationsRow, Planned, WriteOutcome};
use crate::decide::model::kind::Kind;
use crate::decide::model::packed::Packed;
use crate::decide::model::record::{FieldState, Life, LinkFieldState, RecordRow};
use crate::decide::model::row::Row;
use crate::ids::LinkId;
use crate::ledger::key::printable;
use crate::ledger::{Change, Error};

/// What is known of a record, and what is expected of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SecondRecord {
    pub(super) fields: BTreeMap<String, FieldState>,
    pub(super) links: BTreeMap<String, LinkFieldState>,
    pub(super) life: Life,
    pub(super) complete_at: Option<Timestamp>,
    pub(super) latest: Timestamp,
    pub(super) heard: Timestamp,
    pub(super) created: bool,
    pub(super) notified: BTreeMap<String, Value>,
    pub(super) expectations: BTreeMap<String, Vec<SecondExpectation>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SecondExpectation {
    pub(super) link: Option<LinkId>,
    pub(super) mapping: String,
    pub(super) value: Value,
    pub(super) canonical: Canonical,
    pub(super) restore: bool,
    pub(super) known: Planned,
    pub(super) sent: Timestamp,
    pub(super) outcome: WriteOutcome,
    pub(super) covered: Option<Timestamp>,
}

/// The rows in place of that of a record.
pub(super) fn migrated(key: &[u8], bytes: &[u8]) -> Result<Vec<Change>, Error> {
    let unreadable = |error: postcard::Error| Error::Row { key: printable(key), reason: error.to_string() };
    let old: SecondRecord = postcard::from_bytes(bytes).map_err(unreadable)?;
    let record = RecordRow {
        fields: old.fields,
        links: old.links,
        life: old.life,
        complete_at: old.complete_at,
        latest: old.latest,
        heard: old.heard,
        created: old.created,
        notified: old.notified,
    };
    let mut rows = vec![(key.to_vec(), Some(record.encode()))];
    let expectations = old.expectations.into_iter().filter(|(_, list)| !list.is_empty());
    let expected = ExpectationsRow(
        expectations
            .map(|(field, list)| (field, list.into_iter().map(SecondExpectation::migrated).collect()))
            .collect(),
    );
    if !expected.0.is_empty() {
        // Both stand under the same name.
        let mut beside = key.to_vec();
        beside[0] = Kind::Expectations as u8;
        rows.push((beside, Some(expected.encode())));
    }
    Ok(rows)
}

impl SecondExpectation {
    fn migrated(self) -> Expectation {
        let Self { link, mapping, value, canonical, restore, known, sent, outcome, covered } = self;
        let content = Packed::pack(&Content { mapping, value, canonical, restore, known });
        Expectation { link, sent, outcome, covered, content }
    }
}

#[cfg(test)]
mod tests {
    use dsl::schema::EntityName;

    use super::*;
    use crate::decide::model::key;

    #[test]
    fn what_is_expected_of_a_record_moves_into_a_row_beside_it() {
        let known = Planned { at: Some(Timestamp(3)), value: Value::text("100"), base: None };
        let sent = SecondExpectation {
            link: Some(LinkId(4)),
            mapping: "phone <-> phone".to_owned(),
            value: Value::text("111"),
            canonical: Canonical::Value(Value::text("111")),
            restore: true,
            known: known.clone(),
            sent: Timestamp(5),
            outcome: WriteOutcome::InDoubt,
            covered: Some(Timestamp(2)),
        };
        let old = SecondRecord {
            fields: BTreeMap::new(),
            links: BTreeMap::new(),
            life: Life::Merged("7".to_owned()),
            complete_at: Some(Timestamp(1)),
            latest: Timestamp(8),
            heard: Timestamp(9),
            created: true,
            notified: BTreeMap::from([("stage".to_owned(), Value::text("won"))]),
            expectations: BTreeMap::from([("phone".to_owned(), vec![sent]), ("name".to_owned(), Vec::new())]),
        };
        let entity = EntityName::new("crm", "Contact");
        let rows = migrated(key::record(&entity, "6").as_bytes(), &old.encode()).expect("readable");
        let bytes = |key: Vec<u8>| rows.iter().find(|(found, _)| *found == key).and_then(|(_, row)| row.clone());
        assert_eq!(rows.len(), 2);

        let record = bytes(key::record(&entity, "6").into_bytes()).expect("it stays");
        let record = RecordRow::decode(&record).expect("readable");
        let Life::Merged(into) = &record.life else { panic!("{record:?}") };
        assert_eq!((into.as_str(), record.latest, record.heard), ("7", Timestamp(8), Timestamp(9)));
        assert_eq!((record.created, record.complete_at), (true, Some(Timestamp(1))));
        assert_eq!(record.notified["stage"], Value::text("won"));

        let expected = bytes(key::expectations(&entity, "6").into_bytes()).expect("it is made");
        let ExpectationsRow(fields) = ExpectationsRow::decode(&expected).expect("readable");
        let [phone] = &fields["phone"][..] else { panic!("{fields:?}") };
        assert_eq!(fields.len(), 1);
        assert_eq!((phone.link, phone.sent), (Some(LinkId(4)), Timestamp(5)));
        assert_eq!((phone.outcome, phone.covered), (WriteOutcome::InDoubt, Some(Timestamp(2))));
        let content = phone.content.unpack().expect("readable");
        assert_eq!((content.mapping.as_str(), content.value), ("phone <-> phone", Value::text("111")));
        assert_eq!((content.canonical, content.restore), (Canonical::Value(Value::text("111")), true));
        assert_eq!(content.known, known);
    }

    #[test]
    fn a_record_of_which_nothing_is_expected_has_no_row_beside_it() {
        let old = SecondRecord {
            fields: BTreeMap::new(),
            links: BTreeMap::new(),
            life: Life::Live,
            complete_at: None,
            latest: Timestamp(8),
            heard: Timestamp(9),
            created: false,
            notified: BTreeMap::new(),
            expectations: BTreeMap::new(),
        };
        let key = key::record(&EntityName::new("crm", "Contact"), "6");
        assert_eq!(migrated(key.as_bytes(), &old.encode()).expect("readable").len(), 1);
    }
}
