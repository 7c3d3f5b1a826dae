//! Merges: two records become a third, and both old ids go on leading to it (CONTRACT 9.4).
//!
//! Always true: the values are those of the primary record, filled up from the other; no address is lost: the other
//! contact's address becomes an additional one; an old id leads to the record that lives, however often it is merged.

use dsl::value::Duration;
use serde_json::{Value as Json, json};

use super::definitions::FURTHER_EMAILS;
use super::record::{Record, Version, Wanted};
use super::reply::{Answer, Refusal, text};
use super::write::Write;
use super::{By, HubSpot};

/// Merges that one record can take part in.
const MERGES: usize = 250;

impl HubSpot {
    pub(super) fn merge_route(&mut self, kind: &str, body: &Json, write: Write) -> Answer {
        let ids = [text(&body["primaryObjectId"]), text(&body["objectIdToMerge"])];
        let found = ids.each_ref().map(|id| self.locate(kind, None, id));
        match found {
            [Some(primary), Some(other)] => match self.merge_records(kind, primary, other, write) {
                Ok(id) => (200, self.shown(kind, id, Wanted::All)),
                Err(refusal) => refusal.answer(),
            },
            [None, _] => Refusal::no_record(&ids[0]).answer(),
            [_, None] => Refusal::no_record(&ids[1]).answer(),
        }
    }

    pub(super) fn merge_records(&mut self, kind: &str, primary: u64, other: u64, write: Write) -> Result<u64, Refusal> {
        let invalid = |message: String| Refusal::new(400, "VALIDATION_ERROR", message);
        if !matches!(kind, "0-1" | "0-2" | "0-3" | "0-5") {
            return Err(invalid(format!("Objects of type {kind} cannot be merged")));
        }
        if primary == other {
            return Err(invalid(format!("Object {primary} cannot be merged with itself")));
        }
        let live = |id| self.table(kind).and_then(|table| table.get(id)).cloned();
        let (Some(main), Some(gone)) = (live(primary), live(other)) else {
            return Err(Refusal::no_record(&primary.to_string()));
        };
        let mut merged = vec![primary, other];
        merged.extend(main.merged.iter().chain(&gone.merged));
        if merged.len() > MERGES {
            return Err(Refusal::new(414, "", "The record has been merged too often".to_owned()));
        }
        // Taken before the third record is kept: unique values are free again only when nobody holds them.
        for old in [primary, other] {
            self.take(kind, old);
        }
        self.next_id += 1;
        let id = self.next_id;
        // Later than all versions of both: HubSpot stamps the survivor anew, so that who lists by change time meets it.
        let at = write.now.max(main.updated.max(gone.updated).plus(Duration(1)));
        let mut record = Record { id, updated: at, created: main.created.min(gone.created), merged, ..main };
        for (name, versions) in gone.history {
            let own = record.history.entry(name).or_default();
            own.extend(versions);
            own.sort_by_key(|version: &Version| version.at);
        }
        let mut moved = std::collections::BTreeMap::new();
        for (name, value) in &gone.properties {
            if !record.properties.contains_key(name) {
                moved.insert(name.clone(), value.clone());
            }
        }
        if kind == "0-1" {
            let own = record.properties.get("email").or_else(|| gone.properties.get("email")).cloned();
            let held =
                |of: &std::collections::BTreeMap<String, String>, name: &str| of.get(name).cloned().unwrap_or_default();
            let all = [
                held(&record.properties, FURTHER_EMAILS),
                held(&gone.properties, "email"),
                held(&gone.properties, FURTHER_EMAILS),
            ];
            let all = all.join(";");
            let mut further: Vec<&str> = Vec::new();
            for address in all.split(';').filter(|address| !address.is_empty() && Some(*address) != own.as_deref()) {
                if !further.contains(&address) {
                    further.push(address);
                }
            }
            let further = further.join(";");
            if further != held(&record.properties, FURTHER_EMAILS) {
                moved.insert(FURTHER_EMAILS.to_owned(), further);
            }
        }
        for (name, value) in &moved {
            record.set(name, value, By::Merge, at);
        }
        self.keep(kind, record, write.now);
        for old in [primary, other] {
            self.move_links(kind, old, id);
        }
        let members = json!({"objectId": primary, "primaryObjectId": primary, "mergedObjectIds": [other],
                             "newObjectId": id, "numberOfPropertiesMoved": moved.len()});
        self.report_merged(kind, id, members, &moved, at, write);
        Ok(id)
    }

    /// The id under which a record lives now.
    pub(super) fn living(&self, kind: &str, id: u64) -> u64 {
        self.table(kind).map_or(id, |table| table.living(id))
    }
}
