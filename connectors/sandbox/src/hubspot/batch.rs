//! Batches (CONTRACT 3.1, 3.5): a hundred inputs, all or nothing without trace ids, part by part with them.
//!
//! Always true: results come in no order; an id stands once in a batch or the whole of it is refused; an update of an
//! id that was merged away is passed over without a word.

use std::collections::BTreeSet;

use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::record::Wanted;
use super::reply::{Answer, Refusal, error, names, no_route, text, values};
use super::target::Query;
use super::write::{New, Write};

/// Inputs of one batch.
const INPUTS: usize = 100;

/// What became of one input: a record, whether it is new, and what it shows; nothing for one that is passed over.
type Done = Result<Option<(u64, bool)>, Refusal>;

impl HubSpot {
    pub(super) fn batch(&mut self, kind: &str, what: &str, (body, query): (&Json, &Query), write: Write) -> Answer {
        let Some(inputs) = body["inputs"].as_array().cloned() else {
            return error(400, "VALIDATION_ERROR", "Some required fields were not set: [inputs]");
        };
        if inputs.len() > INPUTS {
            return error(400, "VALIDATION_ERROR", "The maximum number of inputs in a batch request is 100");
        }
        if what != "create"
            && let Some(refusal) = twice(&inputs)
        {
            return refusal.answer();
        }
        match what {
            "read" => self.batch_read(kind, (body, query), &inputs, write),
            "archive" => {
                self.calls.writes += 1;
                for input in &inputs {
                    if let Ok(id) = text(&input["id"]).parse() {
                        self.remove(kind, id, write);
                    }
                }
                (204, Json::Null)
            }
            "create" | "update" | "upsert" => self.batch_write(kind, what, &inputs, write),
            _ => no_route(),
        }
    }

    fn batch_read(&mut self, kind: &str, (body, query): (&Json, &Query), inputs: &[Json], write: Write) -> Answer {
        self.calls.reads += 1;
        let by = body["idProperty"].as_str();
        if let Err(refusal) = self.unique_key(kind, by, "read") {
            return refusal.answer();
        }
        let (wanted, history) = (names(&body["properties"]), names(&body["propertiesWithHistory"]));
        let wanted = if wanted.is_empty() { Wanted::Usual } else { Wanted::Named(&wanted) };
        let mut found: BTreeSet<u64> = BTreeSet::new();
        let archived = query.flag("archived");
        let mut missing = Vec::new();
        for input in inputs {
            let id = text(&input["id"]);
            let place = if archived { self.locate_archived(kind, &id) } else { self.locate(kind, by, &id) };
            match place {
                Some(record) => {
                    found.insert(record);
                }
                None => missing.push(id),
            }
        }
        let mut results: Vec<Json> = Vec::new();
        for id in found {
            let mut shown = self.shown(kind, id, wanted);
            self.add_history(kind, id, &history, &mut shown);
            results.push(shown);
        }
        let errors = if missing.is_empty() { Vec::new() } else { vec![self.absent(kind, &missing).body()] };
        self.batch_answer(200, results, errors, write.now)
    }

    fn absent(&self, kind: &str, ids: &[String]) -> Refusal {
        let entity = self.types.get(kind).map(|ty| ty.singular.to_uppercase()).unwrap_or_default();
        let message =
            format!("Could not get some {entity} objects, they may be deleted or not exist. Check that ids are valid.");
        Refusal { context: json!({ "ids": ids }), ..Refusal::new(404, "OBJECT_NOT_FOUND", message) }
    }

