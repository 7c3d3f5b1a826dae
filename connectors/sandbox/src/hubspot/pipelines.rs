//! Pipelines with their stages, and `/crm/v3/pipelines` and its dated form (CONTRACT 3.7).
//!
//! In: the options of the stage property that an account starts with, and what is made later. Out: pipelines as HubSpot
//! shows them.
//! Always true: deals and tickets have at least one pipeline; a stage is here exactly if the stage property accepts it;
//! what the account made has a number for an id, what HubSpot made a word or a small number.
//! Not here: whether a stage belongs to the pipeline of its record.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::definitions::Definitions;
use super::reply::{Answer, Refusal, error, text};

/// Stages that deals start with: id, label, chance. Those with a chance of nought or one are closed.
const DEAL_STAGES: [(&str, &str, &str); 7] = [
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
];

/// Stages that tickets start with.
const TICKET_STAGES: [(&str, &str); 4] =
    [("1", "New"), ("2", "Waiting on contact"), ("3", "Waiting on us"), ("4", "Closed")];

/// A pipeline, or a stage of one.
#[derive(Debug, Clone)]
struct Item {
    id: String,
    label: String,
    order: i64,
    /// Of a stage; values are text.
    metadata: BTreeMap<String, String>,
    archived: bool,
    /// Items that HubSpot made have the time 0.
    created: Timestamp,
    updated: Timestamp,
    audits: Vec<(Timestamp, &'static str)>,
}

impl Item {
    fn new(id: &str, label: &str, order: i64, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
            order,
            metadata: BTreeMap::new(),
            archived: false,
            created: now,
            updated: now,
            audits: Vec::new(),
        }
    }

    fn shown(&self) -> Json {
        json!({"id": self.id, "label": self.label, "displayOrder": self.order, "archived": self.archived,
               "createdAt": self.created.to_string(), "updatedAt": self.updated.to_string()})
    }

    fn audited(&self, portal: u64) -> Json {
        let audit = |(at, action): &(Timestamp, &str)| json!({"identifier": self.id, "action": action, "portalId": portal, "timestamp": at.to_string()});
        json!({"results": self.audits.iter().rev().map(audit).collect::<Vec<_>>()})
    }

    fn touch(&mut self, action: &'static str, now: Timestamp) {
        self.updated = now;
        self.audits.push((now, action));
    }
}

#[derive(Debug, Clone)]
struct Pipeline {
    item: Item,
    stages: Vec<Item>,
}

impl Pipeline {
    fn shown(&self) -> Json {
        let mut shown = self.item.shown();
        shown["stages"] = self.stages.iter().filter(|stage| !stage.archived).map(shown_stage).collect();
        shown
    }
}

fn shown_stage(stage: &Item) -> Json {
    let mut shown = stage.shown();
    shown["metadata"] = json!(stage.metadata);
    shown["writePermissions"] = "CRM_PERMISSIONS_ENFORCEMENT".into();
    shown
}

/// By type id.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipelines {
    by_kind: BTreeMap<String, Vec<Pipeline>>,
    last: u64,
}

/// The property whose options are the stages of all pipelines, and the one that names the pipeline.
fn properties_of(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "0-3" => Some(("dealstage", "pipeline")),
        "0-5" => Some(("hs_pipeline_stage", "hs_pipeline")),
        _ => None,
    }
}

impl Pipelines {
    /// What an account starts with. Stage properties that have options give the stages, the others get HubSpot's.
    pub(super) fn of(definitions: &mut Definitions) -> Self {
        let mut pipelines = Self { by_kind: BTreeMap::new(), last: 98_761_233 };
        for (kind, id, label) in [("0-3", "default", "Sales Pipeline"), ("0-5", "0", "Support Pipeline")] {
            let stages: Vec<Item> = match definitions.options(kind, properties_of(kind).map_or("", |names| names.0)) {
                [] if kind == "0-3" => DEAL_STAGES.map(|(id, ..)| stage(kind, id)).into(),
                [] => TICKET_STAGES.map(|(id, _)| stage(kind, id)).into(),
                options => options.iter().map(|(id, _)| stage(kind, id)).collect(),
            };
            let number = stages.len();
            let ordered = |(order, stage): (usize, Item)| {
                let mut stage = Item { order: i64::try_from(order).unwrap_or(0), ..stage };
                if kind == "0-5" {
                    let closed = order + 1 == number;
                    let state = if closed { "CLOSED" } else { "OPEN" };
                    stage.metadata.insert("ticketState".to_owned(), state.to_owned());
                    stage.metadata.insert("isClosed".to_owned(), closed.to_string());
                }
                stage
            };
            let stages = stages.into_iter().enumerate().map(ordered).collect();
            let pipeline = Pipeline { item: Item::new(id, label, 0, Timestamp(0)), stages };
            pipelines.by_kind.insert(kind.to_owned(), vec![pipeline]);
            pipelines.tell(kind, definitions);
        }
        pipelines
    }

