//! Associations over HTTP (CONTRACT 8): of one record and in batches, in the shapes of version 4, with those of version
//! 3 beside them, and the labels of a pair of types.
//!
//! Always true: a type that does not fit the direction is refused and nothing is written; in batches a wrong id spoils
//! its pair alone; a record without links is told among the errors.

use std::sync::Arc;

use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::link_types::{Category, LinkType};
use super::links::{End, Linked};
use super::record::Wanted;
use super::reply::{Answer, Refusal, error, no_route, text};
use super::target::Query;
use super::write::Write;

/// Inputs of one batch of reads, and of writes.
const INPUTS: [usize; 2] = [1_000, 2_000];
/// Links of one page.
const PAGE: usize = 500;

impl HubSpot {
    /// Adds the links to one object to a record that is shown: an entry for each type.
    pub(super) fn add_associations(&self, kind: &str, id: u64, to: &str, shown: &mut Json) {
        let target = self.type_id(to);
        let results: Vec<Json> =
            self.links_of(kind, id, &target).flat_map(|link| self.named_ends(kind, &target, link)).collect();
        if !results.is_empty() {
            shown["associations"][to] = json!({ "results": results });
        }
    }

    /// A link in the shape of version 3: an entry for each type, with its name.
    fn named_ends(&self, from: &str, to: &str, link: &Linked) -> Vec<Json> {
        let named = |ty: &LinkType| json!({"id": link.id.to_string(), "type": self.link_name(from, to, *ty)});
        link.types.iter().map(named).collect()
    }

    /// `contact_to_company`; where a pair knows a primary, its plain type is `…_unlabeled`.
    fn link_name(&self, from: &str, to: &str, ty: LinkType) -> String {
        let kinds = self.link_types.between(from, to);
        let kind = kinds.iter().find(|kind| kind.ty == ty);
        if let Some(name) = kind.and_then(|kind| kind.name.clone()) {
            return name;
        }
        let single = |kind: &str| self.types.get(kind).map(|ty| ty.singular.clone()).unwrap_or_default();
        let unlabeled = kind.is_some_and(|kind| !kind.primary) && kinds.iter().any(|kind| kind.primary);
        format!("{}_to_{}{}", single(from), single(to), if unlabeled { "_unlabeled" } else { "" })
    }

