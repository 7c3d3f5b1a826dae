//! Links between records (CONTRACT section 8): read in batches, made with a record, changed by batches of pairs.
//!
//! A link of the lock is one record: the primary one where HubSpot knows a primary, otherwise the one linked first.
//! Its `remote` is the association type that is written. Where the lock has several links from one entity to another,
//! they are told apart by that type; where it has one, any association counts, since labels come in many types.
//! Always true: a link that cannot be written is refused, never left out; links to one entity are read by one call.

use std::collections::{BTreeMap, BTreeSet};

use dsl::schema::{Entity, Link};
use http::Method;
use serde_json::{Value as Json, json};

use super::failure::Failure;
use super::{HubSpot, answer, refuse};
use crate::http::text;
use crate::planted::{Mutant, planted};
use crate::port::{Answer, Input, LinkChange, Observed, Refusal};

/// Association types that mark a primary company, from either end.
const PRIMARY: [i64; 6] = [1, 2, 5, 6, 25, 26];

/// How HubSpot says that a record has no links of a kind, which is no error to us.
const NONE_FOUND: &str = "NO_ASSOCIATIONS_FOUND";

impl HubSpot {
    /// Reads links of records into them. Gives what is in the way of single records, by id.
    pub(super) async fn read_links(
        &self,
        entity: &str,
        links: &[String],
        records: &mut BTreeMap<String, Observed>,
    ) -> Result<BTreeMap<String, Answer>, Failure> {
        let mut failed = BTreeMap::new();
        let Some(known) = self.entity(entity) else { return Ok(failed) };
        let mut targets: BTreeMap<&str, Vec<(&str, &Link)>> = BTreeMap::new();
        for name in links {
            if let Some(link) = known.links.get(name) {
                targets.entry(&link.to).or_default().push((name, link));
            }
        }
        if records.is_empty() {
            return Ok(failed);
        }
        for (to, links) in targets {
            let ids: Vec<Json> = records.keys().map(|id| json!({"id": id})).collect();
            let path = self.associations_path(entity, to, "read");
            let json = self.call(Method::POST, &path, Some(&json!({"inputs": ids})), false).await?;
            let Some(results) = json["results"].as_array() else {
                let cause = "HubSpot's answer holds no results".to_owned();
                return Err(Failure::Same(Answer::Retry { after: None, cause }));
            };
            let linked: BTreeMap<String, &Json> =
                results.iter().map(|result| (text(&result["from"]["id"]), &result["to"])).collect();
            for (name, link) in links {
                for (id, record) in records.iter_mut() {
                    let target = linked.get(id).and_then(|to| choose(to, told_apart(known, link)));
                    record.links.insert(name.to_owned(), target);
                }
            }
            for error in json["errors"].as_array().into_iter().flatten() {
                if text(&error["subCategory"]).ends_with(NONE_FOUND) || planted(Mutant::AssociationErrorIsNone) {
                    continue;
                }
                let cause = format!("its links cannot be read: {}", text(&error["message"]));
                let named = mentioned(error);
                let mut about: Vec<&String> = records.keys().filter(|id| named.contains(*id)).collect();
                if about.is_empty() {
                    // It may be about any record that has no result: those are not known to be without links.
                    about = records.keys().filter(|id| !linked.contains_key(*id)).collect();
                }
                for id in about {
                    failed.insert(id.clone(), Answer::Retry { after: None, cause: cause.clone() });
                }
            }
        }
        Ok(failed)
    }

    /// The `associations` of a new record.
    pub(super) fn new_associations(
        &self,
        entity: &Entity,
        links: &BTreeMap<String, LinkChange>,
    ) -> Result<Vec<Json>, Answer> {
        let made = links.iter().filter_map(|(name, change)| Some((name, change.add.as_ref()?)));
        made.map(|(name, to)| {
            let ty = kind(entity, name)?;
            Ok(json!({"to": {"id": to}, "types": [types(ty)]}))
        })
        .collect()
    }

