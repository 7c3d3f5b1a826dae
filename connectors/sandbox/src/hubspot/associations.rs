//! Links between records, in both directions (CONTRACT 8).
//!
//! Always true: a link stands at both ends, each with the types of its direction; a type that does not fit the
//! direction is refused and nothing is written; a record has one primary company at most, and making a company primary
//! makes the plain link too; removing the plain type removes the link.
//! Not here: labels that an account defines, activities other than notes.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{Answer, Refusal, error, no_route, text};
use super::write::Write;

/// One end of a link: the record at the other end, and the types in this direction.
#[derive(Debug, Clone)]
pub(super) struct Linked {
    pub(super) id: u64,
    pub(super) types: BTreeSet<i64>,
}

/// From, to, type there, type back: what HubSpot defines between the objects it starts with.
const PLAIN: [(&str, &str, i64, i64); 14] = [
    ("0-1", "0-2", 279, 280),
    ("0-1", "0-3", 4, 3),
    ("0-3", "0-2", 341, 342),
    ("0-1", "0-5", 15, 16),
    ("0-5", "0-2", 339, 340),
    ("0-3", "0-5", 27, 28),
    ("0-46", "0-1", 202, 201),
    ("0-46", "0-2", 190, 189),
    ("0-46", "0-3", 214, 213),
    ("0-46", "0-5", 228, 227),
    ("0-1", "0-1", 449, 449),
    ("0-2", "0-2", 450, 450),
    ("0-3", "0-3", 451, 451),
    ("0-5", "0-5", 452, 452),
];

/// The same of primary companies.
const PRIMARY: [(&str, &str, i64, i64); 3] = [("0-1", "0-2", 1, 2), ("0-3", "0-2", 5, 6), ("0-5", "0-2", 26, 25)];

/// Inputs of one batch of reads, and of writes.
const INPUTS: [usize; 2] = [1_000, 2_000];

fn directed(table: &[(&str, &str, i64, i64)], from: &str, to: &str) -> Option<i64> {
    table.iter().find_map(|(a, b, there, back)| match (from, to) {
        (f, t) if f == *a && t == *b => Some(*there),
        (f, t) if f == *b && t == *a => Some(*back),
        _ => None,
    })
}

impl HubSpot {
    /// The plain type from one object to another, the lock's before HubSpot's.
    pub(super) fn link_type(&self, from: &str, to: &str) -> Option<i64> {
        let of_lock = || {
            let target = self.entity_name(to)?;
            self.lock.entities.get(self.entity_name(from)?)?.links.values().find(|link| link.to == target)?.remote
        };
        of_lock().or_else(|| directed(&PLAIN, from, to))
    }

    /// The object that a type leads to from another.
    pub(super) fn target_of(&self, from: &str, ty: i64) -> Option<String> {
        let kinds: Vec<String> = self.lock.entities.values().filter_map(|entity| entity.remote.clone()).collect();
        kinds.into_iter().find(|to| self.fits_direction(from, to, ty))
    }

    fn fits_direction(&self, from: &str, to: &str, ty: i64) -> bool {
        self.link_type(from, to) == Some(ty) || directed(&PRIMARY, from, to) == Some(ty)
    }

    /// Links of a record to live records of a type, in the order in which they were made.
    pub(super) fn links_of(&self, kind: &str, id: u64, to: &str) -> impl Iterator<Item = &Linked> {
        let live = |kind: &str, id: u64| self.records.get(kind).and_then(|r| r.get(&id)).is_some_and(|r| !r.archived);
        let links = self.links.get(&(kind.to_owned(), id, to.to_owned())).filter(|_| live(kind, id));
        let records = self.records.get(to);
        links
            .into_iter()
            .flatten()
            .filter(move |link| records.and_then(|r| r.get(&link.id)).is_some_and(|r| !r.archived))
    }

    /// Links two records; a link that is there gets the type besides.
    pub(super) fn associate(&mut self, from: (&str, u64), to: (&str, u64), ty: i64, write: Write) {
        let primary = directed(&PRIMARY, from.0, to.0) == Some(ty);
        if primary {
            self.only_primary(from, to);
        }
        for (a, b) in [(from, to), (to, from)] {
            let plain = self.link_type(a.0, b.0).unwrap_or_default();
            let first = self.add_type(a, b, plain);
            let second = primary && self.add_type(a, b, directed(&PRIMARY, a.0, b.0).unwrap_or_default());
            for (new, is_primary) in [(first, false), (second, true)] {
                if new {
                    self.report_linked(a, b, is_primary, false, write);
                }
            }
        }
    }