    /// The answer to a batch: results in no order, and 207 where something of it failed.
    pub(super) fn batch_answer(
        &mut self,
        status: u16,
        mut results: Vec<Json>,
        errors: Vec<Json>,
        now: Timestamp,
    ) -> Answer {
        self.shuffle(&mut results);
        let at = now.to_string();
        let mut answer = json!({"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at});
        if errors.is_empty() {
            return (status, answer);
        }
        answer["numErrors"] = errors.len().into();
        answer["errors"] = errors.into();
        (207, answer)
    }

    fn batch_write(&mut self, kind: &str, what: &str, inputs: &[Json], write: Write) -> Answer {
        self.calls.writes += 1;
        for input in inputs {
            if let Err(refusal) = self.unique_key(kind, input["idProperty"].as_str(), "update/upsert") {
                return refusal.answer();
            }
        }
        let traces: BTreeSet<&str> = inputs.iter().filter_map(|input| input["objectWriteTraceId"].as_str()).collect();
        // Only with an id of its own can the refusal of an input be told.
        let traced = traces.len() == inputs.len();
        let done = if traced {
            inputs.iter().map(|input| self.write_one(kind, what, input, write)).collect()
        } else {
            match self.all_or_nothing(kind, what, inputs, write) {
                Ok(done) => done,
                Err(refusal) => return refusal.answer(),
            }
        };
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for (input, done) in inputs.iter().zip(done) {
            let trace = input["objectWriteTraceId"].as_str();
            match done {
                Ok(Some((id, new))) => {
                    self.calls.records += 1;
                    let named: Vec<String> = values(&input["properties"]).into_keys().collect();
                    let mut shown = self.shown(kind, id, if new { Wanted::All } else { Wanted::Named(&named) });
                    if let Some(trace) = trace {
                        shown["objectWriteTraceId"] = trace.into();
                    }
                    if what == "upsert" {
                        shown["new"] = new.into();
                    }
                    results.push(shown);
                }
                Ok(None) => (),
                Err(refusal) => {
                    let mut error = refusal.body();
                    if let Some(existing) = refusal.existing {
                        error["context"]["existingId"] = json!([existing.to_string()]);
                    }
                    if let Some(trace) = trace {
                        error["context"]["objectWriteTraceId"] = json!([trace]);
                    }
                    errors.push(error);
                }
            }
        }
        self.batch_answer(if what == "create" { 201 } else { 200 }, results, errors, write.now)
    }

    fn write_one(&mut self, kind: &str, what: &str, input: &Json, write: Write) -> Done {
        if what == "create" {
            let new = self.prepare(kind, input, write)?;
            return Ok(Some((self.put(kind, new, write), true)));
        }
        match self.target(kind, what, input)? {
            Target::Passed => Ok(None),
            Target::Known(id) => {
                self.change(kind, id, &values(&input["properties"]), write).map(|()| Some((id, false)))
            }
            Target::New(input) => {
                let new = self.prepare(kind, &input, write)?;
                Ok(Some((self.put(kind, new, write), true)))
            }
        }
    }

    /// Checks every input before the first is written. Records that are not there are told one by one all the same.
    fn all_or_nothing(&mut self, kind: &str, what: &str, inputs: &[Json], write: Write) -> Result<Vec<Done>, Refusal> {
        let mut plans: Vec<Result<Plan, Refusal>> = Vec::new();
        // As long as none is written, two inputs with one unique value are each without a fault.
        let mut claimed: BTreeSet<(String, String)> = BTreeSet::new();
        for input in inputs {
            let target = if what == "create" { Ok(Target::New(input.clone())) } else { self.target(kind, what, input) };
            let (plan, values) = match target {
                Ok(Target::New(input)) => {
                    let new = self.prepare(kind, &input, write)?;
                    let values = new.values.clone();
                    (Ok(Plan::Make(new)), values)
                }
                Ok(Target::Known(id)) => {
                    let values = values(&input["properties"]);
                    let checked = self.prepare_change(kind, id, &values)?;
                    (Ok(Plan::Change(id, values)), checked)
                }
                Ok(Target::Passed) => (Ok(Plan::Pass), Default::default()),
                Err(refusal) => (Err(refusal), Default::default()),
            };
            for (name, value) in values {
                let unique = self.definition(kind, &name).is_some_and(|definition| definition.unique);
                if unique && !value.is_empty() && !claimed.insert((name.clone(), value.clone())) {
                    let message = format!("Property {name} has the value {value} in more than one input");
                    return Err(Refusal::new(400, "VALIDATION_ERROR", message));
                }
            }
            plans.push(plan);
        }
        let mut done = Vec::with_capacity(plans.len());
        for plan in plans {
            done.push(match plan {
                Ok(Plan::Make(new)) => Ok(Some((self.put(kind, new, write), true))),
                Ok(Plan::Change(id, values)) => self.change(kind, id, &values, write).map(|()| Some((id, false))),
                Ok(Plan::Pass) => Ok(None),
                Err(refusal) => Err(refusal),
            });
        }
        Ok(done)
    }

    /// The record that an input of an update or upsert is about.
    fn target(&self, kind: &str, what: &str, input: &Json) -> Result<Target, Refusal> {
        let (id, by) = (text(&input["id"]), input["idProperty"].as_str());
        if by.is_none() && id.parse().is_ok_and(|id| self.living(kind, id) != id) {
            return Ok(Target::Passed);
        }
        match (self.locate(kind, by, &id), by) {
            (Some(id), _) => Ok(Target::Known(id)),
            (None, Some(by)) if what == "upsert" => {
                let mut input = input.clone();
                input["properties"][by] = id.into();
                Ok(Target::New(input))
            }
            (None, _) => Err(self.absent(kind, &[id])),
        }
    }

    pub(super) fn shuffle(&mut self, results: &mut [Json]) {
        for index in (1..results.len()).rev() {
            let other = (self.roll() % (index as u64 + 1)) as usize;
            results.swap(index, other);
        }
    }
}

/// Which record an input is about.
enum Target {
    Known(u64),
    New(Json),
    /// Merged away: not a word is said of it.
    Passed,
}

/// An input that was checked.
enum Plan {
    Make(New),
    Change(u64, std::collections::BTreeMap<String, String>),
    Pass,
}

/// The refusal of a batch in which an id stands twice.
fn twice(inputs: &[Json]) -> Option<Refusal> {
    let mut ids: Vec<String> = inputs.iter().map(|input| text(&input["id"])).collect();
    ids.sort();
    let pair = ids.windows(2).find(|pair| pair[0] == pair[1])?;
    let message = format!("Duplicate IDs found in batch input: [{}]. IDs must be unique", pair[0]);
    Some(Refusal { context: json!({"ids": [pair[0]]}), ..Refusal::new(400, "VALIDATION_ERROR", message) })
}