    /// `/crm/v4/objects/{from}/{id}/associations/{to}…`
    pub(super) fn association_routes(
        &mut self,
        method: &Method,
        from: (&str, &str),
        to: &str,
        rest: &[&str],
        (body, query): (&Json, &Query),
        write: Write,
    ) -> Answer {
        // `…/associations/default/{to}/{id}`
        if let (&Method::PUT, "default", [target, id]) = (method, to, rest) {
            let target = self.type_id(target);
            self.calls.writes += 1;
            return match self.both_ends(from, (&target, id)) {
                Ok((a, b)) => match self.link_types.plain(from.0, &target).map(|plain| plain.ty) {
                    Some(ty) => {
                        let (results, at) =
                            (self.associate_plainly((from.0, a), (&target, b), ty, write), write.now.to_string());
                        (200, json!({"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}))
                    }
                    None => wrong_type(from.0, &target, 0).answer(),
                },
                Err(refusal) => refusal.answer(),
            };
        }
        match (method.as_str(), rest) {
            ("GET", []) => self.list_links(from, to, query),
            ("PUT", [target]) => {
                self.calls.writes += 1;
                let (a, b) = match self.both_ends(from, (to, target)) {
                    Ok(ends) => ends,
                    Err(refusal) => return refusal.answer(),
                };
                let types: Vec<LinkType> = body.as_array().into_iter().flatten().map(LinkType::read).collect();
                if let Some(wrong) = types.iter().find(|ty| self.link_types.find(from.0, to, **ty).is_none()) {
                    return wrong_type(from.0, to, wrong.id).answer();
                }
                // It replaces what was there, but for the plain type.
                let plain = self.link_types.plain(from.0, to).map(|plain| plain.ty);
                let held = self.types_of((from.0, a), (to, b));
                for ty in held.into_iter().filter(|ty| Some(*ty) != plain && !types.contains(ty)) {
                    self.dissociate((from.0, a), (to, b), Some(ty), write);
                }
                for ty in types {
                    self.associate((from.0, a), (to, b), ty, write);
                }
                (201, self.made((from.0, a), (to, b)))
            }
            ("DELETE", [target]) => {
                self.calls.writes += 1;
                if let Ok((a, b)) = self.both_ends(from, (to, target)) {
                    self.dissociate((from.0, a), (to, b), None, write);
                }
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    /// `/crm/v3/objects/{from}/{id}/associations/{to}…`, whose types are names or numbers.
    pub(super) fn named_association_routes(
        &mut self,
        method: &Method,
        from: (&str, &str),
        to: &str,
        rest: &[&str],
        query: &Query,
        write: Write,
    ) -> Answer {
        match (method.as_str(), rest) {
            ("GET", []) => {
                self.calls.reads += 1;
                let Some(id) = self.locate(from.0, None, from.1) else { return Refusal::no_record(from.1).answer() };
                let (links, after) = match self.page_of_links((from.0, id), to, query) {
                    Ok(page) => page,
                    Err(answer) => return answer,
                };
                let results: Vec<Json> = links.iter().flat_map(|link| self.named_ends(from.0, to, link)).collect();
                (200, self.paged(results, after, query))
            }
            ("PUT" | "DELETE", [target, ty]) => {
                self.calls.writes += 1;
                let (a, b) = match self.both_ends(from, (to, target)) {
                    Ok(ends) => ends,
                    Err(refusal) => return refusal.answer(),
                };
                let Some(ty) = self.named_type(from.0, to, ty) else { return wrong_type(from.0, to, 0).answer() };
                if method == Method::PUT {
                    self.associate((from.0, a), (to, b), ty, write);
                    return (200, self.shown(from.0, a, Wanted::Usual));
                }
                self.dissociate((from.0, a), (to, b), Some(ty), write);
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    /// The type that a name or a number means; a number is HubSpot's before it is the account's.
    fn named_type(&self, from: &str, to: &str, name: &str) -> Option<LinkType> {
        let kinds = self.link_types.between(from, to);
        let named = |ty: LinkType| ty.id.to_string() == name || self.link_name(from, to, ty) == name;
        kinds.iter().map(|kind| kind.ty).find(|ty| named(*ty))
    }

    fn list_links(&mut self, from: (&str, &str), to: &str, query: &Query) -> Answer {
        self.calls.reads += 1;
        let Some(id) = self.locate(from.0, None, from.1) else { return Refusal::no_record(from.1).answer() };
        match self.page_of_links((from.0, id), to, query) {
            Ok((links, after)) => {
                let results = links.iter().map(|link| self.linked_view(from.0, to, link)).collect();
                (200, self.paged(results, after, query))
            }
            Err(answer) => answer,
        }
    }

    /// The links of a page, and the cursor of the next.
    fn page_of_links(&self, from: End<'_>, to: &str, query: &Query) -> Result<(Vec<Linked>, Option<u64>), Answer> {
        let after = query.one("after").unwrap_or("0");
        let Ok(after) = after.parse() else {
            let message = format!("Cannot deserialize value of type `long` from String \"{after}\"");
            return Err(error(400, "VALIDATION_ERROR", &message));
        };
        let limit = query.number("limit", PAGE).clamp(1, PAGE);
        let mut links = self.links_from(from.0, from.1, to, after);
        let page = links.by_ref().take(limit).map(|(_, link)| link.clone()).collect();
        Ok((page, links.next().map(|(place, _)| place)))
    }

    fn linked_view(&self, from: &str, to: &str, link: &Linked) -> Json {
        let kinds = link.types.iter().filter_map(|ty| self.link_types.find(from, to, *ty));
        // Ids are numbers here, whatever the specification says.
        json!({"toObjectId": link.id, "associationTypes": kinds.map(|kind| kind.shown()).collect::<Vec<_>>()})
    }

    fn types_of(&self, from: End<'_>, to: End<'_>) -> Vec<LinkType> {
        let link = self.link_between(from, to);
        link.map(|link| link.types.iter().copied().collect()).unwrap_or_default()
    }

    /// Links two records by their plain type; both directions, as they are answered.
    fn associate_plainly(&mut self, from: End<'_>, to: End<'_>, ty: LinkType, write: Write) -> Vec<Json> {
        self.associate(from, to, ty, write);
        let back = self.link_types.find(from.0, to.0, ty).map_or(ty, |kind| kind.back);
        let end = |from: u64, to: u64, ty: LinkType| json!({"from": {"id": from.to_string()}, "to": {"id": to.to_string()}, "associationSpec": ty.shown()});
        vec![end(from.1, to.1, ty), end(to.1, from.1, back)]
    }

    /// What answers the making of a link with types: the labels that it has by now.
    fn made(&self, from: End<'_>, to: End<'_>) -> Json {
        let types = self.types_of(from, to);
        let kinds = types.iter().filter_map(|ty| self.link_types.find(from.0, to.0, *ty));
        let labels: Vec<&String> = kinds.filter_map(|kind| kind.label.as_ref()).collect();
        json!({"fromObjectTypeId": from.0, "fromObjectId": from.1, "toObjectTypeId": to.0, "toObjectId": to.1,
               "labels": labels})
    }

    fn both_ends(&self, from: (&str, &str), to: (&str, &str)) -> Result<(u64, u64), Refusal> {
        let find = |(kind, id): (&str, &str)| self.locate(kind, None, id).ok_or_else(|| no_id(id));
        let (a, b) = (find(from)?, find(to)?);
        if from.0 == to.0 && a == b {
            let message = format!("Object {a} cannot be associated to itself ({a})");
            return Err(Refusal::new(400, "VALIDATION_ERROR", message));
        }
        Ok((a, b))
    }

    /// `/crm/v4/associations/{from}/{to}/batch/…`
    pub(super) fn association_batch(
        &mut self,
        from: &str,
        to: &str,
        what: &[&str],
        body: &Json,
        write: Write,
    ) -> Answer {
        let inputs = match inputs(body, if what == ["read"] { INPUTS[0] } else { INPUTS[1] }) {
            Ok(inputs) => inputs,
            Err(answer) => return answer,
        };
        match what {
            ["read"] => self.read_all(from, to, &inputs, write, |twin, link| vec![twin.linked_view(from, to, link)]),
            ["create"] => self.associate_all(from, to, &inputs, write),
            ["associate", "default"] => self.associate_all_plainly(from, to, &inputs, write),
            ["archive"] | ["labels", "archive"] => {
                self.calls.writes += 1;
                for input in &inputs {
                    // Labels stand beside one target, plain removals beside a list of them.
                    let targets = input["to"].as_array().cloned().unwrap_or_else(|| vec![input["to"].clone()]);
                    for target in targets {
                        let ends = self.both_ends((from, &text(&input["from"]["id"])), (to, &text(&target["id"])));
                        let Ok((a, b)) = ends else { continue };
                        if what == ["archive"] {
                            self.dissociate((from, a), (to, b), None, write);
                        }
                        for ty in input["types"].as_array().into_iter().flatten().filter(|_| what != ["archive"]) {
                            self.dissociate((from, a), (to, b), Some(LinkType::read(ty)), write);
                        }
                    }
                }
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    /// `/crm/v3/associations/{from}/{to}/batch/…`
    pub(super) fn named_association_batch(
        &mut self,
        from: &str,
        to: &str,
        what: &str,
        body: &Json,
        write: Write,
    ) -> Answer {
        let inputs = match inputs(body, if what == "read" { INPUTS[0] } else { INPUTS[1] }) {
            Ok(inputs) => inputs,
            Err(answer) => return answer,
        };
        if what == "read" {
            return self.read_all(from, to, &inputs, write, |twin, link| twin.named_ends(from, to, link));
        }
        self.calls.writes += 1;
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in &inputs {
            let ends = self.both_ends((from, &text(&input["from"]["id"])), (to, &text(&input["to"]["id"])));
            let ty = self.named_type(from, to, &text(&input["type"])).ok_or_else(|| wrong_type(from, to, 0));
            match (ends, ty, what) {
                (Ok((a, b)), Ok(ty), "create") => {
                    self.associate((from, a), (to, b), ty, write);
                    results.push(input.clone());
                }
                (Ok((a, b)), Ok(ty), _) => self.dissociate((from, a), (to, b), Some(ty), write),
                (Err(refusal), _, _) | (_, Err(refusal), _) => errors.push(refusal.body()),
            }
        }
        match what {
            "create" => self.batch_answer(201, results, errors, write.now),
            "archive" => (204, Json::Null),
            _ => no_route(),
        }
    }

    /// `/crm/v3/associations/{from}/{to}/types`
    pub(super) fn association_names(&mut self, from: &str, to: &str) -> Answer {
        self.calls.reads += 1;
        let named = |ty: LinkType| json!({"id": ty.id.to_string(), "name": self.link_name(from, to, ty)});
        let results: Vec<Json> = self.link_types.between(from, to).iter().map(|kind| named(kind.ty)).collect();
        (200, json!({ "results": results }))
    }

    fn read_all(
        &mut self,
        from: &str,
        to: &str,
        inputs: &[Json],
        write: Write,
        shown: impl Fn(&Self, &Linked) -> Vec<Json>,
    ) -> Answer {
        self.calls.reads += 1;
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            let asked = text(&input["id"]);
            let Ok(id) = asked.parse() else {
                errors.push(no_id(&asked).body());
                continue;
            };
            let id = self.living(from, id);
            let after = text(&input["after"]).parse().unwrap_or(0);
            let mut links = self.links_from(from, id, to, after);
            let page: Vec<Json> = links.by_ref().take(INPUTS[0]).flat_map(|(_, link)| shown(self, link)).collect();
            let next = links.next().map(|(place, _)| place);
            drop(links);
            if page.is_empty() {
                // HubSpot answers a record without links by an error, and not by an empty list.
                errors.push(self.no_links(from, to, &asked).body());
                continue;
            }
            let mut result = json!({"from": {"id": asked}, "to": page});
            if let Some(next) = next {
                result["paging"] = json!({"next": {"after": next.to_string()}});
            }
            results.push(result);
        }
        self.batch_answer(200, results, errors, write.now)
    }

    fn no_links(&self, from: &str, to: &str, id: &str) -> Refusal {
        let single = |kind: &str| self.types.get(kind).map(|ty| ty.singular.clone()).unwrap_or_default();
        let (from, to) = (single(from), single(to));
        Refusal {
            sub_category: "crm.associations.NO_ASSOCIATIONS_FOUND",
            context: json!({"fromObjectId": [id], "fromObjectType": [from], "toObjectType": [to]}),
            ..Refusal::new(404, "OBJECT_NOT_FOUND", format!("No {to} is associated with {from} {id}."))
        }
    }

    fn associate_all(&mut self, from: &str, to: &str, inputs: &[Json], write: Write) -> Answer {
        self.calls.writes += 1;
        // A wrong type spoils the request before anything is written.
        let mut pairs = Vec::new();
        for input in inputs {
            let types: Vec<LinkType> = input["types"].as_array().into_iter().flatten().map(LinkType::read).collect();
            if let Some(wrong) = types.iter().find(|ty| self.link_types.find(from, to, **ty).is_none()) {
                return wrong_type(from, to, wrong.id).answer();
            }
            if types.is_empty() {
                return wrong_type(from, to, 0).answer();
            }
            let ends = self.both_ends((from, &text(&input["from"]["id"])), (to, &text(&input["to"]["id"])));
            pairs.push((ends, types));
        }
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for (ends, types) in pairs {
            match ends {
                Ok((a, b)) => {
                    for ty in types {
                        self.associate((from, a), (to, b), ty, write);
                    }
                    results.push(self.made((from, a), (to, b)));
                }
                Err(refusal) => errors.push(refusal.body()),
            }
        }
        self.batch_answer(201, results, errors, write.now)
    }

    fn associate_all_plainly(&mut self, from: &str, to: &str, inputs: &[Json], write: Write) -> Answer {
        self.calls.writes += 1;
        let Some(ty) = self.link_types.plain(from, to).map(|plain| plain.ty) else {
            return wrong_type(from, to, 0).answer();
        };
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            match self.both_ends((from, &text(&input["from"]["id"])), (to, &text(&input["to"]["id"]))) {
                Ok((a, b)) => results.extend(self.associate_plainly((from, a), (to, b), ty, write)),
                Err(refusal) => errors.push(refusal.body()),
            }
        }
        self.batch_answer(200, results, errors, write.now)
    }

    /// `/crm/v4/associations/{from}/{to}/labels…`
    pub(super) fn label_routes(
        &mut self,
        method: &Method,
        (from, to): (&str, &str),
        rest: &[&str],
        body: &Json,
    ) -> Answer {
        let label = text(&body["label"]);
        let inverse = body["inverseLabel"].as_str();
        let own = |id: i64| LinkType { category: Category::Account, id };
        match (method.as_str(), rest) {
            ("GET", []) => {
                self.calls.reads += 1;
                let (plain, named): (Vec<_>, Vec<_>) =
                    self.link_types.between(from, to).iter().partition(|kind| kind.label.is_none());
                let results: Vec<Json> = named.into_iter().chain(plain).map(|kind| kind.shown()).collect();
                (200, json!({ "results": results }))
            }
            ("POST", []) => {
                let name = text(&body["name"]);
                if label.is_empty() || name.is_empty() {
                    return error(400, "VALIDATION_ERROR", "Some required fields were not set: [label, name]");
                }
                let taken = |name: &str| {
                    self.link_types.between(from, to).iter().any(|kind| kind.name.as_deref() == Some(name))
                };
                if taken(&name) {
                    return error(409, "CONFLICT", &format!("An association definition named {name} already exists"));
                }
                let types = Arc::make_mut(&mut self.link_types).label(from, to, &name, &label, inverse);
                let mut results = Vec::new();
                for (from, to, ty) in [(from, to, types[0]), (to, from, types[1])] {
                    results.extend(self.link_types.find(from, to, ty).map(|kind| kind.shown()));
                }
                // Between records of one type a label that reads alike from both ends is one type, not two.
                if types[0] == types[1] {
                    results.truncate(1);
                }
                (200, json!({ "results": results }))
            }
            ("PUT", []) => {
                let ty = own(body["associationTypeId"].as_i64().unwrap_or(0));
                if Arc::make_mut(&mut self.link_types).relabel(from, to, ty, &label, inverse) {
                    (204, Json::Null)
                } else {
                    wrong_type(from, to, ty.id).answer()
                }
            }
            ("DELETE", [id]) => {
                let ty = own(id.parse().unwrap_or(0));
                if let Some(back) = Arc::make_mut(&mut self.link_types).forget(from, to, ty) {
                    self.drop_type(from, to, ty);
                    self.drop_type(to, from, back);
                }
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }
}

fn inputs(body: &Json, most: usize) -> Result<Vec<Json>, Answer> {
    let inputs = body["inputs"].as_array().cloned().unwrap_or_default();
    if inputs.len() > most {
        let message = format!("The maximum number of inputs in a batch request is {most}");
        return Err(error(400, "VALIDATION_ERROR", &message));
    }
    Ok(inputs)
}

fn no_id(id: &str) -> Refusal {
    Refusal {
        sub_category: "crm.associations.INVALID_IDENTIFIER",
        context: json!({"id": [id]}),
        ..Refusal::new(400, "VALIDATION_ERROR", format!("{id} is not a valid ID"))
    }
}

fn wrong_type(from: &str, to: &str, ty: i64) -> Refusal {
    Refusal::new(400, "VALIDATION_ERROR", format!("Association type {ty} from {from} to {to} is not valid"))
}
