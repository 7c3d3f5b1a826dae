//! All that is known of what a name stands for, as paragraphs of Markdown.

use super::context::Context;
use super::definition::{lock_key, lock_line};
use super::delivery::{self, because, explained};
use super::owners::owners;
use super::project::Project;
use super::referent::{Referent, describe};
use super::symbol::Symbol;
use crate::ast::{Choice, WorkflowStatement};
use crate::schema::{About, Delivery, EntityName, Field, Operation};
use crate::source::Span;
use crate::transforms::{self, Class};

/// What is known of a symbol.
pub(super) fn about(project: &Project, symbol: &Symbol) -> Vec<String> {
    let mut said = match symbol {
        Symbol::System(name) => system(project, name),
        Symbol::Entity(name) => entity(project, name),
        Symbol::Event(name) => {
            let members = project.event(name).into_iter().flatten();
            let lines: Vec<String> =
                members.map(|(member, field)| format!("- `{member}`: {}", describe(field))).collect();
            vec![format!("**event {name}**"), lines.join("\n")]
        }
        Symbol::Field { entity, field: name } => field(project, entity, name),
        Symbol::Link { entity, link } => {
            let to = project.entity(entity).and_then(|known| known.links.get(link));
            let may = if to.is_some_and(|to| to.optional) { ", may be absent" } else { "" };
            let to = to.map(|to| to.to.as_str()).unwrap_or_default();
            vec![format!("**{entity}.{link}**: link to {}.{to}{may}", entity.system), owned(project, entity, link)]
        }
        Symbol::Member { event, member } => {
            typed(&format!("**{event}.{member}**"), project.event(event).and_then(|event| event.get(member)))
        }
        Symbol::Operation { system, operation: name } => operation(project, system, name),
        Symbol::Parameter { system, operation, parameter } => {
            let known = offered(project, system, operation).and_then(|known| known.params.get(parameter));
            typed(&format!("**{system}.{operation}**, parameter `{parameter}`"), known)
        }
        Symbol::Result { system, operation, member } => {
            let known = offered(project, system, operation).and_then(|known| known.result.get(member));
            typed(&format!("**{system}.{operation}** gives `{member}`"), known)
        }
        Symbol::Message { system, message: name } => message(project, system, name),
        Symbol::Envelope { system, member } => {
            let deliveries = project.systems.get(system).and_then(|known| known.lock.deliveries.as_ref());
            let known = deliveries.and_then(|deliveries| deliveries.envelope.get(member));
            typed(&format!("**{member}** of every message of {system}"), known)
        }
        Symbol::FieldOption { entity, field, option } => vec![format!("**{option}**: option of {entity}.{field}")],
        Symbol::ParameterOption { system, operation, parameter, option } => {
            vec![format!("**{option}**: option of the parameter `{parameter}` of {system}.{operation}")]
        }
        Symbol::Choice(name) => {
            let found = project.choices().find(|choice| choice.name.value == *name);
            let words = found.map(|choice| words(choice, if choice.ordered { " < " } else { ", " }));
            vec![format!("**choice {name}**"), words.unwrap_or_default()]
        }
        Symbol::Word { choice, word: name } => word(project, choice, name),
        Symbol::Table(name) => table(project, name),
        Symbol::Column { table, column } => vec![format!("**{column}**: column of table `{table}`")],
        Symbol::Sync(name) => sync(project, name),
        Symbol::Workflow(name) => workflow(project, name),
        Symbol::Step { workflow, step: name } => step(project, workflow, name),
        Symbol::Variable { name, at } => variable(project, name, *at),
        Symbol::Transform(name) => transform(name),
        Symbol::Lookup { system, lookup } => {
            let known = project.systems.get(system).and_then(|known| known.lock.lookups.get(lookup));
            let finds = known.map(|known| {
                format!(
                    "finds the {system}.{} with this `{}` and gives its `{}`; it can miss, so say `else …`",
                    known.entity, known.from, known.to
                )
            });
            vec![format!("**as {lookup}**: lookup of {system}"), finds.unwrap_or_default()]
        }
    };
    said.extend(origin(project, symbol));
    // Where nothing is known the paragraph is empty, and an editor would show a gap.
    said.retain(|paragraph| !paragraph.is_empty());
    said
}

/// The lock that says it, and when it was pulled.
fn origin(project: &Project, symbol: &Symbol) -> Option<String> {
    let (system, key) = lock_key(symbol)?;
    let known = project.systems.get(system)?;
    if let Symbol::Entity(entity) | Symbol::Field { entity, .. } | Symbol::Link { entity, .. } = symbol
        && known.written.contains_key(&entity.entity)
    {
        return Some("declared in the rules".to_owned());
    }
    let (path, line) = lock_line(project, system, &key)?;
    Some(format!("`{path}:{line}`, pulled {}", known.lock.pulled))
}