    /// Makes the stages of all pipelines the options of the stage property.
    fn tell(&self, kind: &str, definitions: &mut Definitions) {
        let (Some((stage, _)), Some(pipelines)) = (properties_of(kind), self.by_kind.get(kind)) else { return };
        let live = pipelines.iter().filter(|pipeline| !pipeline.item.archived);
        let stages = live.flat_map(|pipeline| &pipeline.stages).filter(|stage| !stage.archived);
        definitions.set_options(kind, stage, stages.map(|stage| (stage.id.clone(), stage.label.clone())).collect());
    }

    fn number(&mut self) -> String {
        self.last += 1;
        self.last.to_string()
    }
}

/// A stage that HubSpot makes, or that a lock has.
fn stage(kind: &str, id: &str) -> Item {
    let known = DEAL_STAGES.iter().find(|(known, ..)| *known == id).filter(|_| kind == "0-3");
    let label = match known {
        Some((_, label, _)) => label,
        None => TICKET_STAGES.iter().find(|(known, _)| *known == id && kind == "0-5").map_or(id, |(_, label)| label),
    };
    let mut item = Item::new(id, label, 0, Timestamp(0));
    if kind == "0-3" {
        let chance = known.map_or("0.5", |(.., chance)| chance);
        item.metadata.insert("probability".to_owned(), chance.to_owned());
        item.metadata.insert("isClosed".to_owned(), closed(chance).to_string());
    }
    item
}

fn closed(chance: &str) -> bool {
    matches!(chance.parse::<f64>(), Ok(chance) if chance == 0.0 || chance == 1.0)
}

/// The metadata of a stage, as it is kept: HubSpot says itself whether a deal's stage is closed.
fn metadata(kind: &str, json: &Json) -> Result<BTreeMap<String, String>, Refusal> {
    let mut given: BTreeMap<String, String> =
        json.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    let needed = if kind == "0-3" { "probability" } else { "ticketState" };
    let refused = |message: String| Err(Refusal::new(400, "VALIDATION_ERROR", message));
    let Some(value) = given.get(needed).cloned() else {
        return refused(format!("The metadata of a stage needs {needed}"));
    };
    if kind == "0-3" {
        if !value.parse::<f64>().is_ok_and(|chance| (0.0..=1.0).contains(&chance)) {
            return refused(format!("{value} is no probability between 0.0 and 1.0"));
        }
        given.insert("isClosed".to_owned(), closed(&value).to_string());
    } else if !matches!(value.as_str(), "OPEN" | "CLOSED") {
        return refused(format!("{value} is no ticketState: OPEN, CLOSED"));
    } else {
        given.insert("isClosed".to_owned(), (value == "CLOSED").to_string());
    }
    Ok(given)
}

fn not_found() -> Answer {
    error(404, "OBJECT_NOT_FOUND", "resource not found")
}

impl HubSpot {
    /// Takes a stage out of a pipeline, as a person does in HubSpot's settings.
    ///
    /// # Errors
    /// Where there is no such stage.
    pub fn remove_stage(&mut self, entity: &str, pipeline: &str, stage: &str, now: Timestamp) -> Result<(), String> {
        let kind = self.type_id(entity);
        match self.pipeline_routes(&Method::DELETE, &kind, &[pipeline, "stages", stage], &Json::Null, now) {
            (204, _) => Ok(()),
            (status, answer) => Err(format!("{status}: {answer}")),
        }
    }

    pub(super) fn pipeline_routes(
        &mut self,
        method: &Method,
        kind: &str,
        rest: &[&str],
        body: &Json,
        now: Timestamp,
    ) -> Answer {
        if method == Method::GET {
            self.calls.reads += 1;
        }
        if properties_of(kind).is_none() {
            return error(400, "VALIDATION_ERROR", &format!("Objects of type {kind} have no pipelines"));
        }
        let mut pipelines = Arc::clone(&self.pipelines);
        let portal = self.settings.portal_id;
        let done = if method == Method::GET {
            read(&pipelines, kind, rest, portal)
        } else {
            write(Arc::make_mut(&mut pipelines), method, kind, rest, body, now)
        };
        match done {
            Ok(answer) => {
                if method != Method::GET && answer.0 < 300 {
                    pipelines.tell(kind, Arc::make_mut(&mut self.definitions));
                    self.pipelines = pipelines;
                }
                answer
            }
            Err(refusal) => refusal.answer(),
        }
    }
}

fn read(pipelines: &Pipelines, kind: &str, rest: &[&str], portal: u64) -> Result<Answer, Refusal> {
    let mut live = pipelines.by_kind.get(kind).into_iter().flatten().filter(|pipeline| !pipeline.item.archived);
    let [id, rest @ ..] = rest else {
        return Ok((200, json!({"results": live.map(Pipeline::shown).collect::<Vec<_>>()})));
    };
    let Some(pipeline) = live.find(|pipeline| pipeline.item.id == *id) else { return Ok(not_found()) };
    let mut stages = pipeline.stages.iter().filter(|stage| !stage.archived);
    let mut stage = |id: &str| stages.find(|stage| stage.id == id);
    Ok(match rest {
        [] => (200, pipeline.shown()),
        ["audit"] => (200, pipeline.item.audited(portal)),
        ["stages"] => (200, json!({"results": pipeline.shown()["stages"]})),
        ["stages", id] => stage(id).map_or_else(not_found, |stage| (200, shown_stage(stage))),
        ["stages", id, "audit"] => stage(id).map_or_else(not_found, |stage| (200, stage.audited(portal))),
        _ => not_found(),
    })
}

