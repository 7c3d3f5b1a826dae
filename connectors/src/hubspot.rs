//! HubSpot: objects in batches by record id, associations, owners, and its webhook events.
//!
//! In: requests of the gate. Out: one answer per input, attributed by record id or trace id; a 2xx that does
//! not mention an input is unknown. The facts stand in CONTRACT.md; section numbers are given where they matter.
//! Search is used for one thing only: listing what changed since a time.

mod answer;
pub mod events;
pub mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dsl::schema::{Entity, Lock};
use dsl::value::Moment;
use http::Method;
use serde_json::{Value as Json, json};

use crate::http::{Transport, TransportError, escape};
use crate::port::{Answer, Connector, Input, Message, Observed, Request, Unreadable, Verb, Wire};
use crate::secret::Secret;

/// Inputs of one batch (CONTRACT 3.1).
const BATCH: usize = 100;

/// Where HubSpot is and who we are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.hubapi.com`
    pub base_url: String,
    /// A dated version such as `2026-09`, or `v3`.
    pub api_version: String,
    /// Our app, to know our own echoes.
    pub app_id: Option<u64>,
}

/// The connector.
pub struct HubSpot {
    settings: Settings,
    token: Secret,
    lock: Lock,
    transport: Arc<dyn Transport>,
}

impl HubSpot {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(settings: Settings, token: Secret, lock: Lock, transport: Arc<dyn Transport>) -> Self {
        Self { settings, token, lock, transport }
    }

    fn entity(&self, name: &str) -> Option<&Entity> {
        self.lock.entities.get(name)
    }

    /// The path of an entity's objects.
    fn objects(&self, entity: &str) -> String {
        let kind = self.entity(entity).and_then(|e| e.remote.clone()).unwrap_or_else(|| entity.to_lowercase());
        match self.settings.api_version.as_str() {
            "v3" | "v4" => format!("/crm/v3/objects/{kind}"),
            dated => format!("/crm/objects/{dated}/{kind}"),
        }
    }

    fn associations(&self, from: &str, to: &str, tail: &str) -> String {
        let kind = |name: &str| self.entity(name).and_then(|e| e.remote.clone()).unwrap_or_else(|| name.to_lowercase());
        match self.settings.api_version.as_str() {
            "v3" | "v4" => format!("/crm/v4/associations/{}/{}/batch/{tail}", kind(from), kind(to)),
            dated => format!("/crm/associations/{dated}/{}/{}/batch/{tail}", kind(from), kind(to)),
        }
    }