    fn add_type(&mut self, from: (&str, u64), to: (&str, u64), ty: i64) -> bool {
        let links = self.links.entry((from.0.to_owned(), from.1, to.0.to_owned())).or_default();
        match links.iter_mut().find(|link| link.id == to.1) {
            Some(link) => link.types.insert(ty),
            None => {
                links.push(Linked { id: to.1, types: BTreeSet::from([ty]) });
                true
            }
        }
    }

    /// Takes the primary mark from the other companies of a record.
    fn only_primary(&mut self, from: (&str, u64), to: (&str, u64)) {
        let (record, company) = if to.0 == "0-2" { (from, to) } else { (to, from) };
        let (there, back) = (directed(&PRIMARY, record.0, "0-2"), directed(&PRIMARY, "0-2", record.0));
        let mut others = Vec::new();
        for link in self.links.entry((record.0.to_owned(), record.1, "0-2".to_owned())).or_default() {
            if link.id != company.1 && there.is_some_and(|ty| link.types.remove(&ty)) {
                others.push(link.id);
            }
        }
        for other in others {
            for link in self.links.entry(("0-2".to_owned(), other, record.0.to_owned())).or_default() {
                if link.id == record.1 {
                    link.types.retain(|ty| Some(*ty) != back);
                }
            }
        }
    }

    /// Removes a link, or one type of it; without the plain type nothing is left.
    pub(super) fn dissociate(&mut self, from: (&str, u64), to: (&str, u64), ty: Option<i64>, write: Write) {
        let primary = ty.is_some() && ty == directed(&PRIMARY, from.0, to.0);
        for (a, b) in [(from, to), (to, from)] {
            let Some(links) = self.links.get_mut(&(a.0.to_owned(), a.1, b.0.to_owned())) else { continue };
            let Some(at) = links.iter().position(|link| link.id == b.1) else { continue };
            let removed = if primary {
                directed(&PRIMARY, a.0, b.0).is_some_and(|ty| links[at].types.remove(&ty))
            } else {
                links.remove(at);
                true
            };
            if removed {
                self.report_linked(a, b, primary, true, write);
            }
        }
    }

    /// Removes every link of a record that is no more.
    pub(super) fn cut_links(&mut self, kind: &str, id: u64) {
        let keys = self.link_keys(kind, id);
        for key in keys {
            for link in self.links.remove(&key).into_iter().flatten() {
                if let Some(back) = self.links.get_mut(&(key.2.clone(), link.id, kind.to_owned())) {
                    back.retain(|link| link.id != id);
                }
            }
        }
    }

    /// Gives the links of a record that was merged to the one that lives. It keeps its own primary company.
    pub(super) fn move_links(&mut self, kind: &str, old: u64, new: u64) {
        for key in self.link_keys(kind, old) {
            let to = key.2.clone();
            let primary = directed(&PRIMARY, kind, &to);
            let moved = self.links.remove(&key).unwrap_or_default();
            let own = self.links.entry((kind.to_owned(), new, to.clone())).or_default();
            let has_primary =
                kind != "0-2" && own.iter().any(|link| primary.is_some_and(|ty| link.types.contains(&ty)));
            let mut ends = Vec::new();
            for mut link in moved {
                if has_primary {
                    link.types.retain(|ty| Some(*ty) != primary);
                }
                ends.push((link.id, link.types.len()));
                match own.iter_mut().find(|known| known.id == link.id) {
                    Some(known) => known.types.extend(link.types),
                    None => own.push(link),
                }
            }
            for (other, _) in ends {
                let Some(back) = self.links.get_mut(&(to.clone(), other, kind.to_owned())) else { continue };
                let Some(at) = back.iter().position(|link| link.id == old) else { continue };
                let mut types = std::mem::take(&mut back[at].types);
                if has_primary {
                    types.retain(|ty| Some(*ty) != directed(&PRIMARY, &to, kind));
                }
                match back.iter().position(|link| link.id == new) {
                    Some(known) => {
                        back[known].types.extend(types);
                        back.remove(at);
                    }
                    None => back[at] = Linked { id: new, types },
                }
            }
        }
    }

    fn link_keys(&self, kind: &str, id: u64) -> Vec<(String, u64, String)> {
        let first = (kind.to_owned(), id, String::new());
        let of_record = |key: &&(String, u64, String)| key.0 == kind && key.1 == id;
        self.links.range(first..).map(|(key, _)| key).take_while(of_record).cloned().collect()
    }

