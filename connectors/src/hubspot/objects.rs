//! Records: read, create, update, archive and list (CONTRACT section 3, and 4 for what changed since a time).
//!
//! Always true: an id stands once in a request, because HubSpot refuses a batch in which it stands twice. A single
//! record is read by itself, since that answers under an old id of a merged record too, which batches do not promise.

use std::collections::BTreeMap;

use dsl::schema::Entity;
use dsl::value::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::failure::Failure;
use super::limits::{BATCH, is_owner};
use super::values::{modified_property, observed, properties};
use super::{HubSpot, answer, refuse};
use crate::http::{escape, segment, text};
use crate::port::{Answer, Input, Observed};

/// The property with a record's id, a number.
const ID: &str = "hs_object_id";
/// Old ids of a merged record, `;`-separated.
const MERGED: &str = "hs_merged_object_ids";
/// Further addresses of a contact, `;`-separated; each is as unique as `email`.
const FURTHER_EMAILS: &str = "hs_additional_emails";

impl HubSpot {
    pub(super) async fn read_records(
        &self,
        entity: &str,
        by: &str,
        fields: &[String],
        links: &[String],
        inputs: &[Input],
    ) -> Vec<Answer> {
        let mut ids: Vec<&str> = inputs.iter().filter_map(|input| input.id.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut wanted: Vec<&str> = fields.iter().map(String::as_str).collect();
        // What tells which input a record answers.
        wanted.extend(match by {
            "id" => [MERGED].as_slice(),
            "email" => &["email", FURTHER_EMAILS],
            _ => &[],
        });
        if by != "id" {
            wanted.push(by);
        }
        wanted.sort_unstable();
        wanted.dedup();
        // A single one by itself, see above.
        let found = match ids.as_slice() {
            [id] => self.read_one(entity, by, &wanted, id).await,
            ids => self.read_batch(entity, by, &wanted, ids).await,
        };
        let (records, missing) = match found {
            Ok(found) => found,
            Err(failure) => return answer::whole(&failure, inputs),
        };

        let mut seen: BTreeMap<String, Observed> = BTreeMap::new();
        let mut by_key: BTreeMap<String, String> = BTreeMap::new();
        for record in &records {
            let observed = Observed { complete: true, ..observed(record, Some(fields)) };
            for key in own_keys(record, by, &ids) {
                by_key.insert(key, observed.id.clone());
            }
            seen.insert(observed.id.clone(), observed);
        }
        for record in &records {
            for key in further_keys(record, by) {
                by_key.entry(key).or_insert_with(|| text(&record["id"]));
            }
        }
        let in_the_way: BTreeMap<String, Answer> = match self.read_links(entity, links, &mut seen).await {
            Ok(failed) => failed,
            // Records without their links are half an answer.
            Err(failure) => {
                let answer = answer::alone(&failure);
                seen.keys().map(|id| (id.clone(), answer.clone())).collect()
            }
        };
        inputs
            .iter()
            .map(|input| {
                let asked = input.id.as_deref().unwrap_or_default();
                let id = by_key.get(asked).or_else(|| by_key.get(&asked.to_lowercase()).filter(|_| by != "id"));
                if let Some(id) = id {
                    let record = || Answer::Record(seen[id].clone());
                    return in_the_way.get(id).cloned().unwrap_or_else(record);
                }
                let is_missing = |name: &String| name == asked || (by != "id" && name.eq_ignore_ascii_case(asked));
                if missing.iter().any(is_missing) {
                    return Answer::Missing;
                }
                Answer::Unknown { cause: "HubSpot's answer does not mention it".to_owned() }
            })
            .collect()
    }

    /// The record with an id or unique value, or the id as missing.
    async fn read_one(&self, entity: &str, by: &str, wanted: &[&str], id: &str) -> Result<Found, Failure> {
        // Such an id is nobody's, and it would change the path.
        let Some(segment) = segment(id) else { return Ok((Vec::new(), vec![id.to_owned()])) };
        let mut path = format!("{}/{segment}?properties={}", self.objects_path(entity), escape(&wanted.join(",")));
        if by != "id" {
            path.push_str(&format!("&idProperty={}", escape(by)));
        }
        match self.call(Method::GET, &path, None, false).await {
            Ok(record) if record["id"].is_string() || record["id"].is_number() => Ok((vec![record], Vec::new())),
            Ok(_) => Ok((Vec::new(), Vec::new())),
            // A 404 of the object API is JSON; any other one says that the path is wrong, not that the record is gone.
            Err(Failure::Words { status: StatusCode::NOT_FOUND, json }) if json["status"] == "error" => {
                Ok((Vec::new(), vec![id.to_owned()]))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn read_batch(&self, entity: &str, by: &str, wanted: &[&str], ids: &[&str]) -> Result<Found, Failure> {
        let inputs: Vec<Json> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut body = json!({"properties": wanted, "propertiesWithHistory": [], "inputs": inputs});
        if by != "id" {
            body["idProperty"] = by.into();
        }
        let path = format!("{}/batch/read", self.objects_path(entity));
        let json = self.call(Method::POST, &path, Some(&body), false).await?;
        let records = json["results"].as_array().cloned().unwrap_or_default();
        let errors = json["errors"].as_array().into_iter().flatten();
        let absent = errors.filter(|error| error["category"] == "OBJECT_NOT_FOUND");
        let missing = absent.flat_map(|error| error["context"]["ids"].as_array().into_iter().flatten().map(text));
        let missing = missing.collect();
        Ok((records, missing))
    }

    pub(super) async fn list(
        &self,
        entity: &str,
        fields: &[String],
        links: &[String],
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Answer {
        if is_owner(entity) {
            return match self.owner_page(false, cursor).await {
                Ok((records, next)) => Answer::Page { records, next },
                Err(failure) => answer::alone(&failure),
            };
        }
        let page = match since {
            None => self.list_all(entity, fields, cursor).await,
            Some(since) => self.list_changed(entity, fields, since, cursor).await,
        };
        let (results, next) = match page {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let order: Vec<String> = results.iter().map(|result| text(&result["id"])).collect();
        let complete = |result: &Json| Observed { complete: true, ..observed(result, Some(fields)) };
        let mut seen: BTreeMap<String, Observed> =
            results.iter().map(complete).map(|record| (record.id.clone(), record)).collect();
        match self.read_links(entity, links, &mut seen).await {
            // A page with a record whose links are not known would say that it has none.
            Ok(failed) => {
                if let Some(answer) = failed.into_values().next() {
                    return answer;
                }
            }
            Err(failure) => return answer::alone(&failure),
        }
        Answer::Page { records: order.iter().filter_map(|id| seen.remove(id)).collect(), next }
    }

    async fn list_all(&self, entity: &str, fields: &[String], cursor: Option<&str>) -> Result<Page, Answer> {
        let properties = escape(&fields.join(","));
        let mut path = format!("{}?limit={BATCH}&properties={properties}", self.objects_path(entity));
        if let Some(after) = cursor {
            path.push_str(&format!("&after={}", escape(after)));
        }
        let json = self.call(Method::GET, &path, None, false).await.map_err(|failure| answer::alone(&failure))?;
        Ok((results(&json)?, answer::next_page(&json)))
    }

    /// What changed at or after a time, oldest change first. Every page is a query of its own that begins where the one
    /// before it ended: an offset would leave out what moves while the pages are read, and ends after ten thousand
    /// results (CONTRACT 4).
    async fn list_changed(
        &self,
        entity: &str,
        fields: &[String],
        since: Timestamp,
        cursor: Option<&str>,
    ) -> Result<Page, Answer> {
        let place = match cursor {
            None => Place::From(since.0),
            Some(cursor) => Place::read(cursor).ok_or_else(|| refuse(format!("`{cursor}` is no cursor of ours")))?,
        };
        let modified = modified_property(self.entity(entity).and_then(|known| known.remote.as_deref()));
        let mut wanted: Vec<&str> = fields.iter().map(String::as_str).collect();
        if !wanted.contains(&modified) {
            wanted.push(modified);
        }
        let filter = |name: &str, operator: &str, value: String| json!({"propertyName": name, "operator": operator, "value": value});
        let (filters, order) = match &place {
            Place::From(from) => (vec![filter(modified, "GTE", from.to_string())], modified),
            Place::Of(at, id) => (vec![filter(modified, "EQ", at.to_string()), filter(ID, "GT", id.clone())], ID),
        };
        let body = json!({
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
            "properties": wanted,
            "limit": BATCH,
        });
        let path = format!("{}/search", self.objects_path(entity));
        let json = self.call(Method::POST, &path, Some(&body), false).await.map_err(|f| answer::alone(&f))?;
        let results = results(&json)?;
        let next = match (&place, answer::next_page(&json).is_some()) {
            (Place::From(_), false) => None,
            (Place::Of(at, _), false) => Some(Place::From(at + 1)),
            (Place::Of(at, _), true) => results.last().map(|last| Place::Of(*at, text(&last["id"]))),
            (Place::From(from), true) => {
                let last = results.last().and_then(|result| {
                    let at = result["properties"][modified].as_str().or_else(|| result["updatedAt"].as_str())?;
                    Timestamp::parse(at).or_else(|| at.parse().ok().map(Timestamp))
                });
                match last {
                    // What changed in that very millisecond comes twice, which changes nothing; beginning behind it
                    // could leave something out.
                    Some(Timestamp(last)) if last > *from => Some(Place::From(last)),
                    Some(Timestamp(last)) if last == *from => Some(Place::Of(last, "0".to_owned())),
                    _ => {
                        return Err(refuse(format!("the search for changed {entity} does not keep the order of time")));
                    }
                }
            }
        };
        Ok((results, next.map(|place| place.to_string())))
    }

    /// Ids of archived records.
    pub(super) async fn list_archived(&self, entity: &str, cursor: Option<&str>) -> Answer {
        if is_owner(entity) {
            return match self.owner_page(true, cursor).await {
                Ok((records, next)) => Answer::Page { records: records.into_iter().map(only_id).collect(), next },
                Err(failure) => answer::alone(&failure),
            };
        }
        let mut path = format!("{}?limit={BATCH}&archived=true&properties={ID}", self.objects_path(entity));
        if let Some(after) = cursor {
            path.push_str(&format!("&after={}", escape(after)));
        }
        let page = self.call(Method::GET, &path, None, false).await.map_err(|failure| answer::alone(&failure));
        match page.and_then(|json| Ok((results(&json)?, answer::next_page(&json)))) {
            Ok((results, next)) => {
                let records = results.iter().map(|result| Observed { id: text(&result["id"]), ..Observed::default() });
                Answer::Page { records: records.collect(), next }
            }
            Err(answer) => answer,
        }
    }

    pub(super) async fn create(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let Some(known) = self.entity(entity) else { return Vec::new() };
        let mut answers: Vec<Option<Answer>> = vec![None; inputs.len()];
        let mut bodies: Vec<Json> = Vec::new();
        let mut sent: Vec<Input> = Vec::new();
        for (input, answer) in inputs.iter().zip(&mut answers) {
            match self.new_associations(known, &input.links) {
                Ok(associations) => {
                    // With a trace id of its own one bad input fails alone, and its error names it (CONTRACT 3.5).
                    bodies.push(json!({
                        "objectWriteTraceId": input.key,
                        "properties": properties(&input.values),
                        "associations": associations,
                    }));
                    sent.push(input.clone());
                }
                Err(refused) => *answer = Some(refused),
            }
        }
        let mut done = Vec::new();
        if !sent.is_empty() {
            let path = format!("{}/batch/create", self.objects_path(entity));
            done = match self.call(Method::POST, &path, Some(&json!({"inputs": bodies})), true).await {
                Ok(json) => answer::batch(&json, &sent, known, false),
                Err(failure) => answer::whole(&failure, &sent),
            };
            for (input, answer) in sent.iter().zip(&mut done) {
                if let Answer::Record(record) = answer {
                    made(known, input, record);
                }
            }
        }
        let mut done = done.into_iter();
        let silent = || Answer::Unknown { cause: "no answer was made for it".to_owned() };
        answers.into_iter().map(|answer| answer.or_else(|| done.next()).unwrap_or_else(silent)).collect()
    }

    pub(super) async fn update(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let Some(known) = self.entity(entity) else { return Vec::new() };
        let mut answers: Vec<Option<Answer>> = vec![None; inputs.len()];
        for (index, input) in inputs.iter().enumerate() {
            // HubSpot refuses the whole of a batch that names an id twice (CONTRACT 3.4).
            if inputs[..index].iter().any(|earlier| earlier.id == input.id) {
                answers[index] = Some(Answer::Split);
            }
        }
        // An input that only changes links has no properties, and an update without any is refused (CONTRACT 3.4).
        let written: Vec<usize> =
            (0..inputs.len()).filter(|index| answers[*index].is_none() && !inputs[*index].values.is_empty()).collect();
        if !written.is_empty() {
            let sent: Vec<Input> = written.iter().map(|index| inputs[*index].clone()).collect();
            let body = |input: &Input| json!({"id": input.id, "objectWriteTraceId": input.key, "properties": properties(&input.values)});
            let bodies: Vec<Json> = sent.iter().map(body).collect();
            let path = format!("{}/batch/update", self.objects_path(entity));
            let done = match self.call(Method::POST, &path, Some(&json!({"inputs": bodies})), true).await {
                Ok(json) => answer::batch(&json, &sent, known, true),
                Err(failure) => answer::whole(&failure, &sent),
            };
            for (index, answer) in written.into_iter().zip(done) {
                answers[index] = Some(answer);
            }
        }
        self.change_links(entity, known, inputs, &mut answers).await;
        let finish = |(input, answer): (&Input, Option<Answer>)| {
            let mut answer = answer.unwrap_or_else(|| {
                Answer::Record(Observed { id: input.id.clone().unwrap_or_default(), ..Observed::default() })
            });
            if let Answer::Record(record) = &mut answer {
                record.links.extend(input.links.iter().map(|(name, change)| (name.clone(), change.add.clone())));
            }
            answer
        };
        inputs.iter().zip(answers).map(finish).collect()
    }

    pub(super) async fn delete(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let mut ids: Vec<&str> = inputs.iter().filter_map(|input| input.id.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        let bodies: Vec<Json> = ids.iter().map(|id| json!({"id": id})).collect();
        let path = format!("{}/batch/archive", self.objects_path(entity));
        match self.call(Method::POST, &path, Some(&json!({"inputs": bodies})), true).await {
            // 204 whatever the state of the ids was; errors would say otherwise.
            Ok(json) if json["errors"].as_array().is_none_or(Vec::is_empty) => vec![Answer::Done; inputs.len()],
            Ok(json) => {
                let cause = "HubSpot reports errors and does not say of what".to_owned();
                let answer = |input: &Input| match answer::named(&json, input) {
                    // What is gone already is as good as archived.
                    Some(Answer::Missing) => Answer::Done,
                    Some(answer) => answer,
                    None => Answer::Unknown { cause: cause.clone() },
                };
                inputs.iter().map(answer).collect()
            }
            Err(failure) => answer::whole(&failure, inputs),
        }
    }
}

/// Records and the ids that there are no records for.
type Found = (Vec<Json>, Vec<String>);

/// Records of a page, and the cursor of the next one.
type Page = (Vec<Json>, Option<String>);

/// Where a page of changes begins.
enum Place {
    /// At the first change at or after a time, in milliseconds.
    From(i64),
    /// Behind an id, among those of one very millisecond: there are more of them than one page holds.
    Of(i64, String),
}

impl Place {
    /// `1772442000000`, or `1772442000000#512` with the id.
    fn read(cursor: &str) -> Option<Self> {
        match cursor.split_once('#') {
            None => Some(Self::From(cursor.parse().ok()?)),
            Some((at, id)) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Self::Of(at.parse().ok()?, id.to_owned()))
            }
            Some(_) => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::From(from) => write!(out, "{from}"),
            Self::Of(at, id) => write!(out, "{at}#{id}"),
        }
    }
}

/// Nothing but the id of a record.
fn only_id(record: Observed) -> Observed {
    Observed { id: record.id, ..Observed::default() }
}

/// A page without results is no page: taken for an empty one, it would end a listing.
fn results(json: &Json) -> Result<Vec<Json>, Answer> {
    let cause = || Answer::Retry { after: None, cause: "HubSpot's answer holds no results".to_owned() };
    json["results"].as_array().cloned().ok_or_else(cause)
}

/// The ids or values that a record answers for, its own first.
fn own_keys(record: &Json, by: &str, ids: &[&str]) -> Vec<String> {
    if let [only] = ids {
        return vec![(*only).to_owned()];
    }
    if by == "id" {
        return vec![text(&record["id"])];
    }
    let value = text(&record["properties"][by]);
    vec![value.to_lowercase(), value]
}

/// Further ones: old ids of a merged record, further addresses of a contact.
fn further_keys(record: &Json, by: &str) -> Vec<String> {
    let list = |name: &str| -> Vec<String> {
        let joined = text(&record["properties"][name]);
        joined.split(';').map(|part| part.trim().to_lowercase()).filter(|part| !part.is_empty()).collect()
    };
    match by {
        "id" => list(MERGED),
        "email" => list(FURTHER_EMAILS),
        _ => Vec::new(),
    }
}

/// What a create's answer says of the record. It holds all properties that there are, so any other one is empty.
/// Associations are never in it (CONTRACT 3.2): what was asked for is there, and of others it says nothing.
fn made(entity: &Entity, input: &Input, record: &mut Observed) {
    record.links.extend(input.links.iter().map(|(name, change)| (name.clone(), change.add.clone())));
    if record.fields.is_empty() {
        return;
    }
    // What HubSpot sets by itself is never empty.
    let ours = entity.fields.iter().filter(|(name, field)| !field.read_only && !input.values.contains_key(*name));
    for (name, _) in ours {
        record.fields.entry(name.clone()).or_insert(Json::Null);
    }
}
