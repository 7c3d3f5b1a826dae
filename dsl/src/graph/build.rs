//! A program to its graph.
//!
//! Rules are nodes; what they read, write, call and start are edges. `id` is left out of what is read: every record
//! has one, and every rule uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, EdgeKind, Graph, Node, NodeKind};
use crate::ast::OnDelete;
use crate::program::{
    Action, ActionKind, Assign, Code, Direction, Expr, LinkValue, Mapping, MappingKind, Op, Place, Program, Route,
    Side, Sync, Trigger, When, Workflow,
};
use crate::schema::{About, EntityName};

/// What a program connects.
#[must_use]
pub fn graph(program: &Program) -> Graph {
    let mut drawing = Drawing { program, rules: Vec::new(), things: BTreeMap::new(), edges: BTreeMap::new() };
    for sync in &program.syncs {
        drawing.sync(sync);
    }
    for when in &program.whens {
        drawing.when(when);
    }
    for workflow in &program.workflows {
        drawing.workflow(workflow);
    }
    drawing.messages();
    drawing.finish()
}

struct Drawing<'p> {
    program: &'p Program,
    /// In the order of the program.
    rules: Vec<Node>,
    /// What rules name, by kind and name.
    things: BTreeMap<(NodeKind, String), Node>,
    edges: BTreeMap<(String, String, EdgeKind, String), BTreeSet<String>>,
}

/// What the variables of a rule hold.
type Variables = BTreeMap<String, Holds>;

#[derive(Clone)]
enum Holds {
    Record(EntityName),
    Event(EntityName),
}

/// Who does something, and in which branch.
#[derive(Clone, Copy)]
struct Who<'a> {
    node: &'a str,
    branch: &'a str,
}

