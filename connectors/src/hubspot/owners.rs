//! Owners: the account's users, who are listed and never written (CONTRACT 3.7).
//!
//! Always true: a read of owners takes no more pages than `calls` said. Where the account has more, those who were not
//! found are asked for again, with twice as many pages. Owners who were deactivated are found by their id alone.

use std::sync::atomic::Ordering;

use dsl::value::Timestamp;
use http::Method;
use serde_json::Value as Json;

use super::failure::Failure;
use super::limits::BATCH;
use super::{HubSpot, answer};
use crate::http::{escape, text};
use crate::port::{Answer, Input, Observed, Wire};

impl HubSpot {
    /// One page of owners, of those who are active or of those who are `archived`, and the cursor of the next.
    pub(super) async fn owner_page(
        &self,
        archived: bool,
        after: Option<&str>,
    ) -> Result<(Vec<Observed>, Option<String>), Failure> {
        let mut path = format!("{}?limit={BATCH}", self.owners_path());
        if archived {
            path.push_str("&archived=true");
        }
        if let Some(after) = after {
            path.push_str(&format!("&after={}", escape(after)));
        }
        let json = self.call(Method::GET, &path, None, false).await?;
        let Some(results) = json["results"].as_array() else {
            let cause = "HubSpot's answer holds no results".to_owned();
            return Err(Failure::Same(Answer::Retry { after: None, cause }));
        };
        Ok((results.iter().map(owner).collect(), answer::next_page(&json)))
    }

    pub(super) async fn read_owners(&self, by: &str, inputs: &[Input]) -> Vec<Answer> {
        let budget = self.owner_pages.load(Ordering::Relaxed);
        let mut owners: Vec<Observed> = Vec::new();
        let held = |owner: &Observed| {
            if by == "id" { owner.id.clone() } else { owner.fields.get(by).map(text).unwrap_or_default() }
        };
        let found = |owners: &[Observed], input: &Input| {
            let wanted = input.id.as_deref().unwrap_or_default();
            owners.iter().find(|owner| held(owner).eq_ignore_ascii_case(wanted)).cloned()
        };
        let (mut archived, mut cursor, mut more) = (false, None::<String>, true);
        for _ in 0..budget {
            match self.owner_page(archived, cursor.as_deref()).await {
                Ok((page, next)) => {
                    owners.extend(page);
                    cursor = next;
                }
                Err(failure) => return answer::whole(&failure, inputs),
            }
            if cursor.is_none() {
                // Records keep the id of an owner who was deactivated; nobody is given to such a one any more, so by
                // address only those who are active count.
                more = by == "id" && !archived && inputs.iter().any(|input| found(&owners, input).is_none());
                archived = true;
                if !more {
                    break;
                }
            }
        }
        more = more && inputs.iter().any(|input| found(&owners, input).is_none());
        if more {
            self.owner_pages.store(budget.saturating_mul(2), Ordering::Relaxed);
        }
        inputs
            .iter()
            .map(|input| match found(&owners, input) {
                Some(owner) => Answer::Record(owner),
                None if more => {
                    let cause = "the account has more owners than were asked for".to_owned();
                    Answer::Retry { after: None, cause }
                }
                None => Answer::Missing,
            })
            .collect()
    }
}

fn owner(json: &Json) -> Observed {
    let scalar = |value: &&Wire| !value.is_object() && !value.is_array();
    let members = json.as_object().into_iter().flatten().filter(|(_, value)| scalar(value));
    Observed {
        id: text(&json["id"]),
        fields: members.filter(|(name, _)| *name != "id").map(|(n, v)| (n.clone(), v.clone())).collect(),
        changed_at: json["updatedAt"].as_str().and_then(Timestamp::parse),
        complete: true,
        ..Observed::default()
    }
}