fn system(project: &Project, name: &str) -> Vec<String> {
    let Some(known) = project.systems.get(name) else { return vec![format!("**system {name}**")] };
    let lock = match &known.path {
        Some(path) if !known.lock.pulled.is_empty() => {
            format!("`{path}`, pulled {}, served by `{}`", known.lock.pulled, known.lock.connector)
        }
        Some(path) => format!("`{path}` cannot be read"),
        None => "without a lock: its entities are declared in the rules".to_owned(),
    };
    vec![format!("**system {name}**: {}", known.lock.product), lock]
}

fn entity(project: &Project, name: &EntityName) -> Vec<String> {
    let mut said = vec![format!("**{name}**")];
    if let Some(known) = project.entity(name) {
        let records = known.records.map(|records| format!(", {records} records at the pull")).unwrap_or_default();
        said.push(format!("{} fields, {} links{records}", known.fields.len(), known.links.len()));
        if !known.create_needs.is_empty() {
            said.push(format!("a new record needs: {}", known.create_needs.join(", ")));
        }
    }
    let pairs = |sync: &&crate::ast::Sync| {
        [&sync.left, &sync.right].iter().any(|side| EntityName::new(&side.system.value, &side.name.value) == *name)
    };
    let paired: Vec<String> = project.syncs().filter(pairs).map(|sync| format!("`{}`", sync.name.value)).collect();
    if !paired.is_empty() {
        said.push(format!("paired by {}", paired.join(", ")));
    }
    said
}

fn field(project: &Project, entity: &EntityName, name: &str) -> Vec<String> {
    let known = project.field(entity, name);
    let mut said = vec![format!("**{entity}.{name}**: {}", known.map(describe).unwrap_or_default())];
    if let Some(choice) = project.choice_of(entity, name) {
        said.push(format!("takes the words of `{}`: {}", choice.name.value, words(choice, ", ")));
        let spelled = |option: &&String| {
            choice.rows.iter().any(|row| {
                let own = row.spelled.iter().find(|(system, ..)| system.value == entity.system);
                own.map_or(&row.word.value, |(_, spelling, _)| &spelling.value) == *option
            })
        };
        let options = known.iter().flat_map(|known| &known.options);
        let unknown: Vec<&str> = options.filter(|option| !spelled(option)).map(String::as_str).collect();
        if !unknown.is_empty() {
            said.push(format!("no row spells: {}; a record with one of them is parked", unknown.join(", ")));
        }
    } else {
        said.extend(known.and_then(options));
    }
    said.push(owned(project, entity, name));
    said
}

/// Who writes a field.
fn owned(project: &Project, entity: &EntityName, field: &str) -> String {
    let owners = owners(project, entity, field);
    if owners.is_empty() {
        return "no rule writes it".to_owned();
    }
    let lines: Vec<String> =
        owners.iter().map(|owner| format!("- `{}`: {} ({})", owner.who, owner.how, owner.place)).collect();
    format!("written by\n{}", lines.join("\n"))
}

fn typed(what: &str, known: Option<&Field>) -> Vec<String> {
    let mut said = vec![format!("{what}: {}", known.map(describe).unwrap_or_default())];
    said.extend(known.and_then(options));
    said
}

fn options(field: &Field) -> Option<String> {
    (!field.options.is_empty()).then(|| format!("options: {}", field.options.join(", ")))
}

fn offered<'p>(project: &'p Project, system: &str, operation: &str) -> Option<&'p Operation> {
    project.systems.get(system)?.lock.operations.get(operation)
}

fn operation(project: &Project, system: &str, name: &str) -> Vec<String> {
    let mut said = vec![format!("**{system}.{name}**")];
    if let Some(known) = offered(project, system, name) {
        said.push(explained(known.delivery));
        let takes = known.params.iter().map(|(name, field)| format!("- takes `{name}`: {}", describe(field)));
        let gives = known.result.iter().map(|(name, field)| format!("- gives `{name}`: {}", describe(field)));
        said.push(takes.chain(gives).collect::<Vec<_>>().join("\n"));
    }
    said
}

fn message(project: &Project, system: &str, name: &str) -> Vec<String> {
    let mut said = vec![format!("**message `{name}`** of {system}")];
    let deliveries = project.systems.get(system).and_then(|known| known.lock.deliveries.as_ref());
    if let Some(known) = deliveries.and_then(|deliveries| deliveries.messages.get(name)) {
        said.push(match &known.about {
            About::Record { entity, change } => {
                format!("a {system}.{entity} is {}", format!("{change:?}").to_lowercase())
            }
            About::Event(event) => format!("the event {system}.{event}"),
        });
        if known.generic {
            said.push("arrives only under a generic name".to_owned());
        }
    }
    said
}