    /// Removes and makes links of the inputs that have not failed yet; an answer that is put here says what failed.
    /// Links are changed one kind after the other, so an input whose fields or other links were changed before is in
    /// doubt where a later change did not happen: it is read back, and only the rest is sent again.
    pub(super) async fn change_links(
        &self,
        entity: &str,
        known: &Entity,
        inputs: &[Input],
        answers: &mut [Option<Answer>],
    ) {
        let mut touched: Vec<bool> = answers.iter().map(|answer| matches!(answer, Some(Answer::Record(_)))).collect();
        let names: BTreeSet<&String> = inputs.iter().flat_map(|input| input.links.keys()).collect();
        for name in names {
            let link = known.links.get(name);
            let ty = kind(known, name);
            // Removed first: while both stood there, the one that was linked first would be read as the link.
            for adds in [false, true] {
                let side = |change: &LinkChange| if adds { change.add.clone() } else { change.remove.clone() };
                let mut pairs: Vec<Pair> = Vec::new();
                for (index, input) in inputs.iter().enumerate() {
                    if !matches!(answers[index], None | Some(Answer::Record(_))) {
                        continue;
                    }
                    let Some(to) = input.links.get(name).and_then(side) else { continue };
                    pairs.push(Pair { index, from: input.id.clone().unwrap_or_default(), to });
                }
                if pairs.is_empty() {
                    continue;
                }
                let (link, ty) = match (link, &ty) {
                    (Some(link), Ok(ty)) => (link, *ty),
                    (_, Err(refused)) => {
                        pairs.iter().for_each(|pair| answers[pair.index] = Some(refused.clone()));
                        continue;
                    }
                    (None, Ok(_)) => continue,
                };
                // Between two kinds of records there may be several links; archiving without a type would take all of them.
                let apart = told_apart(known, link).is_some();
                let (tail, bodies): (&str, Vec<Json>) = match (adds, apart) {
                    (true, _) => ("create", pairs.iter().map(|pair| pair.typed(ty)).collect()),
                    (false, true) => ("labels/archive", pairs.iter().map(|pair| pair.typed(ty)).collect()),
                    (false, false) => ("archive", pairs.iter().map(Pair::untyped).collect()),
                };
                let path = self.associations_path(entity, &link.to, tail);
                let outcome = self.call(Method::POST, &path, Some(&json!({"inputs": bodies})), true).await;
                for (pair, failed) in pairs.iter().zip(outcomes(&outcome, &pairs, name, adds)) {
                    match failed {
                        Some(answer) => answers[pair.index] = Some(in_part(answer, touched[pair.index])),
                        None => touched[pair.index] = true,
                    }
                }
            }
        }
    }
}

/// One change of one link.
struct Pair {
    index: usize,
    from: String,
    to: String,
}

impl Pair {
    fn typed(&self, ty: i64) -> Json {
        json!({"from": {"id": self.from}, "to": {"id": self.to}, "types": [types(ty)]})
    }

    fn untyped(&self) -> Json {
        json!({"from": {"id": self.from}, "to": [{"id": self.to}]})
    }
}

fn types(ty: i64) -> Json {
    json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ty})
}

fn kind(entity: &Entity, name: &str) -> Result<i64, Answer> {
    let Some(link) = entity.links.get(name) else { return Err(refuse(format!("the lock has no link `{name}`"))) };
    link.remote.ok_or_else(|| refuse(format!("the lock has no association type for the link `{name}`")))
}

/// The type that tells a link from others to the same entity; `None` where there are no others.
fn told_apart(entity: &Entity, link: &Link) -> Option<i64> {
    let others = entity.links.values().filter(|other| other.to == link.to).count();
    link.remote.filter(|_| others > 1)
}

