//! The rule lines that a failing expectation is about.
//!
//! In: the program, what systems took while the test ran, what was looked at. Out: lines, and sentences that name them.
//! Always true: a line is said to have done something only where a system took it from that line. Where none did, that
//! is said, and the lines that could have done it are named as such.

use std::collections::BTreeSet;
use std::sync::Arc;

use dsl::program::{Action, ActionKind, MappingKind, Op, Place, Program, Side};
use dsl::schema::EntityName;

use super::simulation::Called;
use super::test::{Run, Writer};
use super::view::Record;
use crate::decide::Wrote;

/// Lines, and what is said of them.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) help: Vec<String>,
    pub(super) lines: Vec<Writer>,
}

impl Named {
    /// These lines did it.
    fn did(&mut self, what: &str, lines: impl IntoIterator<Item = Writer>) {
        for line in lines {
            self.help.push(format!("{what} by {}", shown(&line)));
            self.lines.push(line);
        }
    }

    /// None did it. `did` and `does` end the sentences `no rule …`.
    fn may(&mut self, did: &str, does: &str, lines: Vec<Writer>) {
        let named = lines.iter().map(shown).collect::<Vec<_>>().join(", ");
        self.help.push(match lines.len() {
            0 => format!("no rule {does}"),
            1 => format!("no rule {did}; this line may: {named}"),
            _ => format!("no rule {did}; these lines may: {named}"),
        });
        self.lines.extend(lines);
    }

    /// Something stands here.
    pub(super) fn at(place: &Place, text: &str) -> Self {
        let line = writer(place, text);
        Self { help: vec![format!("see {}", shown(&line))], lines: vec![line] }
    }
}

fn shown(line: &Writer) -> String {
    let text = if line.text.is_empty() { String::new() } else { format!("  `{}`", line.text) };
    format!("{}:{}{text}", line.file, line.line)
}

fn writer(place: &Place, text: &str) -> Writer {
    Writer { file: place.file.clone(), line: place.line, text: text.to_owned() }
}

/// The lines that wrote these fields last.
pub(super) fn wrote(run: &Run<'_>, fields: &[(Record, String)]) -> Named {
    let mut named = Named::default();
    let (mut did, mut told) = (BTreeSet::new(), BTreeSet::new());
    for ((entity, id), field) in fields {
        let of = |wrote: &Wrote| wrote.entity == *entity && wrote.id == *id && wrote.field.as_ref() == Some(field);
        let last = run.simulation.wrote().iter().enumerate().rev().find(|(_, wrote)| of(wrote));
        let own = run
            .edits
            .iter()
            .rev()
            .find(|edit| edit.record.0 == *entity && edit.record.1 == *id && edit.field == *field);
        match (last, own) {
            (Some((at, wrote)), own) if own.is_none_or(|own| own.after <= at) => {
                did.insert(writer(&wrote.place, &wrote.text));
            }
            (_, own) if told.insert((entity, field)) => {
                let since = if own.is_some() { " after the test changed it" } else { "" };
                let (did, does) = (format!("wrote {entity}.{field}{since}"), format!("writes {entity}.{field}"));
                named.may(&did, &does, writers(run.program, entity, field));
            }
            _ => {}
        }
    }
    let mut all = Named::default();
    all.did("written", did);
    all.help.append(&mut named.help);
    all.lines.append(&mut named.lines);
    all
}

/// The lines that made these records; those that make such records, where there are none.
pub(super) fn made(run: &Run<'_>, entity: &EntityName, ids: &[String]) -> Named {
    let mut named = Named::default();
    if ids.is_empty() {
        named.may(&format!("made a {entity}"), &format!("makes a {entity}"), makers(run.program, entity));
        return named;
    }
    let of = |wrote: &&Wrote| wrote.entity == *entity && wrote.field.is_none() && ids.contains(&wrote.id);
    let lines: BTreeSet<Writer> =
        run.simulation.wrote().iter().filter(of).map(|wrote| writer(&wrote.place, &wrote.text)).collect();
    named.did("made", lines);
    named
}

