//! Pipelines of deals and tickets with their stages, as `/crm/v3/pipelines` and its dated form show them (CONTRACT 3.7).
//!
//! In: the options of the stage property. Out: the one pipeline that an account starts with.
//! Always true: a stage is here exactly if the stage property accepts it. Not here: making or changing pipelines.

use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{Answer, error};

/// Default items have the time 0.
const BEGINNING: &str = "1970-01-01T00:00:00Z";

/// Chances of the stages that an account starts with.
const CHANCES: [(&str, &str); 7] = [
    ("appointmentscheduled", "0.2"),
    ("qualifiedtobuy", "0.4"),
    ("presentationscheduled", "0.6"),
    ("decisionmakerboughtin", "0.8"),
    ("contractsent", "0.9"),
    ("closedwon", "1.0"),
    ("closedlost", "0.0"),
];

impl HubSpot {
    pub(super) fn pipeline_routes(&mut self, method: &Method, kind: &str, rest: &[&str]) -> Answer {
        self.calls.reads += 1;
        let not_found = || error(404, "OBJECT_NOT_FOUND", "resource not found");
        if method != Method::GET {
            return not_found();
        }
        let Some(pipeline) = self.pipeline(kind) else {
            return error(400, "VALIDATION_ERROR", &format!("Objects of type {kind} have no pipelines"));
        };
        let named = |id: &str| pipeline["id"] == id;
        match rest {
            [] => (200, json!({"results": [pipeline]})),
            [id] if named(id) => (200, pipeline),
            [id, "stages"] if named(id) => (200, json!({"results": pipeline["stages"]})),
            _ => not_found(),
        }
    }

    fn pipeline(&self, kind: &str) -> Option<Json> {
        let (property, id, label) = match kind {
            "0-3" => ("dealstage", "default", "Sales Pipeline"),
            "0-5" => ("hs_pipeline_stage", "0", "Support Pipeline"),
            _ => return None,
        };
        let options = &self.definition(kind, property)?.options;
        let stage = |(order, (value, label)): (usize, &(String, String))| {
            // Values of metadata are text.
            let metadata = if kind == "0-3" {
                let chance = CHANCES.iter().find(|(stage, _)| stage == value).map_or("0.5", |(_, chance)| chance);
                json!({"probability": chance, "isClosed": value.starts_with("closed").to_string()})
            } else {
                json!({"ticketState": if order + 1 == options.len() { "CLOSED" } else { "OPEN" }})
            };
            json!({"id": value, "label": label, "displayOrder": order, "metadata": metadata,
                   "createdAt": BEGINNING, "updatedAt": BEGINNING, "archived": false})
        };
        let stages: Vec<Json> = options.iter().enumerate().map(stage).collect();
        Some(json!({"id": id, "label": label, "displayOrder": 0, "stages": stages,
                    "createdAt": BEGINNING, "updatedAt": BEGINNING, "archived": false}))
    }
}
