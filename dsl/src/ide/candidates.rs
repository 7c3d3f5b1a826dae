//! Everything that may stand at a place, by name.
//!
//! Always true: the first candidate of a name is what the checker would take the name for.

use super::candidate::{Candidate, CandidateKind};
use super::context::{Before, Context};
use super::delivery::label;
use super::expect::{Declared, Expect, Which, expect, path};
use super::project::Project;
use super::referent::{Referent, Wanted, members, walk};
use super::symbol::Symbol;
use crate::forms::{New, Slot};
use crate::schema::{About, EntityName};
use crate::transforms;

/// All candidates at a place, and which names would be declared there.
pub(super) fn candidates(project: &Project, context: &Context<'_>) -> (Vec<Candidate>, Vec<Declared>) {
    let mut found = Vec::new();
    let mut declared = Vec::new();
    for expected in expect(project, context) {
        match expected {
            Expect::Declare(what) => declared.push(what),
            other => List { project, context, found: &mut found }.add(&other),
        }
    }
    (found, declared)
}

struct List<'l, 'a> {
    project: &'a Project,
    context: &'l Context<'a>,
    found: &'l mut Vec<Candidate>,
}

impl<'l> List<'l, '_> {
    /// Names before a dot before the place.
    fn names(&self) -> &'l [String] {
        match &self.context.before {
            Before::Names(names) => names,
            _ => &[],
        }
    }

    fn add(&mut self, expected: &Expect) {
        // Behind a dot only what has members is of use: names that have none are offered at the beginning alone.
        let plain = self.context.before == Before::Nothing;
        match expected {
            Expect::Line(form) if plain => {
                let candidate = Candidate::word(&form.lead(), CandidateKind::Keyword, form.says);
                self.found.push(Candidate { form: Some(form.written), ..candidate });
            }
            Expect::Word(word) if plain => self.found.push(Candidate::word(word, CandidateKind::Keyword, "")),
            Expect::WordOf(wanted) if plain => self.words(wanted),
            Expect::System if plain => self.systems(|_| true),
            Expect::Side if plain => {
                let sides = self.context.sides();
                self.systems(|name| [&sides.0, &sides.1].into_iter().flatten().any(|side| side.system == name));
            }
            Expect::Winner if plain => self.winners(),
            Expect::Entity => self.of_system(true, false),
            Expect::EntityOrEvent => self.of_system(true, true),
            Expect::Of(system) => match self.names() {
                [] if plain => self.systems(|name| name == system),
                _ => self.of_system(true, true),
            },
            Expect::Operation => self.operations(),
            Expect::Sender => {
                if plain {
                    let senders: Vec<(String, String)> = self
                        .project
                        .systems
                        .iter()
                        .flat_map(|(system, known)| {
                            // `send` hands a template over: without a system only what takes one is meant.
                            let sends = |op: &&String| known.lock.operations[*op].params.contains_key("template");
                            known.lock.operations.keys().filter(sends).map(|op| (system.clone(), op.clone()))
                        })
                        .collect();
                    for (system, operation) in senders {
                        self.operation(&system, &operation);
                    }
                } else {
                    self.operations();
                }
            }
            Expect::Member(thing, which) => self.members(&walk(self.project, thing, self.names()), *which),
            Expect::GlobalField => match self.names() {
                [system, entity] => {
                    self.members(&Referent::Record(EntityName::new(system, entity)), Which::Fields);
                }
                _ => self.of_system(true, false),
            },
            Expect::Value { bare, wanted } => self.value(bare.as_ref(), wanted.as_ref()),
            Expect::Sync if plain => {
                for sync in self.project.syncs() {
                    let arrow = if sync.two_way { "<->" } else { "->" };
                    let (left, right) = (&sync.left, &sync.right);
                    let detail = format!(
                        "{}.{} {arrow} {}.{}",
                        left.system.value, left.name.value, right.system.value, right.name.value
                    );
                    let symbol = Symbol::Sync(sync.name.value.clone());
                    self.found.push(Candidate::new(&sync.name.value, CandidateKind::Sync, detail, symbol));
                }
            }
            Expect::Workflow if plain => self.workflows(),
            Expect::Step => match self.names() {
                [workflow] => self.steps(workflow),
                _ => self.workflows(),
            },
            Expect::Transform if plain => self.transforms(),
            Expect::Message(system) => self.messages(system),
            Expect::Option(wanted) => self.texts(wanted),
            Expect::Spelling(system) => self.spellings(system),
            Expect::Lock => self.locks(),
            Expect::Parameter { system, operation } if plain => self.parameters(system, operation),
            Expect::Envelope(system) => self.envelope(system),
            Expect::Verify(system) if plain => {
                let deliveries = self.project.systems.get(system).and_then(|known| known.lock.deliveries.as_ref());
                for way in deliveries.iter().flat_map(|deliveries| &deliveries.verify) {
                    self.found.push(Candidate::word(way, CandidateKind::Word, format!("how {system} signs")));
                }
            }
            Expect::Type if plain => {
                for ty in ["text", "integer", "number", "money", "percent", "flag", "date", "time", "record"] {
                    self.found.push(Candidate::word(ty, CandidateKind::Keyword, "type"));
                }
                self.found.push(Candidate::word("list of", CandidateKind::Keyword, "type"));
            }
            _ => {}
        }
    }

    fn systems(&mut self, wanted: impl Fn(&str) -> bool) {
        for (name, known) in self.project.systems.iter().filter(|(name, _)| wanted(name)) {
            let symbol = Symbol::System(name.clone());
            self.found.push(Candidate::new(name, CandidateKind::System, known.lock.product.clone(), symbol));
        }
    }

    fn winners(&mut self) {
        let sides = self.context.sides();
        for side in [sides.0, sides.1].into_iter().flatten() {
            let mut candidate = Candidate::new(
                &side.system,
                CandidateKind::System,
                format!("{} wins where both sides changed", side.system),
                Symbol::System(side.system.clone()),
            );
            candidate.insert = Some(format!("{} wins", side.system));
            self.found.push(candidate);
        }
    }

    /// Systems, or behind one its entities and events.
    fn of_system(&mut self, entities: bool, events: bool) {
        let [system] = self.names() else {
            if self.context.before == Before::Nothing {
                self.systems(|_| true);
            }
            return;
        };
        let Some(known) = self.project.systems.get(system) else { return };
        let from = known.path.clone().unwrap_or_default();
        if entities {
            for name in known.lock.entities.keys() {
                let detail =
                    if known.written.contains_key(name) { "declared in the rules".to_owned() } else { from.clone() };
                let symbol = Symbol::Entity(EntityName::new(system, name));
                self.found.push(Candidate::new(name, CandidateKind::Entity, detail, symbol));
            }
        }
        if events {
            for name in known.lock.events.keys() {
                let symbol = Symbol::Event(EntityName::new(system, name));
                self.found.push(Candidate::new(name, CandidateKind::Event, format!("event, {from}"), symbol));
            }
        }
    }

    fn operations(&mut self) {
        match self.names() {
            [system] => {
                let names: Vec<String> = self
                    .project
                    .systems
                    .get(system)
                    .map(|known| known.lock.operations.keys().cloned().collect())
                    .unwrap_or_default();
                for operation in names {
                    self.operation(system, &operation);
                }
            }
            [] if self.context.before == Before::Nothing => {
                let offering =
                    |name: &str| self.project.systems.get(name).is_some_and(|known| !known.lock.operations.is_empty());
                self.systems(offering);
            }
            _ => {}
        }
    }

    fn operation(&mut self, system: &str, operation: &str) {
        let known = self.project.systems.get(system).and_then(|known| known.lock.operations.get(operation));
        let Some(known) = known else { return };
        let parameters: Vec<String> = known
            .params
            .iter()
            .map(|(name, field)| if field.optional { format!("{name}?") } else { name.clone() })
            .collect();
        let detail = format!("{system}.{operation} {{ {} }}, {}", parameters.join(", "), label(known.delivery));
        let symbol = Symbol::Operation { system: system.to_owned(), operation: operation.to_owned() };
        self.found.push(Candidate::new(operation, CandidateKind::Operation, detail, symbol));
    }

    fn members(&mut self, thing: &Referent, which: Which) {
        let through = |kind| match which {
            Which::Fields => kind == CandidateKind::Field,
            Which::Links => kind == CandidateKind::Link,
            Which::All => true,
        };
        let found = members(self.project, thing);
        self.found.extend(found.into_iter().map(|(candidate, _)| candidate).filter(|found| through(found.kind)));
    }

    fn value(&mut self, bare: Option<&EntityName>, wanted: Option<&Wanted>) {
        match &self.context.before {
            Before::Nothing => {
                // As the checker looks a name up: variables first, and the one that was bound last before the others.
                for var in self.context.vars.iter().rev() {
                    let symbol = var.at.map(|at| Symbol::Variable { name: var.name.clone(), at });
                    let detail = match &var.referent {
                        Referent::Record(name) | Referent::Event(name) => name.to_string(),
                        Referent::Result { system, operation } => format!("result of {system}.{operation}"),
                        Referent::Failure => "why the workflow failed".to_owned(),
                        Referent::Value(Some(Wanted::Field(entity, field))) => format!("value of {entity}.{field}"),
                        _ => String::new(),
                    };
                    let mut candidate = Candidate::word(&var.name, CandidateKind::Variable, detail);
                    candidate.symbol = symbol;
                    self.found.push(candidate);
                }
                if let Some(wanted) = wanted {
                    self.words(wanted);
                }
                if let Some(entity) = bare {
                    self.members(&Referent::Record(entity.clone()), Which::All);
                }
                for table in self.project.tables() {
                    let by = table.by.names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".");
                    let symbol = Symbol::Table(table.name.value.clone());
                    let mut candidate =
                        Candidate::new(&table.name.value, CandidateKind::Table, format!("table by {by}"), symbol);
                    candidate.insert = Some(format!("{}[", table.name.value));
                    self.found.push(candidate);
                }
                if bare.is_some() {
                    let sides = self.context.sides();
                    self.systems(|name| [&sides.0, &sides.1].into_iter().flatten().any(|side| side.system == name));
                }
                for word in ["empty", "yes", "no"] {
                    self.found.push(Candidate::word(word, CandidateKind::Keyword, ""));
                }
            }
            Before::Names(names) => match path(self.project, self.context, bare, names) {
                Referent::Unknown => self.side(names),
                thing => self.members(&thing, Which::All),
            },
            Before::Cell(table) => {
                let Some(table) = self.project.tables().find(|found| found.name.value == *table) else { return };
                for column in table.columns.iter().skip(1) {
                    let symbol = Symbol::Column { table: table.name.value.clone(), column: column.value.clone() };
                    let detail = format!("column of {}", table.name.value);
                    self.found.push(Candidate::new(&column.value, CandidateKind::Column, detail, symbol));
                }
            }
        }
    }

    /// Behind the system of a side of the sync, its entity.
    fn side(&mut self, names: &[String]) {
        let [system] = names else { return };
        let sides = self.context.sides();
        for side in [sides.0, sides.1].into_iter().flatten().filter(|side| side.system == *system) {
            let symbol = Symbol::Entity(side.clone());
            self.found.push(Candidate::new(&side.entity, CandidateKind::Entity, "side of this sync", symbol));
        }
    }

    /// Words of the choice that serves what is wanted, otherwise its options.
    fn words(&mut self, wanted: &Wanted) {
        if let Wanted::Field(entity, field) = wanted
            && let Some(choice) = self.project.choice_of(entity, field)
        {
            for row in &choice.rows {
                let symbol = Symbol::Word { choice: choice.name.value.clone(), word: row.word.value.clone() };
                let label = row.label.as_ref().map_or("", |label| label.value.as_str());
                let detail = format!("{} {label}", choice.name.value);
                self.found.push(Candidate::new(&row.word.value, CandidateKind::Word, detail.trim_end(), symbol));
            }
            return;
        }
        let Some(field) = wanted.declared(self.project) else { return };
        for option in &field.options {
            let symbol = option_of(wanted, option);
            let mut candidate = Candidate::new(option, CandidateKind::Word, "option", symbol);
            candidate.insert = (!plain_name(option)).then(|| format!("\"{option}\""));
            self.found.push(candidate);
        }
    }

    /// Options as texts.
    fn texts(&mut self, wanted: &Wanted) {
        let Some(field) = wanted.declared(self.project) else { return };
        for option in &field.options {
            let symbol = option_of(wanted, option);
            self.found.push(Candidate::new(option, CandidateKind::Text, "option", symbol));
        }
    }

    fn spellings(&mut self, system: &str) {
        let name = self.context.head.name(Slot::New(New::Choice)).unwrap_or_default();
        let Some(choice) = self.project.choices().find(|choice| choice.name.value == name) else { return };
        let mut seen = std::collections::BTreeSet::new();
        for path in &choice.fields {
            let [named, entity, field] = path.names.as_slice() else { continue };
            if named.value != system {
                continue;
            }
            let wanted = Wanted::Field(EntityName::new(system, &entity.value), field.value.clone());
            let Some(known) = wanted.declared(self.project) else { continue };
            for option in known.options.iter().filter(|option| seen.insert((*option).clone())) {
                let detail = format!("option of {system}.{}.{}", entity.value, field.value);
                self.found.push(Candidate::new(option, CandidateKind::Text, detail, option_of(&wanted, option)));
            }
        }
    }

    fn locks(&mut self) {
        for path in self.project.lock_paths() {
            self.found.push(Candidate::word(path, CandidateKind::Text, "lock"));
        }
    }

    fn workflows(&mut self) {
        if self.context.before != Before::Nothing {
            return;
        }
        for workflow in self.project.workflows() {
            let entity = &workflow.entity;
            let detail = format!("with {}: {}.{}", workflow.argument.value, entity.system.value, entity.name.value);
            let symbol = Symbol::Workflow(workflow.name.value.clone());
            self.found.push(Candidate::new(&workflow.name.value, CandidateKind::Workflow, detail, symbol));
        }
    }

    fn steps(&mut self, workflow: &str) {
        let Some(found) = self.project.workflows().find(|found| found.name.value == workflow) else { return };
        for statement in &found.body {
            if let crate::ast::WorkflowStatement::Step(step) = statement {
                let symbol = Symbol::Step { workflow: workflow.to_owned(), step: step.name.value.clone() };
                let detail = format!("step of {workflow}");
                self.found.push(Candidate::new(&step.name.value, CandidateKind::Step, detail, symbol));
            }
        }
    }

    fn transforms(&mut self) {
        for builtin in transforms::registry().iter().filter(|builtin| builtin.name != "format") {
            let symbol = Symbol::Transform(builtin.name.to_owned());
            let candidate = Candidate::new(builtin.name, CandidateKind::Transform, builtin.doc, symbol);
            // One that cannot stand without arguments comes with those of its example.
            let insert = builtin.accepts(&[]).is_err().then(|| builtin.written.to_owned());
            self.found.push(Candidate { insert, ..candidate });
        }
        for (system, known) in &self.project.systems {
            for (name, lookup) in &known.lock.lookups {
                let symbol = Symbol::Lookup { system: system.clone(), lookup: name.clone() };
                let detail = format!(
                    "finds the {system}.{} with this {}, gives its {}; may miss",
                    lookup.entity, lookup.from, lookup.to
                );
                self.found.push(Candidate::new(name, CandidateKind::Transform, detail, symbol));
            }
        }
    }

    fn messages(&mut self, system: &str) {
        let deliveries = self.project.systems.get(system).and_then(|known| known.lock.deliveries.as_ref());
        for (name, message) in deliveries.into_iter().flat_map(|deliveries| &deliveries.messages) {
            let detail = match &message.about {
                About::Record { entity, change } => format!("{system}.{entity} {change:?}").to_lowercase(),
                About::Event(event) => format!("event {system}.{event}"),
            };
            let symbol = Symbol::Message { system: system.to_owned(), message: name.clone() };
            self.found.push(Candidate::new(name, CandidateKind::Text, detail, symbol));
        }
    }

    fn parameters(&mut self, system: &str, operation: &str) {
        let known = self.project.systems.get(system).and_then(|known| known.lock.operations.get(operation));
        for (name, field) in known.into_iter().flat_map(|known| &known.params) {
            let symbol = Symbol::Parameter {
                system: system.to_owned(),
                operation: operation.to_owned(),
                parameter: name.clone(),
            };
            let detail = super::referent::describe(field);
            self.found.push(Candidate::new(name, CandidateKind::Field, detail, symbol));
        }
    }

    /// A member may have dots in its name: behind the first part, the second is offered.
    fn envelope(&mut self, system: &str) {
        let deliveries = self.project.systems.get(system).and_then(|known| known.lock.deliveries.as_ref());
        let before: String = self.names().iter().map(|name| format!("{name}.")).collect();
        for (name, field) in deliveries.into_iter().flat_map(|deliveries| &deliveries.envelope) {
            let Some(rest) = name.strip_prefix(&before) else { continue };
            let symbol = Symbol::Envelope { system: system.to_owned(), member: name.clone() };
            let detail = super::referent::describe(field);
            self.found.push(Candidate::new(rest, CandidateKind::Field, detail, symbol));
        }
    }
}

fn option_of(wanted: &Wanted, option: &str) -> Symbol {
    let option = option.to_owned();
    match wanted.clone() {
        Wanted::Field(entity, field) => Symbol::FieldOption { entity, field, option },
        Wanted::Parameter { system, operation, parameter } => {
            Symbol::ParameterOption { system, operation, parameter, option }
        }
        Wanted::Member { event, member } => Symbol::Member { event, member },
    }
}

/// Words that are no names without backquotes.
const RESERVED: [&str; 12] = ["else", "as", "and", "or", "not", "in", "is", "wins", "where", "yes", "no", "empty"];

/// May this be written as a name, without backquotes?
pub(super) fn plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}