/// The one record that a link stands for.
fn choose(to: &Json, only: Option<i64>) -> Option<String> {
    let kinds = |target: &Json| target["associationTypes"].as_array().cloned().unwrap_or_default();
    let counts = |target: &&Json| only.is_none_or(|ty| kinds(target).iter().any(|kind| kind["typeId"] == ty));
    let targets: Vec<&Json> = to.as_array()?.iter().filter(counts).collect();
    let primary = |target: &&&Json| {
        kinds(target).iter().any(|kind| {
            kind["label"].as_str().is_some_and(|label| label.eq_ignore_ascii_case("primary"))
                || (kind["category"] == "HUBSPOT_DEFINED"
                    && kind["typeId"].as_i64().is_some_and(|ty| PRIMARY.contains(&ty)))
        })
    };
    let chosen = targets.iter().find(primary).or(targets.first())?;
    Some(text(&chosen["toObjectId"])).filter(|id| !id.is_empty())
}

/// Every id that an error's context holds, whatever it is called there.
fn mentioned(error: &Json) -> BTreeSet<String> {
    let members = error["context"].as_object().into_iter().flatten();
    members
        .flat_map(|(_, value)| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]))
        .map(|v| text(&v))
        .collect()
}

/// What failed, pair by pair; `None` where it was done. `adds`: links were made, not removed.
fn outcomes(outcome: &Result<Json, Failure>, pairs: &[Pair], link: &str, adds: bool) -> Vec<Option<Answer>> {
    let refused = |error: &Json| Answer::Refused {
        reason: format!("the link `{link}`: {}", text(&error["message"])),
        refusal: Refusal::Invalid(Some(link.to_owned())),
    };
    let json = match outcome {
        Ok(json) => json,
        Err(Failure::Same(answer)) => return vec![Some(answer.clone()); pairs.len()],
        Err(Failure::Words { json, .. }) if pairs.len() == 1 => return vec![Some(refused(json))],
        Err(failure) => {
            let stand_in = |pair: &Pair| Input { id: Some(pair.from.clone()), ..Input::default() };
            let inputs: Vec<Input> = pairs.iter().map(stand_in).collect();
            return answer::whole(failure, &inputs).into_iter().map(Some).collect();
        }
    };
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    let ids: Vec<BTreeSet<String>> = errors.iter().map(mentioned).collect();
    let results = json["results"].as_array().cloned().unwrap_or_default();
    let id = |result: &Json, flat: &str, nested: &str| match text(&result[flat]) {
        id if id.is_empty() => text(&result[nested]["id"]),
        id => id,
    };
    let ends = |result: &Json| (id(result, "fromObjectId", "from"), id(result, "toObjectId", "to"));
    let done: BTreeSet<(String, String)> = results.iter().map(ends).collect();
    pairs
        .iter()
        .map(|pair| {
            if done.contains(&(pair.from.clone(), pair.to.clone())) {
                return None;
            }
            let names = |ids: &BTreeSet<String>| ids.contains(&pair.from) || ids.contains(&pair.to);
            if let Some(at) = ids.iter().position(names) {
                return Some(refused(&errors[at]));
            }
            // A call that removes answers with a plain success, without a word of any pair, and speaks of all; one that
            // makes names what it made (CONTRACT section 8).
            let silent =
                !adds && done.is_empty() && errors.is_empty() && (json.is_null() || json["results"].is_array());
            let cause = format!("HubSpot's answer does not mention the link `{link}`");
            (!silent).then_some(Answer::Unknown { cause })
        })
        .collect()
}

/// What failed of an input of which something else was done before.
fn in_part(answer: Answer, touched: bool) -> Answer {
    match answer {
        Answer::Retry { cause, .. } if touched => Answer::Unknown { cause: format!("done in part: {cause}") },
        Answer::Split | Answer::Suspect if touched => {
            Answer::Unknown { cause: "done in part: a link was refused".to_owned() }
        }
        // Stays what it is, because the gate must hear of it; the whole change can be sent again to the same end.
        other => other,
    }
}