    /// Adds the links to one object to a record that is shown: an entry for each type.
    pub(super) fn add_associations(&self, kind: &str, id: u64, to: &str, shown: &mut Json) {
        let target = self.type_id(to);
        let (from, name) = (self.entity_name(kind).unwrap_or_default(), self.entity_name(&target).unwrap_or_default());
        let plain = format!("{from}_to_{name}").to_lowercase();
        let mut results = Vec::new();
        for link in self.links_of(kind, id, &target) {
            for ty in &link.types {
                let primary = directed(&PRIMARY, kind, &target) == Some(*ty);
                let label = if primary { plain.clone() } else { format!("{plain}_unlabeled") };
                results.push(json!({"id": link.id.to_string(), "type": label}));
            }
        }
        if !results.is_empty() {
            shown["associations"][to] = json!({ "results": results });
        }
    }

    pub(super) fn association_labels(&mut self, from: &str, to: &str) -> Answer {
        self.calls.reads += 1;
        let labelled = |ty: Option<i64>, label: Json| {
            ty.map(|ty| json!({"category": "HUBSPOT_DEFINED", "typeId": ty, "label": label}))
        };
        let plain = labelled(self.link_type(from, to), Json::Null);
        let primary = labelled(directed(&PRIMARY, from, to), "Primary".into());
        let results: Vec<Json> = primary.into_iter().chain(plain).collect();
        (200, json!({ "results": results }))
    }