    fn owners(&self) -> String {
        match self.settings.api_version.as_str() {
            "v3" | "v4" => "/crm/v3/owners".to_owned(),
            dated => format!("/crm/owners/{dated}"),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<(http::StatusCode, http::Response<Bytes>, Json), TransportError> {
        let url = format!("{}{path}", self.settings.base_url.trim_end_matches('/'));
        let mut request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.token.expose()))
            .header(http::header::ACCEPT, "application/json");
        let bytes = match body {
            Some(body) => {
                request = request.header(http::header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(bytes).map_err(|error| TransportError::NotSent(error.to_string()))?;
        let response = self.transport.send(request).await?;
        let json = serde_json::from_slice(response.body()).unwrap_or(Json::Null);
        Ok((response.status(), response, json))
    }

    async fn read(&self, entity: &str, by: &str, fields: &[String], links: &[String], inputs: &[Input]) -> Vec<Answer> {
        if entity == "Owner" {
            return self.read_owners(inputs, by).await;
        }
        let ids: Vec<Json> = inputs.iter().map(|input| json!({"id": input.id})).collect();
        let mut properties: Vec<&String> = fields.iter().collect();
        let by_key = by.to_owned();
        if by != "id" && !fields.contains(&by_key) {
            properties.push(&by_key);
        }
        let mut body = json!({"properties": properties, "propertiesWithHistory": [], "inputs": ids});
        if by != "id" {
            body["idProperty"] = by.into();
        }
        let path = format!("{}/batch/read", self.objects(entity));
        let (status, response, json) = match self.call(Method::POST, &path, Some(&body)).await {
            Ok(answer) => answer,
            Err(error) => return vec![answer::read_failed(&error); inputs.len()],
        };
        if !status.is_success() {
            return answer::whole(status, &response, &json, inputs.len(), false);
        }
        let mut found: BTreeMap<String, Observed> = BTreeMap::new();
        for record in json["results"].as_array().into_iter().flatten() {
            let observed = observed(record, fields);
            let key = if by == "id" {
                observed.id.clone()
            } else {
                record["properties"][by].as_str().unwrap_or_default().to_lowercase()
            };
            // A merged record answers under its new id; the old one stands in its list of merged ids.
            for old in record["properties"]["hs_merged_object_ids"].as_str().unwrap_or_default().split(';') {
                found.entry(old.to_owned()).or_insert_with(|| observed.clone());
            }
            for other in record["properties"]["hs_additional_emails"]
                .as_str()
                .unwrap_or_default()
                .split(';')
                .filter(|s| !s.is_empty())
            {
                found.entry(other.to_lowercase()).or_insert_with(|| observed.clone());
            }
            found.insert(key, observed);
        }
        for link in links {
            if let Err(answers) = self.read_links(entity, link, &mut found, inputs.len()).await {
                return answers;
            }
        }
        inputs
            .iter()
            .map(|input| {
                let asked = input.id.clone().unwrap_or_default();
                let key = if by == "id" { asked } else { asked.to_lowercase() };
                match found.get(&key) {
                    Some(observed) => Answer::Record(Observed { complete: true, ..observed.clone() }),
                    None => Answer::Missing,
                }
            })
            .collect()
    }

    async fn read_links(
        &self,
        entity: &str,
        link: &str,
        found: &mut BTreeMap<String, Observed>,
        inputs: usize,
    ) -> Result<(), Vec<Answer>> {
        let Some(to) = self.entity(entity).and_then(|e| e.links.get(link)) else { return Ok(()) };
        if found.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<String> = found.values().map(|o| o.id.clone()).collect();
        ids.sort();
        ids.dedup();
        let body = json!({"inputs": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
        let path = self.associations(entity, &to.to, "read");
        let (status, response, json) = match self.call(Method::POST, &path, Some(&body)).await {
            Ok(answer) => answer,
            Err(error) => return Err(vec![answer::read_failed(&error); inputs]),
        };
        if !status.is_success() {
            return Err(answer::whole(status, &response, &json, inputs, false));
        }
        let mut targets: BTreeMap<String, String> = BTreeMap::new();
        for result in json["results"].as_array().into_iter().flatten() {
            let from = text(&result["from"]["id"]);
            let linked: Vec<&Json> = result["to"].as_array().map(|to| to.iter().collect()).unwrap_or_default();
            // The primary one where there is one, otherwise the one linked first.
            let primary = linked.iter().find(|to| {
                to["associationTypes"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|ty| ty["label"].as_str().is_some_and(|l| l.eq_ignore_ascii_case("primary")))
            });
            if let Some(target) = primary.or(linked.first()) {
                targets.insert(from, text(&target["toObjectId"]));
            }
        }
        for observed in found.values_mut() {
            observed.links.insert(link.to_owned(), targets.get(&observed.id).cloned());
        }
        Ok(())
    }

    async fn all_owners(&self) -> Result<Vec<Observed>, Answer> {
        let mut owners = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut path = format!("{}?limit=100", self.owners());
            if let Some(after) = &after {
                path.push_str(&format!("&after={}", escape(after)));
            }
            let (status, response, json) = match self.call(Method::GET, &path, None).await {
                Ok(answer) => answer,
                Err(error) => return Err(answer::read_failed(&error)),
            };
            if !status.is_success() {
                return Err(answer::whole(status, &response, &json, 1, false).pop().unwrap_or(Answer::Missing));
            }
            for owner in json["results"].as_array().into_iter().flatten() {
                let fields = BTreeMap::from([("email".to_owned(), owner["email"].clone())]);
                owners.push(Observed { id: text(&owner["id"]), fields, complete: true, ..Observed::default() });
            }
            match json["paging"]["next"]["after"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(owners),
            }
        }
    }

    async fn read_owners(&self, inputs: &[Input], by: &str) -> Vec<Answer> {
        match self.all_owners().await {
            Ok(owners) => inputs
                .iter()
                .map(|input| {
                    let wanted = input.id.clone().unwrap_or_default();
                    let hit = owners.iter().find(|owner| {
                        if by == "id" {
                            owner.id == wanted
                        } else {
                            owner.fields.get(by).and_then(Wire::as_str) == Some(wanted.as_str())
                        }
                    });
                    hit.map_or(Answer::Missing, |owner| Answer::Record(owner.clone()))
                })
                .collect(),
            Err(answer) => vec![answer; inputs.len()],
        }
    }

    async fn list(
        &self,
        entity: &str,
        fields: &[String],
        links: &[String],
        since: Option<Moment>,
        input: &Input,
    ) -> Answer {
        if entity == "Owner" {
            return match self.all_owners().await {
                Ok(records) => Answer::Page { records, next: None },
                Err(answer) => answer,
            };
        }
        let path = self.objects(entity);
        let result = match since {
            None => {
                let mut query = format!("{path}?limit={BATCH}&properties={}", escape(&fields.join(",")));
                if let Some(after) = &input.id {
                    query.push_str(&format!("&after={}", escape(after)));
                }
                self.call(Method::GET, &query, None).await
            }
            Some(since) => {
                let modified = if entity == "Contact" { "lastmodifieddate" } else { "hs_lastmodifieddate" };
                let mut body = json!({
                    "filterGroups": [{"filters": [{"propertyName": modified, "operator": "GTE", "value": since.0.to_string()}]}],
                    "sorts": [{"propertyName": modified, "direction": "ASCENDING"}],
                    "properties": fields, "limit": BATCH,
                });
                if let Some(after) = &input.id {
                    body["after"] = after.as_str().into();
                }
                self.call(Method::POST, &format!("{path}/search"), Some(&body)).await
            }
        };
        let (status, response, json) = match result {
            Ok(answer) => answer,
            Err(error) => return answer::read_failed(&error),
        };
        if !status.is_success() {
            return answer::whole(status, &response, &json, 1, false).pop().unwrap_or(Answer::Missing);
        }
        let mut found: BTreeMap<String, Observed> = BTreeMap::new();
        for record in json["results"].as_array().into_iter().flatten() {
            let observed = observed(record, fields);
            found.insert(observed.id.clone(), observed);
        }
        for link in links {
            if let Err(mut answers) = self.read_links(entity, link, &mut found, 1).await {
                return answers.pop().unwrap_or(Answer::Missing);
            }
        }
        let next = json["paging"]["next"]["after"].as_str().map(str::to_owned);
        Answer::Page { records: found.into_values().collect(), next }
    }

    async fn create(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let Some(lock) = self.entity(entity) else { return vec![answer::no_entity(entity); inputs.len()] };
        let bodies: Vec<Json> = inputs
            .iter()
            .map(|input| {
                let associations: Vec<Json> = input
                    .links
                    .iter()
                    .filter_map(|(link, change)| {
                        let to = change.add.as_ref()?;
                        let kind = lock.links.get(link)?.remote?;
                        Some(json!({"to": {"id": to}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]}))
                    })
                    .collect();
                json!({"objectWriteTraceId": input.key, "properties": properties(&input.values), "associations": associations})
            })
            .collect();
        let path = format!("{}/batch/create", self.objects(entity));
        self.write(&path, &json!({"inputs": bodies}), inputs, false).await
    }

    async fn update(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let with_values: Vec<(usize, &Input)> =
            inputs.iter().enumerate().filter(|(_, input)| !input.values.is_empty()).collect();
        let mut answers: Vec<Option<Answer>> = vec![None; inputs.len()];
        if !with_values.is_empty() {
            let bodies: Vec<Json> = with_values
                .iter()
                .map(|(_, input)| json!({"id": input.id, "objectWriteTraceId": input.key, "properties": properties(&input.values)}))
                .collect();
            let plain: Vec<Input> = with_values.iter().map(|(_, input)| (*input).clone()).collect();
            let path = format!("{}/batch/update", self.objects(entity));
            let results = self.write(&path, &json!({"inputs": bodies}), &plain, true).await;
            for ((index, _), answer) in with_values.iter().zip(results) {
                answers[*index] = Some(answer);
            }
        }
        let Some(lock) = self.entity(entity) else { return vec![answer::no_entity(entity); inputs.len()] };
        let names: Vec<String> = lock.links.keys().cloned().collect();
        for name in names {
            let failed = self.change_links(entity, &name, inputs, &answers).await;
            for (index, answer) in failed {
                answers[index] = Some(answer);
            }
        }
        inputs
            .iter()
            .zip(answers)
            .map(|(input, answer)| {
                let mut answer = answer.unwrap_or_else(|| {
                    Answer::Record(Observed { id: input.id.clone().unwrap_or_default(), ..Observed::default() })
                });
                if let Answer::Record(observed) = &mut answer {
                    for (name, change) in &input.links {
                        observed.links.insert(name.clone(), change.add.clone());
                    }
                }
                answer
            })
            .collect()
    }

    /// Makes and removes links; gives what failed, by input.
    async fn change_links(
        &self,
        entity: &str,
        name: &str,
        inputs: &[Input],
        answers: &[Option<Answer>],
    ) -> Vec<(usize, Answer)> {
        let Some(link) = self.entity(entity).and_then(|e| e.links.get(name)) else { return Vec::new() };
        let changes: Vec<(usize, &Input, &crate::port::LinkChange)> = inputs
            .iter()
            .enumerate()
            .filter(|(index, _)| matches!(answers[*index], None | Some(Answer::Record(_))))
            .filter_map(|(index, input)| Some((index, input, input.links.get(name)?)))
            .collect();
        let mut failed = Vec::new();
        let removed: Vec<Json> = changes
            .iter()
            .filter_map(|(_, input, change)| {
                Some(json!({"from": {"id": input.id}, "to": [{"id": change.remove.as_ref()?}]}))
            })
            .collect();
        let added: Vec<Json> = changes
            .iter()
            .filter_map(|(_, input, change)| {
                Some(json!({
                    "from": {"id": input.id}, "to": {"id": change.add.as_ref()?},
                    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": link.remote}],
                }))
            })
            .collect();
        for (bodies, tail) in [(removed, "archive"), (added, "create")] {
            if bodies.is_empty() {
                continue;
            }
            let path = self.associations(entity, &link.to, tail);
            let outcome = match self.call(Method::POST, &path, Some(&json!({"inputs": bodies}))).await {
                Ok((status, response, json)) if !status.is_success() || status == 207 => {
                    Some(answer::whole(status, &response, &json, 1, true).pop().unwrap_or(Answer::Missing))
                }
                Ok(_) => None,
                Err(error) => Some(answer::write_failed(&error)),
            };
            if let Some(answer) = outcome {
                failed.extend(changes.iter().map(|(index, ..)| (*index, answer.clone())));
            }
        }
        failed
    }

    async fn write(&self, path: &str, body: &Json, inputs: &[Input], by_id: bool) -> Vec<Answer> {
        match self.call(Method::POST, path, Some(body)).await {
            Ok((status, response, json)) if status.is_success() => {
                let _ = response;
                answer::batch(&json, inputs, by_id)
            }
            Ok((status, response, json)) => answer::whole(status, &response, &json, inputs.len(), true),
            Err(error) => vec![answer::write_failed(&error); inputs.len()],
        }
    }

    async fn delete(&self, entity: &str, inputs: &[Input]) -> Vec<Answer> {
        let bodies: Vec<Json> = inputs.iter().map(|input| json!({"id": input.id})).collect();
        let path = format!("{}/batch/archive", self.objects(entity));
        match self.call(Method::POST, &path, Some(&json!({"inputs": bodies}))).await {
            Ok((status, ..)) if status.is_success() => vec![Answer::Done; inputs.len()],
            Ok((status, response, json)) => answer::whole(status, &response, &json, inputs.len(), true),
            Err(error) => vec![answer::write_failed(&error); inputs.len()],
        }
    }
}

#[async_trait]
impl Connector for HubSpot {
    fn max_batch(&self, verb: &Verb) -> usize {
        match verb {
            Verb::List { .. } | Verb::Operation { .. } => 1,
            _ => BATCH,
        }
    }

    fn calls(&self, request: &Request) -> u32 {
        let links = |names: usize| u32::try_from(names).unwrap_or(u32::MAX);
        match &request.verb {
            Verb::Read { links: names, .. } | Verb::List { links: names, .. } => 1 + links(names.len()),
            Verb::Update { .. } => {
                let values = u32::from(request.inputs.iter().any(|input| !input.values.is_empty()));
                let changes = |pick: fn(&crate::port::LinkChange) -> bool| {
                    let mut names: Vec<&String> = request
                        .inputs
                        .iter()
                        .flat_map(|i| i.links.iter().filter(|(_, c)| pick(c)).map(|(n, _)| n))
                        .collect();
                    names.sort();
                    names.dedup();
                    links(names.len())
                };
                values + changes(|c| c.remove.is_some()) + changes(|c| c.add.is_some())
            }
            _ => 1,
        }
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let inputs = &request.inputs;
        match &request.verb {
            Verb::Read { entity, by, fields, links } => self.read(entity, by, fields, links, inputs).await,
            Verb::Create { entity } => self.create(entity, inputs).await,
            Verb::Update { entity } => self.update(entity, inputs).await,
            Verb::Delete { entity } => self.delete(entity, inputs).await,
            Verb::List { entity, fields, links, since } => {
                let nothing = Input::default();
                vec![self.list(entity, fields, links, *since, inputs.first().unwrap_or(&nothing)).await]
            }
            Verb::Operation { name } => vec![
                Answer::Refused {
                    reason: format!("HubSpot has no operation `{name}`"),
                    refusal: crate::port::Refusal::Other,
                };
                inputs.len()
            ],
        }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Message>, Unreadable> {
        events::read(&self.lock, self.settings.app_id, body)
    }
}

/// Ids come as text or numbers.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// HubSpot wants text; an empty text clears (CONTRACT 3.8).
fn properties(values: &BTreeMap<String, Wire>) -> Json {
    let text = |value: &Wire| match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    Json::Object(values.iter().map(|(name, value)| (name.clone(), text(value).into())).collect())
}

/// A record of an answer, with the fields that were asked for (all of them where none were named).
fn observed(record: &Json, fields: &[String]) -> Observed {
    let mut seen = BTreeMap::new();
    if let Some(properties) = record["properties"].as_object() {
        for (name, value) in properties {
            if fields.is_empty() || fields.contains(name) {
                seen.insert(name.clone(), value.clone());
            }
        }
    }
    Observed {
        id: text(&record["id"]),
        fields: seen,
        links: BTreeMap::new(),
        changed_at: record["updatedAt"].as_str().and_then(Moment::parse),
        complete: false,
    }
}