fn write(
    pipelines: &mut Pipelines,
    method: &Method,
    kind: &str,
    rest: &[&str],
    body: &Json,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    match (method.as_str(), rest) {
        ("POST", []) => {
            needs(body, &["label", "displayOrder", "stages"])?;
            let id = pipelines.number();
            let mut pipeline = Pipeline { item: item(&id, body, now), stages: Vec::new() };
            for given in body["stages"].as_array().into_iter().flatten() {
                let stage = new_stage(pipelines, kind, given, now)?;
                pipeline.stages.push(stage);
            }
            let shown = pipeline.shown();
            pipelines.by_kind.entry(kind.to_owned()).or_default().push(pipeline);
            Ok((201, shown))
        }
        (_, [id, rest @ ..]) => {
            // Taken before it is known whether a stage is made: the pipelines are borrowed from here on.
            let number = pipelines.number();
            // Only the whole of a pipeline brings stages.
            let mut stages = Vec::new();
            if (method, rest) == (&Method::PUT, &[] as &[&str]) {
                needs(body, &["label", "displayOrder", "stages"])?;
                for given in body["stages"].as_array().into_iter().flatten() {
                    stages.push(new_stage(pipelines, kind, given, now)?);
                }
            }
            let known = pipelines.by_kind.get_mut(kind).into_iter().flatten();
            let mut live: Vec<&mut Pipeline> = known.filter(|pipeline| !pipeline.item.archived).collect();
            let several = live.len() > 1;
            let Some(pipeline) = live.iter_mut().find(|pipeline| pipeline.item.id == *id) else {
                return Ok(not_found());
            };
            match (method.as_str(), rest) {
                ("PATCH" | "PUT", []) => {
                    if method == Method::PUT {
                        for stage in &mut pipeline.stages {
                            stage.archived = true;
                        }
                        pipeline.stages.append(&mut stages);
                    }
                    change(&mut pipeline.item, body, now);
                    Ok((200, pipeline.shown()))
                }
                ("DELETE", []) if !several => Err(Refusal::new(
                    400,
                    "VALIDATION_ERROR",
                    "The last pipeline of an object cannot be archived".to_owned(),
                )),
                ("DELETE", []) => {
                    pipeline.item.archived = true;
                    pipeline.item.touch("DELETE", now);
                    Ok((204, Json::Null))
                }
                ("POST", ["stages"]) => {
                    let stage = stage_of(&number, kind, body, now)?;
                    pipeline.stages.push(stage.clone());
                    Ok((201, shown_stage(&stage)))
                }
                (_, ["stages", id]) => {
                    let mut live = pipeline.stages.iter_mut().filter(|stage| !stage.archived);
                    let Some(stage) = live.find(|stage| stage.id == *id) else { return Ok(not_found()) };
                    match method.as_str() {
                        "PATCH" | "PUT" => {
                            if !body["metadata"].is_null() || method == Method::PUT {
                                stage.metadata = metadata(kind, &body["metadata"])?;
                            }
                            change(stage, body, now);
                            Ok((200, shown_stage(stage)))
                        }
                        "DELETE" => {
                            stage.archived = true;
                            stage.touch("DELETE", now);
                            Ok((204, Json::Null))
                        }
                        _ => Ok(not_found()),
                    }
                }
                _ => Ok(not_found()),
            }
        }
        _ => Ok(not_found()),
    }
}

fn new_stage(pipelines: &mut Pipelines, kind: &str, given: &Json, now: Timestamp) -> Result<Item, Refusal> {
    let id = pipelines.number();
    stage_of(&id, kind, given, now)
}

fn stage_of(id: &str, kind: &str, given: &Json, now: Timestamp) -> Result<Item, Refusal> {
    needs(given, &["label", "displayOrder", "metadata"])?;
    Ok(Item { metadata: metadata(kind, &given["metadata"])?, ..item(id, given, now) })
}

fn item(id: &str, body: &Json, now: Timestamp) -> Item {
    let mut item = Item::new(id, &text(&body["label"]), body["displayOrder"].as_i64().unwrap_or(0), now);
    item.touch("CREATE", now);
    item
}

fn change(item: &mut Item, body: &Json, now: Timestamp) {
    if let Some(label) = body["label"].as_str() {
        label.clone_into(&mut item.label);
    }
    if let Some(order) = body["displayOrder"].as_i64() {
        item.order = order;
    }
    item.touch("UPDATE", now);
}

fn needs(body: &Json, names: &[&str]) -> Result<(), Refusal> {
    let missing: Vec<&str> = names.iter().copied().filter(|name| body[*name].is_null()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message =
        format!("Invalid input JSON on line 1, column 2: Some required fields were not set: [{}]", missing.join(", "));
    Err(Refusal::new(400, "VALIDATION_ERROR", message))
}