fn words(choice: &Choice, between: &str) -> String {
    choice.rows.iter().map(|row| row.word.value.as_str()).collect::<Vec<_>>().join(between)
}

fn word(project: &Project, choice: &str, name: &str) -> Vec<String> {
    let found = project.choices().find(|found| found.name.value == choice);
    let Some(row) = found.and_then(|found| found.rows.iter().find(|row| row.word.value == name)) else {
        return vec![format!("**{name}**: word of `{choice}`")];
    };
    let shown = row.label.as_ref().map(|label| format!(" \"{}\"", label.value)).unwrap_or_default();
    let last = if row.is_final { ", final" } else { "" };
    let spelled: Vec<String> = row
        .spelled
        .iter()
        .map(|(system, spelling, _)| format!("- {} spells it `{}`", system.value, spelling.value))
        .collect();
    vec![format!("**{name}**{shown}: word of `{choice}`{last}"), spelled.join("\n")]
}

fn table(project: &Project, name: &str) -> Vec<String> {
    let mut said = vec![format!("**table {name}**")];
    if let Some(table) = project.tables().find(|table| table.name.value == name) {
        let by: Vec<&str> = table.by.names.iter().map(|name| name.value.as_str()).collect();
        let columns: Vec<&str> = table.columns.iter().skip(1).map(|name| name.value.as_str()).collect();
        said.push(format!("by {}, {} rows; columns: {}", by.join("."), table.rows.len(), columns.join(", ")));
    }
    said
}

fn sync(project: &Project, name: &str) -> Vec<String> {
    let mut said = vec![format!("**sync {name}**")];
    if let Some(sync) = project.syncs().find(|sync| sync.name.value == name) {
        let arrow = if sync.two_way { "<->" } else { "->" };
        let side = |side: &crate::ast::Qualified| format!("{}.{}", side.system.value, side.name.value);
        said.push(format!("{} {arrow} {}, {} lines", side(&sync.left), side(&sync.right), sync.mappings.len()));
        said.push(explained(Delivery::ByNature));
        if let Some(created) = delivery::of_creates(project, sync) {
            said.push(format!("a missing record is made {}", because(created)));
        }
    }
    said
}

fn workflow(project: &Project, name: &str) -> Vec<String> {
    let mut said = vec![format!("**workflow {name}**")];
    if let Some(workflow) = project.workflows().find(|workflow| workflow.name.value == name) {
        let entity = &workflow.entity;
        said.push(format!("with {}: {}.{}", workflow.argument.value, entity.system.value, entity.name.value));
        said.extend(delivery::of_workflow(project, workflow).map(explained));
    }
    said
}

fn step(project: &Project, workflow: &str, name: &str) -> Vec<String> {
    let found = project.workflows().find(|found| found.name.value == workflow);
    let step = found.and_then(|found| {
        found.body.iter().find_map(|statement| match statement {
            WorkflowStatement::Step(step) if step.name.value == name => Some(step),
            _ => None,
        })
    });
    let label = step.and_then(|step| delivery::of_step(project, step)).map(explained);
    vec![format!("**step {workflow}.{name}**"), label.unwrap_or_default()]
}

fn variable(project: &Project, name: &str, at: Span) -> Vec<String> {
    // It is known behind its statement; in a head, behind the brace that ends it.
    let text = project.text(at.file);
    let rest = &text[(at.end as usize).min(text.len())..];
    let ends = rest.match_indices(['\n', '{', ',']).map(|(found, _)| at.end as usize + found + 1);
    let held = ends.take(8).find_map(|end| {
        let context = Context::at(project, at.file, end);
        context.vars.into_iter().find(|var| var.at == Some(at)).map(|var| var.referent)
    });
    let holds = match held {
        Some(Referent::Record(entity) | Referent::Event(entity)) => format!("holds {entity}"),
        Some(Referent::Result { system, operation }) => format!("holds what {system}.{operation} gives"),
        _ => String::new(),
    };
    vec![format!("**{name}**"), holds, format!("declared in {}", project.place(at))]
}

fn transform(name: &str) -> Vec<String> {
    let builtin = transforms::named(name);
    let mut said = vec![format!("**as {}**", builtin.map_or(name, |builtin| builtin.written))];
    if let Some(builtin) = builtin {
        let class = match builtin.class {
            Class::Normaliser => "may stand on a two-way line: applied twice it is applied once",
            Class::Invertible => "may stand on a two-way line: it can be undone",
            Class::Lossy => "one-way lines only: it drops something",
        };
        said.push(builtin.doc.to_owned());
        said.extend(builtin.lacks.map(|why| format!("{why}, so the line says what happens then")));
        said.push(class.to_owned());
        said.push(format!("`{}` becomes `{}`", builtin.example.0, builtin.example.1));
    }
    said
}