impl Drawing<'_> {
    fn edge(&mut self, from: &str, to: &str, kind: EdgeKind, branch: &str, fields: impl IntoIterator<Item = String>) {
        let key = (from.to_owned(), to.to_owned(), kind, branch.to_owned());
        self.edges.entry(key).or_default().extend(fields);
    }

    fn rule(&mut self, name: &str, title: &str, kind: NodeKind, workflow: Option<&str>, place: &Place) {
        self.rules.push(Node {
            name: name.to_owned(),
            title: title.to_owned(),
            kind,
            system: None,
            workflow: workflow.map(str::to_owned),
            place: Some(place.clone()),
        });
    }

    /// The name of a thing's node, which is made where it is not there yet.
    fn thing(&mut self, name: &EntityName, kind: NodeKind) -> String {
        let text = name.to_string();
        self.things.entry((kind, text.clone())).or_insert_with(|| Node {
            name: text.clone(),
            title: text.clone(),
            kind,
            system: Some(name.system.clone()),
            workflow: None,
            place: None,
        });
        text
    }

    fn entity(&mut self, name: &EntityName) -> String {
        self.thing(name, NodeKind::Entity)
    }

    fn read(&mut self, who: Who<'_>, entity: &EntityName, field: &str) {
        let from = self.entity(entity);
        let fields = (field != "id").then(|| field.to_owned());
        // A record of which nothing but the id is used is no edge of its own.
        if fields.is_some() {
            self.edge(&from, who.node, EdgeKind::Reads, reading(who.branch), fields);
        }
    }

    fn write(&mut self, who: Who<'_>, entity: &EntityName, kind: EdgeKind, fields: impl IntoIterator<Item = String>) {
        let to = self.entity(entity);
        self.edge(who.node, &to, kind, who.branch, fields);
    }

    /// Reads of the links on the way, and the entity that is reached.
    fn follow(&mut self, who: Who<'_>, entity: &EntityName, links: &[String]) -> Option<EntityName> {
        let mut at = entity.clone();
        for link in links {
            self.read(who, &at, link);
            let to = self.program.entity(&at)?.links.get(link)?.to.clone();
            at = EntityName::new(at.system, to);
        }
        Some(at)
    }

    fn reads(&mut self, who: Who<'_>, variables: &Variables, expr: &Expr) {
        // What is read is noted first, because `visit` lends the expression out.
        let mut paths: Vec<(String, Vec<String>, Option<String>)> = Vec::new();
        let mut lookups = Vec::new();
        expr.visit(&mut |part| match part {
            Expr::Field { variable, links, field, .. } => {
                paths.push((variable.clone(), links.clone(), Some(field.clone())));
            }
            Expr::Reference { variable, links } | Expr::Record { variable, links } => {
                paths.push((variable.clone(), links.clone(), None));
            }
            Expr::Lookup { system, lookup, .. } => {
                lookups.push((EntityName::new(system, &lookup.entity), lookup.from.clone(), lookup.to.clone()));
            }
            _ => {}
        });
        for (variable, links, field) in paths {
            match variables.get(&variable) {
                Some(Holds::Record(entity)) => {
                    let reached = self.follow(who, &entity.clone(), &links);
                    if let (Some(entity), Some(field)) = (reached, field) {
                        self.read(who, &entity, &field);
                    }
                }
                Some(Holds::Event(event)) => {
                    let from = self.thing(&event.clone(), NodeKind::Event);
                    self.edge(&from, who.node, EdgeKind::Reads, reading(who.branch), field);
                }
                // Results of calls, `new`, `old` and `failure` are no records.
                None => {}
            }
        }
        for (entity, from, to) in lookups {
            for field in [from, to] {
                self.read(who, &entity, &field);
            }
        }
    }

    fn sync(&mut self, sync: &Sync) {
        self.rule(&sync.name, &format!("sync {}", sync.name), NodeKind::Sync, None, &sync.place);
        let who = Who { node: &sync.name, branch: "" };
        let variables: Variables = [("left", Side::Left), ("right", Side::Right)]
            .map(|(name, side)| (name.to_owned(), Holds::Record(sync.entity(side).clone())))
            .into();
        for (left, right) in &sync.keys {
            self.read(who, &sync.left, left);
            self.read(who, &sync.right, right);
        }
        if let Some(only) = &sync.only {
            self.reads(Who { branch: "only where", ..who }, &variables, only);
        }
        for side in &sync.create {
            self.write(who, sync.entity(*side), EdgeKind::Creates, None);
        }
        for (side, what) in &sync.on_delete {
            if *what == OnDelete::Archive {
                self.write(who, sync.entity(side.other()), EdgeKind::Deletes, None);
            }
        }
        for mapping in &sync.fields {
            self.mapping(sync, who, &variables, mapping);
        }
    }

    fn mapping(&mut self, sync: &Sync, who: Who<'_>, variables: &Variables, mapping: &Mapping) {
        match &mapping.kind {
            MappingKind::Field { left, right, .. } => {
                for (side, field, other) in [(Side::Left, left, right), (Side::Right, right, left)] {
                    if mapping.direction.writes(side) {
                        self.write(who, sync.entity(side), EdgeKind::Writes, [field.clone()]);
                        self.read(who, sync.entity(side.other()), other);
                    }
                }
            }
            MappingKind::Computed { source, target } => {
                let side = if mapping.direction == Direction::ToLeft { Side::Left } else { Side::Right };
                self.reads(who, variables, source);
                self.write(who, sync.entity(side), EdgeKind::Writes, [target.clone()]);
            }
            MappingKind::Link { left, right, via, .. } => {
                for (side, links, other) in [(Side::Left, left, right), (Side::Right, right, left)] {
                    if !mapping.direction.writes(side) {
                        continue;
                    }
                    self.follow(who, sync.entity(side.other()), other);
                    if let Some((last, before)) = links.split_last()
                        && let Some(entity) = self.follow(who, sync.entity(side), before)
                    {
                        self.write(who, &entity, EdgeKind::Writes, [last.clone()]);
                    }
                }
                self.pairs(*via, who);
            }
        }
    }

    fn pairs(&mut self, via: usize, who: Who<'_>) {
        let program = self.program;
        if let Some(sync) = program.syncs.get(via).filter(|sync| sync.name != who.node) {
            self.edge(&sync.name, who.node, EdgeKind::Pairs, "", None);
        }
    }

    fn when(&mut self, when: &When) {
        let (what, fields) = match &when.trigger {
            Trigger::Created => ("is created".to_owned(), None),
            Trigger::Deleted => ("is deleted".to_owned(), None),
            Trigger::Changes(_) => {
                let fields = when.fields().map(String::as_str).collect::<Vec<_>>().join(", ");
                (format!("changes {fields}"), Some(fields))
            }
        };
        let title = format!("when {} {what}", when.entity);
        // Two reactions to one change are told apart by their places.
        let twice = self.rules.iter().any(|rule| rule.name == title);
        let name = if twice { format!("{title} ({})", when.place) } else { title.clone() };
        self.rule(&name, &title, NodeKind::When, None, &when.place);
        let from = self.entity(&when.entity);
        let branch = if fields.is_some() { "" } else { what.trim_start_matches("is ") };
        self.edge(&from, &name, EdgeKind::Fires, branch, fields);
        let who = Who { node: &name, branch: "" };
        let mut variables = Variables::from([(when.variable.clone(), Holds::Record(when.entity.clone()))]);
        if let Some(only) = &when.only {
            self.reads(Who { branch: "only where", ..who }, &variables, only);
        }
        self.code(who, &mut variables, &when.code, 0, when.code.ops.len());
    }

    fn workflow(&mut self, workflow: &Workflow) {
        let name = workflow.name.as_str();
        self.rule(name, &format!("workflow {name}"), NodeKind::Workflow, None, &workflow.place);
        let mut variables = Variables::from([(workflow.variable.clone(), Holds::Record(workflow.entity.clone()))]);
        self.entity(&workflow.entity);
        let who = Who { node: name, branch: "" };
        if let Some((key, _)) = &workflow.only_one {
            self.reads(who, &variables, key);
        }
        if let Some(cancel) = &workflow.cancel {
            self.reads(Who { branch: "cancel when", ..who }, &variables, cancel);
        }
        let code = &workflow.code;
        let mut before = name.to_owned();
        let mut at = 0;
        let mut waits = 0;
        while at < code.ops.len() {
            let (next, part) = match &code.ops[at] {
                Op::Step(index) => {
                    let step = &code.steps[*index];
                    let end = position(code, at, |op| matches!(op, Op::EndStep(other) if other == index));
                    let part = format!("{name}.{}", step.name);
                    self.rule(
                        &part,
                        &format!("step {}", step.name),
                        NodeKind::Step,
                        Some(name),
                        &place(code, at, workflow),
                    );
                    self.code(Who { node: &part, branch: "" }, &mut variables, code, at + 1, end);
                    if let Some(undo) = step.undo {
                        let end = position(code, undo, |op| matches!(op, Op::Return));
                        self.code(Who { node: &part, branch: "undo" }, &mut variables.clone(), code, undo, end);
                    }
                    (end + 1, part)
                }
                Op::Wait(..) | Op::WaitUntil(_) | Op::WaitFor { .. } => {
                    waits += 1;
                    let part = format!("{name}.wait {waits}");
                    (self.wait(&part, workflow, &mut variables, at), part)
                }
                Op::Finish => break,
                _ => {
                    // Actions outside of a step belong to the workflow itself.
                    let end = position(code, at, |op| {
                        matches!(op, Op::Step(_) | Op::Wait(_) | Op::WaitUntil(_) | Op::WaitFor { .. } | Op::Finish)
                    });
                    self.code(who, &mut variables, code, at, end);
                    at = end;
                    continue;
                }
            };
            self.edge(&before, &part, EdgeKind::Then, "", None);
            before = part;
            at = next;
        }
        if let Some(start) = code.on_failure {
            let part = format!("{name}.on failure");
            self.rule(&part, "on failure", NodeKind::OnFailure, Some(name), &place(code, start, workflow));
            self.edge(name, &part, EdgeKind::Then, "failed", None);
            let end = position(code, start, |op| matches!(op, Op::Return));
            self.code(Who { node: &part, branch: "" }, &mut variables, code, start, end);
            if code.ops[start..end].iter().any(|op| matches!(op, Op::UndoCompleted)) {
                for step in code.steps.iter().filter(|step| step.undo.is_some()) {
                    self.edge(&part, &format!("{name}.{}", step.name), EdgeKind::Undoes, "", None);
                }
            }
        }
    }

    /// A wait with its exits; gives the position behind them.
    fn wait(&mut self, part: &str, workflow: &Workflow, variables: &mut Variables, at: usize) -> usize {
        let code = &workflow.code;
        let name = Some(workflow.name.as_str());
        let place = place(code, at, workflow);
        let who = Who { node: part, branch: "" };
        match &code.ops[at] {
            Op::Wait(span) => {
                self.rule(part, &format!("wait {span}"), NodeKind::Wait, name, &place);
                at + 1
            }
            Op::WaitUntil(time) => {
                self.rule(part, "wait until a time", NodeKind::Wait, name, &place);
                self.reads(who, variables, time);
                at + 1
            }
            Op::WaitFor { what, event, variable, field, equals, up_to, timed_out } => {
                self.rule(part, &format!("wait up to {up_to} for {what}"), NodeKind::Wait, name, &place);
                let kind = if *event { NodeKind::Event } else { NodeKind::Entity };
                let from = self.thing(what, kind);
                self.edge(&from, part, EdgeKind::Awaits, "", [field.clone()]);
                self.reads(who, variables, equals);
                let mut inner = variables.clone();
                if let Some(variable) = variable {
                    let held = if *event { Holds::Event(what.clone()) } else { Holds::Record(what.clone()) };
                    inner.insert(variable.clone(), held);
                }
                // The jump over the other exit stands before it, and belongs to neither.
                self.code(Who { branch: "happened", ..who }, &mut inner, code, at + 1, timed_out - 1);
                let end = match &code.ops[timed_out - 1] {
                    Op::Jump(end) => *end,
                    _ => *timed_out,
                };
                self.code(Who { branch: "timed out", ..who }, &mut variables.clone(), code, *timed_out, end);
                end
            }
            _ => at + 1,
        }
    }

    /// What the operations from `at` to `end` do.
    fn code(&mut self, who: Who<'_>, variables: &mut Variables, code: &Code, mut at: usize, end: usize) {
        while at < end {
            match &code.ops[at] {
                Op::Act(action) => self.action(who, variables, action),
                Op::JumpUnless(condition, target) => {
                    let inside = |word: &str| match who.branch {
                        "" => word.to_owned(),
                        branch => format!("{branch}, {word}"),
                    };
                    let jump = match code.ops[target - 1] {
                        Op::Jump(end) if end >= *target => Some(end),
                        _ => None,
                    };
                    let inner_end = if jump.is_some() { target - 1 } else { *target };
                    if let Some(words) = stages(condition) {
                        // The other branches follow, each with words of its own.
                        let branch = inside(&words);
                        self.code(Who { branch: &branch, ..who }, &mut variables.clone(), code, at + 1, inner_end);
                        at = *target;
                        continue;
                    }
                    self.reads(who, variables, condition);
                    let branch = inside("if");
                    self.code(Who { branch: &branch, ..who }, &mut variables.clone(), code, at + 1, inner_end);
                    if let Some(jump) = jump {
                        let branch = inside("otherwise");
                        self.code(Who { branch: &branch, ..who }, &mut variables.clone(), code, *target, jump);
                        at = jump;
                    } else {
                        at = *target;
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn action(&mut self, who: Who<'_>, variables: &mut Variables, action: &Action) {
        match &action.kind {
            ActionKind::Create { entity, variable, key, values } => {
                self.reads(who, variables, &key.1);
                self.assigns(who, variables, values);
                // The key stands beside the record and is written with it.
                let fields = values.iter().map(|value| value.name.clone()).chain([key.0.clone()]);
                self.write(who, entity, EdgeKind::Creates, fields);
                bind(variables, variable.as_ref(), entity);
            }
            ActionKind::Update { entity, variable, key, values, .. } => {
                self.reads(who, variables, &key.1);
                self.assigns(who, variables, values);
                self.write(who, entity, EdgeKind::Writes, values.iter().map(|value| value.name.clone()));
                bind(variables, variable.as_ref(), entity);
            }
            ActionKind::Set { entity, assign, .. } => {
                self.assigns(who, variables, std::slice::from_ref(assign));
                self.write(who, entity, EdgeKind::Writes, [assign.name.clone()]);
            }
            ActionKind::Delete { entity, key, .. } => {
                self.reads(who, variables, &key.1);
                self.write(who, entity, EdgeKind::Deletes, None);
            }
            ActionKind::Start { workflow, variable, links } => {
                if let Some(Holds::Record(entity)) = variables.get(variable).cloned() {
                    self.follow(who, &entity, links);
                }
                let program = self.program;
                self.edge(who.node, &program.workflows[*workflow].name, EdgeKind::Starts, who.branch, None);
            }
            ActionKind::Call { system, operation, params, .. } => {
                self.assigns(who, variables, params);
                let to = self.thing(&EntityName::new(system, operation), NodeKind::Operation);
                let template = params.iter().find_map(|param| match &param.value {
                    Expr::Literal(value) if matches!(param.name.as_str(), "template" | "role") => {
                        Some(format!("\"{value}\""))
                    }
                    _ => None,
                });
                self.edge(who.node, &to, EdgeKind::Calls, who.branch, template);
            }
            ActionKind::RunSync(sync) => {
                let program = self.program;
                self.edge(who.node, &program.syncs[*sync].name, EdgeKind::Starts, who.branch, None);
            }
        }
    }

    fn assigns(&mut self, who: Who<'_>, variables: &Variables, values: &[Assign]) {
        for value in values {
            self.reads(who, variables, &value.value);
            if let Some(LinkValue::Via(via, _)) = value.link {
                self.pairs(via, who);
            }
        }
    }

    fn messages(&mut self) {
        let program = self.program;
        for (system, door) in &program.doors {
            let Some(deliveries) = program.systems.get(system).and_then(|s| s.lock.deliveries.as_ref()) else {
                continue;
            };
            let name = format!("messages from {system}");
            let node = Node {
                name: name.clone(),
                title: name.clone(),
                kind: NodeKind::Messages,
                system: Some(system.clone()),
                workflow: None,
                place: None,
            };
            self.things.insert((NodeKind::Messages, name.clone()), node);
            for (message, route) in &door.routes {
                let (to, kind) = match route {
                    Route::Sync(sync) => (program.syncs[*sync].name.clone(), EdgeKind::Routes),
                    Route::Workflow(workflow) => (program.workflows[*workflow].name.clone(), EdgeKind::Starts),
                    Route::Ignore => continue,
                    Route::Event => match deliveries.messages.get(message).map(|message| &message.about) {
                        Some(About::Record { entity, .. }) => {
                            (self.entity(&EntityName::new(system, entity)), EdgeKind::Routes)
                        }
                        Some(About::Event(event)) => {
                            (self.thing(&EntityName::new(system, event), NodeKind::Event), EdgeKind::Routes)
                        }
                        None => continue,
                    },
                };
                self.edge(&name, &to, kind, "", [message.clone()]);
            }
        }
    }

    fn finish(self) -> Graph {
        let nodes: Vec<Node> = self.things.into_values().chain(self.rules).collect();
        let order: BTreeMap<&str, usize> =
            nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
        let mut edges: Vec<Edge> = self
            .edges
            .into_iter()
            .map(|((from, to, kind, branch), fields)| Edge {
                from,
                to,
                kind,
                branch,
                fields: fields.into_iter().collect(),
            })
            .collect();
        edges.sort_by_key(|edge| (order.get(edge.from.as_str()), order.get(edge.to.as_str())));
        Graph { nodes, edges }
    }
}

/// Reads are told apart only where they decide whether the rule does anything at all.
fn reading(branch: &str) -> &str {
    if matches!(branch, "only where" | "cancel when") { branch } else { "" }
}

fn bind(variables: &mut Variables, variable: Option<&String>, entity: &EntityName) {
    if let Some(variable) = variable {
        variables.insert(variable.clone(), Holds::Record(entity.clone()));
    }
}

/// The first operation from `at` on that is meant; the end of the code where there is none.
fn position(code: &Code, at: usize, meant: impl Fn(&Op) -> bool) -> usize {
    code.ops[at..].iter().position(meant).map_or(code.ops.len(), |found| at + found)
}

/// Where a part of a workflow does its first action; a wait has none, so the workflow's place serves.
fn place(code: &Code, at: usize, workflow: &Workflow) -> Place {
    match code.ops.get(at..at + 2) {
        Some([Op::Step(_), Op::Act(action)] | [Op::UndoCompleted, Op::Act(action)]) => action.place.clone(),
        _ => workflow.place.clone(),
    }
}

/// `to closedwon`, where this is the condition of a stage's branch.
fn stages(condition: &Expr) -> Option<String> {
    let (mut from, mut to) = (Vec::new(), Vec::new());
    let mut parts = vec![condition];
    while let Some(part) = parts.pop() {
        match part {
            Expr::And(a, b) | Expr::Or(a, b) => parts.extend([&**b, &**a]),
            Expr::Compare(crate::program::Compare::Equal, field, word) => match (&**field, &**word) {
                (Expr::Field { variable, field, .. }, Expr::Literal(word)) if field.is_empty() => {
                    match variable.as_str() {
                        "new" => to.push(word.to_string()),
                        "old" => from.push(format!("from {word} ")),
                        _ => return None,
                    }
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    (!to.is_empty()).then(|| format!("{}to {}", from.concat(), to.join(", ")))
}