/// The lines for which these calls were sent; those that send such calls, where there are none.
pub(super) fn sent(run: &Run<'_>, system: &str, operation: &str, calls: &[&Called]) -> Named {
    let mut named = Named::default();
    if calls.is_empty() {
        let lines = acting(run.program, |action| match &action.kind {
            ActionKind::Call { system: s, operation: o, .. } if s == system && o == operation => vec![&action.place],
            _ => Vec::new(),
        });
        named.may(&format!("sent {system}.{operation}"), &format!("sends {system}.{operation}"), lines);
        return named;
    }
    let lines: BTreeSet<Writer> =
        calls.iter().filter_map(|called| called.place.as_ref()).map(|place| writer(place, "")).collect();
    named.did("sent", lines);
    named
}

/// The lines that may start a workflow that never began.
pub(super) fn starters(program: &Program, index: usize) -> Named {
    let lines = acting(program, |action| match &action.kind {
        ActionKind::Start { workflow, .. } if *workflow == index => vec![&action.place],
        _ => Vec::new(),
    });
    let name = &program.workflows[index].name;
    let mut named = Named::default();
    named.may(&format!("started {name}"), &format!("starts {name}"), lines);
    named
}

/// Places in actions, in the order of the rules.
fn acting<'a>(program: &'a Program, places: impl Fn(&'a Action) -> Vec<&'a Place>) -> Vec<Writer> {
    let codes = program.whens.iter().map(|when| &when.code).chain(program.workflows.iter().map(|w| &w.code));
    let actions = codes.flat_map(|code| &code.ops).filter_map(|op| match op {
        Op::Act(action) => Some(action),
        _ => None,
    });
    actions.flat_map(places).map(|place| writer(place, "")).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Lines that may make a record of an entity.
fn makers(program: &Program, entity: &EntityName) -> Vec<Writer> {
    let makes = |sync: &&Arc<dsl::program::Sync>| sync.create.iter().any(|side| sync.entity(*side) == entity);
    let mut found: Vec<Writer> =
        program.syncs.iter().filter(makes).map(|sync| writer(&sync.place, &format!("sync {}", sync.name))).collect();
    found.extend(acting(program, |action| match &action.kind {
        ActionKind::Create { entity: made, .. } if made == entity => vec![&action.place],
        _ => Vec::new(),
    }));
    found
}

/// Lines that may write a field or link.
fn writers(program: &Program, entity: &EntityName, field: &str) -> Vec<Writer> {
    let mut found = Vec::new();
    for sync in &program.syncs {
        for mapping in sync.fields.iter().filter(|mapping| !mapping.implicit) {
            let writes = [Side::Left, Side::Right].into_iter().any(|side| {
                let name = match &mapping.kind {
                    MappingKind::Field { left, right, .. } => Some(if side == Side::Left { left } else { right }),
                    MappingKind::Computed { target, .. } => Some(target),
                    MappingKind::Link { left, right, .. } => if side == Side::Left { left } else { right }.last(),
                };
                mapping.direction.writes(side) && sync.entity(side) == entity && name.is_some_and(|name| name == field)
            });
            if writes {
                found.push(writer(&mapping.place, &mapping.text));
            }
        }
    }
    found.extend(acting(program, |action| places(action, entity, field)));
    found
}

fn places<'a>(action: &'a Action, entity: &EntityName, field: &str) -> Vec<&'a Place> {
    match &action.kind {
        ActionKind::Create { entity: made, key, values, .. } if made == entity => {
            let own = (key.0 == field).then_some(&action.place);
            own.into_iter().chain(values.iter().filter(|v| v.name == field).map(|v| &v.place)).collect()
        }
        ActionKind::Update { entity: changed, values, .. } if changed == entity => {
            values.iter().filter(|value| value.name == field).map(|value| &value.place).collect()
        }
        ActionKind::Set { entity: changed, assign, .. } if changed == entity && assign.name == field => {
            vec![&assign.place]
        }
        _ => Vec::new(),
    }
}