    /// `/{from}/{id}/associations/{to}…`
    pub(super) fn association_routes(
        &mut self,
        method: &Method,
        from: (&str, &str),
        to: &str,
        rest: &[&str],
        body: &Json,
        write: Write,
    ) -> Answer {
        // `…/associations/default/{to}/{id}`
        if let (&Method::PUT, "default", [target, id]) = (method, to, rest) {
            let target = self.type_id(target);
            self.calls.writes += 1;
            return match self.ends(from, (&target, id)) {
                Ok((a, b)) => {
                    let Some(ty) = self.link_type(from.0, &target) else {
                        return wrong_type(from.0, &target, 0).answer();
                    };
                    self.associate((from.0, a), (&target, b), ty, write);
                    let back = self.link_type(&target, from.0).unwrap_or_default();
                    let end = |from: u64, to: u64, ty: i64| json!({"from": {"id": from.to_string()}, "to": {"id": to.to_string()}, "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ty}});
                    (200, json!({"status": "COMPLETE", "results": [end(a, b, ty), end(b, a, back)]}))
                }
                Err(refusal) => refusal.answer(),
            };
        }
        match (method.as_str(), rest) {
            ("GET", []) => {
                self.calls.reads += 1;
                let Some(id) = self.locate(from.0, None, from.1) else { return Refusal::no_record(from.1).answer() };
                let results: Vec<Json> =
                    self.links_of(from.0, id, to).map(|link| self.linked_view(from.0, to, link)).collect();
                (200, json!({ "results": results }))
            }
            ("PUT", [target]) => {
                self.calls.writes += 1;
                let (a, b) = match self.ends(from, (to, target)) {
                    Ok(ends) => ends,
                    Err(refusal) => return refusal.answer(),
                };
                let types: Vec<i64> =
                    body.as_array().into_iter().flatten().filter_map(|t| t["associationTypeId"].as_i64()).collect();
                if let Some(wrong) = types.iter().find(|ty| !self.fits_direction(from.0, to, **ty)) {
                    return wrong_type(from.0, to, *wrong).answer();
                }
                // It replaces what was there.
                let primary = directed(&PRIMARY, from.0, to);
                if let Some(primary) = primary.filter(|primary| !types.contains(primary)) {
                    self.dissociate((from.0, a), (to, b), Some(primary), write);
                }
                for ty in types {
                    self.associate((from.0, a), (to, b), ty, write);
                }
                (201, made(from.0, a, to, b))
            }
            ("DELETE", [target]) => {
                self.calls.writes += 1;
                if let Ok((a, b)) = self.ends(from, (to, target)) {
                    self.dissociate((from.0, a), (to, b), None, write);
                }
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    fn linked_view(&self, from: &str, to: &str, link: &Linked) -> Json {
        let ty = |ty: &i64| {
            let primary = directed(&PRIMARY, from, to) == Some(*ty);
            json!({"category": "HUBSPOT_DEFINED", "typeId": ty, "label": if primary { "Primary".into() } else { Json::Null }})
        };
        // Ids are numbers here, whatever the specification says.
        json!({"toObjectId": link.id, "associationTypes": link.types.iter().map(ty).collect::<Vec<_>>()})
    }

    fn ends(&self, from: (&str, &str), to: (&str, &str)) -> Result<(u64, u64), Refusal> {
        let find = |(kind, id): (&str, &str)| {
            let invalid = || Refusal {
                sub_category: "crm.associations.INVALID_IDENTIFIER",
                context: json!({"id": [id]}),
                ..Refusal::new(400, "VALIDATION_ERROR", format!("{id} is not a valid ID"))
            };
            self.locate(kind, None, id).ok_or_else(invalid)
        };
        let (a, b) = (find(from)?, find(to)?);
        if from.0 == to.0 && a == b {
            return Err(Refusal::new(
                400,
                "VALIDATION_ERROR",
                format!("Object {a} cannot be associated to itself ({a})"),
            ));
        }
        Ok((a, b))
    }

    pub(super) fn association_batch(
        &mut self,
        from: &str,
        to: &str,
        what: &[&str],
        body: &Json,
        write: Write,
    ) -> Answer {
        let inputs: Vec<Json> = body["inputs"].as_array().cloned().unwrap_or_default();
        let most = if what == ["read"] { INPUTS[0] } else { INPUTS[1] };
        if inputs.len() > most {
            return error(
                400,
                "VALIDATION_ERROR",
                &format!("The maximum number of inputs in a batch request is {most}"),
            );
        }
        match what {
            ["read"] => {
                self.calls.reads += 1;
                let mut results = Vec::new();
                for input in &inputs {
                    let Some(id) = self.locate(from, None, &text(&input["id"])) else { continue };
                    let links: Vec<Json> =
                        self.links_of(from, id, to).map(|link| self.linked_view(from, to, link)).collect();
                    if !links.is_empty() {
                        results.push(json!({"from": {"id": text(&input["id"])}, "to": links}));
                    }
                }
                self.shuffle(&mut results);
                (200, json!({"status": "COMPLETE", "results": results}))
            }
            ["create"] | ["associate", "default"] => self.associate_all(from, to, what == ["create"], &inputs, write),
            ["archive"] | ["labels", "archive"] => {
                self.calls.writes += 1;
                for input in &inputs {
                    // Labels stand beside one target, plain removals beside a list of them.
                    let targets = input["to"].as_array().cloned().unwrap_or_else(|| vec![input["to"].clone()]);
                    for target in targets {
                        let ends = self.ends((from, &text(&input["from"]["id"])), (to, &text(&target["id"])));
                        let Ok((a, b)) = ends else { continue };
                        if what == ["archive"] {
                            self.dissociate((from, a), (to, b), None, write);
                        }
                        for ty in input["types"].as_array().into_iter().flatten().filter(|_| what != ["archive"]) {
                            self.dissociate((from, a), (to, b), ty["associationTypeId"].as_i64(), write);
                        }
                    }
                }
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    fn associate_all(&mut self, from: &str, to: &str, typed: bool, inputs: &[Json], write: Write) -> Answer {
        self.calls.writes += 1;
        // A wrong type spoils the request before anything is written, a wrong id only its pair.
        let plain = self.link_type(from, to);
        let mut pairs = Vec::new();
        for input in inputs {
            let types: Vec<i64> = if typed {
                input["types"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|ty| ty["associationTypeId"].as_i64())
                    .collect()
            } else {
                plain.into_iter().collect()
            };
            if let Some(wrong) = types.iter().find(|ty| !self.fits_direction(from, to, **ty)) {
                return wrong_type(from, to, *wrong).answer();
            }
            if types.is_empty() {
                return wrong_type(from, to, 0).answer();
            }
            let ends = self.ends((from, &text(&input["from"]["id"])), (to, &text(&input["to"]["id"])));
            pairs.push((ends, types));
        }
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for (ends, types) in pairs {
            match ends {
                Ok((a, b)) => {
                    for ty in types {
                        self.associate((from, a), (to, b), ty, write);
                    }
                    results.push(made(from, a, to, b));
                }
                Err(refusal) => errors.push(refusal.body()),
            }
        }
        self.shuffle(&mut results);
        let mut answer = json!({"status": "COMPLETE", "results": results});
        if errors.is_empty() {
            return (if typed { 201 } else { 200 }, answer);
        }
        answer["numErrors"] = errors.len().into();
        answer["errors"] = errors.into();
        (207, answer)
    }
}

fn made(from: &str, a: u64, to: &str, b: u64) -> Json {
    json!({"fromObjectTypeId": from, "fromObjectId": a, "toObjectTypeId": to, "toObjectId": b, "labels": []})
}

fn wrong_type(from: &str, to: &str, ty: i64) -> Refusal {
    Refusal::new(400, "VALIDATION_ERROR", format!("Association type {ty} from {from} to {to} is not valid"))
}
