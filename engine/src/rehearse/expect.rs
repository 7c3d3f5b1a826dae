//! What a test expects, held against what the systems hold and what the engine did.
//!
//! Always true: a failing expectation says what was there instead, at the value that is wrong, and names the rule
//! lines that it comes from (see [`lines`](super::lines)).

use std::collections::{BTreeMap, BTreeSet};

use dsl::ast::{RecordCount, StepState, WorkflowState};
use dsl::decode::{decode_field, encode_field};
use dsl::diagnostic::{Code, Problem};
use dsl::program::test::{Expectation, Held, Test};
use dsl::program::{MappingKind, Side, Workflow};
use dsl::schema::{EntityName, Type};
use dsl::source::Span;
use dsl::value::Value;

use super::lines::{self, Named};
use super::simulation::{Called, Simulation};
use super::test::{Failure, Run, Writer};
use super::view::{Record, same};
use crate::decide::views::{self, RunStatus};

/// What became of one expectation.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) failures: Vec<Failure>,
    pub(super) looked_at: BTreeSet<(usize, usize)>,
}

/// A value that is not as expected.
struct Wrong {
    span: Span,
    was: String,
    /// The field or link that was looked at.
    field: Option<(Record, String)>,
}

pub(super) fn check(run: &mut Run<'_>, expectation: &Expectation, span: Span) -> Result<Expected, String> {
    match expectation {
        Expectation::Record { count, entity, values } => records(run, *count, entity, values, span),
        Expectation::Parked { entity, values } => parked(run, entity, values, span),
        Expectation::Sent { system, operation, values, times } => sent(run, system, operation, values, *times, span),
        Expectation::Workflow(index, state) => workflow(run, *index, *state, span),
        Expectation::Step(index, step, state) => step_state(run, *index, *step, *state, span),
    }
}

fn failed(run: &Run<'_>, labels: Vec<(Span, String)>, named: Named) -> Expected {
    let message = format!("test \"{}\" failed", run.test.title);
    let mut labels = labels.into_iter();
    let (span, text) = labels.next().unwrap_or((run.test.span, "here".to_owned()));
    let problem =
        labels.fold(Problem::new(Code::T0001, message, span, text), |problem, (span, text)| problem.label(span, text));
    let problem = named.help.into_iter().fold(problem, Problem::help);
    Expected { failures: vec![Failure { problem, writers: named.lines }], ..Expected::default() }
}

fn records(
    run: &Run<'_>,
    count: RecordCount,
    entity: &EntityName,
    values: &[Held],
    span: Span,
) -> Result<Expected, String> {
    let mut matching = Vec::new();
    let mut nearest: Option<(String, Vec<Wrong>)> = None;
    for id in run.view().ids(entity) {
        let wrong = differences(run, &(entity.clone(), id.clone()), values)?;
        if wrong.is_empty() {
            matching.push(id);
        } else if nearest.as_ref().is_none_or(|(_, least)| wrong.len() < least.len()) {
            nearest = Some((id, wrong));
        }
    }
    let holds = match count {
        RecordCount::None => matching.is_empty(),
        RecordCount::One => matching.len() == 1,
        RecordCount::Some => !matching.is_empty(),
    };
    if holds {
        // Only an expectation that held counts for coverage: one that failed has shown nothing of the line.
        let looked_at = matching.iter().map(|id| looked_at(run, &(entity.clone(), id.clone()), values));
        let looked_at = looked_at.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        return Ok(Expected { looked_at, ..Expected::default() });
    }
    // What comes nearest is almost always what was meant; its differences say more than that nothing fits.
    let (labels, named) = match (matching.as_slice(), nearest) {
        ([], Some((id, wrong))) => {
            let fields: Vec<_> = wrong.iter().filter_map(|wrong| wrong.field.clone()).collect();
            let mut labels: Vec<_> = wrong.into_iter().map(|wrong| (wrong.span, wrong.was)).collect();
            if let Some((_, text)) = labels.first_mut()
                && run.view().ids(entity).len() > 1
            {
                text.push_str(&format!(" in {entity} {id}, which comes nearest"));
            }
            (labels, lines::wrote(run, &fields))
        }
        ([], None) => (vec![(span, format!("there is no {entity}"))], lines::made(run, entity, &[])),
        ([id], _) => (vec![(span, format!("there is one: {entity} {id}"))], lines::made(run, entity, &matching)),
        (several, _) => {
            let text = format!("there are {}: {entity} {}", several.len(), several.join(", "));
            (vec![(span, text)], lines::made(run, entity, &matching))
        }
    };
    let mut expected = failed(run, labels, named);
    add_incidents(run, &mut expected)?;
    Ok(expected)
}

/// Where something waits for a person, that is the likeliest cause.
fn add_incidents(run: &Run<'_>, expected: &mut Expected) -> Result<(), String> {
    for incident in views::incidents(run.simulation.rows()).map_err(|error| error.to_string())? {
        for failure in &mut expected.failures {
            let text = format!("{} {} waits for a person: {}", incident.entity, incident.id, incident.cause);
            failure.problem.help.push(text);
        }
    }
    Ok(())
}

/// The values of a record that are not as expected.
fn differences(run: &Run<'_>, record: &Record, values: &[Held]) -> Result<Vec<Wrong>, String> {
    let view = run.view();
    let mut wrong = Vec::new();
    for held in values {
        let expected = run.evaluate(held)?;
        let Some(field) = &held.field else {
            let is = view.follow_all(record, &held.links).map(|(_, id)| id);
            let wanted = expected.as_text().map(str::to_owned);
            // A record of the other system means its partner.
            let same = match &held.leads_to {
                Some(given) if *given != held.entity => match &is {
                    Some(id) => {
                        partners(run, &(held.entity.clone(), id.clone()), given)?.contains(&expected.to_string())
                    }
                    None => false,
                },
                _ => is == wanted,
            };
            if !same {
                let was = is.map_or_else(|| "leads to nothing".to_owned(), |id| format!("leads to {id}"));
                let field = held.links.first().map(|link| (record.clone(), link.clone()));
                wrong.push(Wrong { span: held.span, was, field });
            }
            continue;
        };
        let Some(reached) = view.follow_all(record, &held.links) else {
            if !expected.is_empty() {
                let link = held.links.first().map(|link| (record.clone(), link.clone()));
                wrong.push(Wrong { span: held.span, was: "leads to nothing".to_owned(), field: link });
            }
            continue;
        };
        let named = (reached.clone(), field.clone());
        if held.spelled {
            let is = view.wire(&reached, field);
            if is != encode_field(&expected) {
                let was = format!("was {}", if is.is_null() { "empty".to_owned() } else { is.to_string() });
                wrong.push(Wrong { span: held.span, was, field: Some(named) });
            }
            continue;
        }
        let declared = run.program.field(&held.entity, field);
        let is = match view.value(&reached, field) {
            Ok(value) => held.inside.iter().fold(value, |value, name| match value {
                Value::Record(mut members) => members.remove(name).unwrap_or_default(),
                _ => Value::Empty,
            }),
            Err(fault) => {
                wrong.push(Wrong { span: held.span, was: fault.to_string(), field: Some(named) });
                continue;
            }
        };
        let expected = match declared {
            Some(declared) if held.inside.is_empty() => {
                dsl::eval::coerce(expected, declared).map_err(|fault| fault.to_string())?
            }
            _ => expected,
        };
        if !same(&is, &expected) {
            let percent = declared.is_some_and(|declared| declared.ty == Type::Percent);
            wrong.push(Wrong { span: held.span, was: format!("was {}", shown(&is, percent)), field: Some(named) });
        }
    }
    Ok(wrong)
}

/// A value as it is written in rules.
fn shown(value: &Value, percent: bool) -> String {
    match value {
        Value::Empty => "empty".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Decimal(number) if percent => {
            format!("{}%", (number * rust_decimal::Decimal::ONE_HUNDRED).normalize())
        }
        other => other.to_string(),
    }
}

/// Ids of records of `other` that the engine takes for the same thing as `record`.
fn partners(run: &Run<'_>, record: &Record, other: &EntityName) -> Result<Vec<String>, String> {
    let links = views::links(run.simulation.rows()).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for sync in &run.program.syncs {
        let left = sync.left == record.0 && sync.right == *other;
        let right = sync.right == record.0 && sync.left == *other;
        for link in links.iter().filter(|link| link.sync == sync.name) {
            let (own, partner) = if left { (&link.left, &link.right) } else { (&link.right, &link.left) };
            if (left || right) && own.as_ref() == Some(&record.1) {
                found.extend(partner.clone());
            }
        }
    }
    Ok(found)
}

/// Lines of syncs that wrote what these values look at.
fn looked_at(run: &Run<'_>, record: &Record, values: &[Held]) -> Result<BTreeSet<(usize, usize)>, String> {
    let links = views::links(run.simulation.rows()).map_err(|error| error.to_string())?;
    let mut found = BTreeSet::new();
    for (index, sync) in run.program.syncs.iter().enumerate() {
        let sides = [(Side::Left, &sync.left), (Side::Right, &sync.right)];
        for (side, entity) in sides {
            let of = |link: &&views::Link| match side {
                Side::Left => link.left.as_ref() == Some(&record.1),
                Side::Right => link.right.as_ref() == Some(&record.1),
            };
            let linked = || links.iter().filter(|link| link.sync == sync.name).any(|link| of(&link));
            if *entity != record.0 || !linked() {
                continue;
            }
            for (line, mapping) in sync.fields.iter().enumerate().filter(|(_, mapping)| !mapping.implicit) {
                let name = match &mapping.kind {
                    MappingKind::Field { left, right, .. } => Some(if side == Side::Left { left } else { right }),
                    MappingKind::Computed { target, .. } => mapping.direction.writes(side).then_some(target),
                    MappingKind::Link { left, right, .. } => {
                        let path = if side == Side::Left { left } else { right };
                        if values.iter().any(|held| held.links.first() == path.first()) {
                            found.insert((index, line));
                        }
                        None
                    }
                };
                let looks = |held: &&Held| held.links.is_empty() && held.field.as_ref() == name;
                if name.is_some() && values.iter().any(|held| looks(&held)) {
                    found.insert((index, line));
                }
            }
        }
    }
    Ok(found)
}

fn parked(run: &mut Run<'_>, entity: &EntityName, values: &[Held], span: Span) -> Result<Expected, String> {
    let incidents = views::incidents(run.simulation.rows()).map_err(|error| error.to_string())?;
    let links = views::links(run.simulation.rows()).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for incident in &incidents {
        let mut ids = BTreeSet::new();
        if incident.entity == entity.to_string() {
            ids.insert(incident.id.clone());
        }
        // An incident of a pair is about both of its records.
        for link in links.iter().filter(|link| incident.subject == format!("link {}", link.link)) {
            if let Some(sync) = run.program.syncs.iter().find(|sync| sync.name == link.sync) {
                ids.extend(link.left.clone().filter(|_| sync.left == *entity));
                ids.extend(link.right.clone().filter(|_| sync.right == *entity));
            }
        }
        for id in ids {
            // A value that cannot be read is often the very cause.
            if differences(run, &(entity.clone(), id), values)?.is_empty() {
                found.push(incident.subject.clone());
            }
        }
    }
    if !found.is_empty() {
        run.accepted.extend(found);
        return Ok(Expected::default());
    }
    let text = match incidents.as_slice() {
        [] => "nothing waits for a person".to_owned(),
        [one] => format!("only {} {} waits", one.entity, one.id),
        several => format!("{} others wait, but no such record", several.len()),
    };
    let mut expected = failed(run, vec![(span, text)], Named::default());
    add_incidents(run, &mut expected)?;
    Ok(expected)
}

/// What waits for a person though the test did not expect it.
pub(super) fn unexpected(
    simulation: &Simulation,
    accepted: &BTreeSet<String>,
    test: &Test,
) -> Result<Vec<Failure>, String> {
    let incidents = views::incidents(simulation.rows()).map_err(|error| error.to_string())?;
    let left = incidents.into_iter().filter(|incident| !accepted.contains(&incident.subject));
    Ok(left
        .map(|incident| {
            let message = format!("test \"{}\" left something for a person", test.title);
            let about = format!("{} {}", incident.entity, incident.id);
            let problem = Problem::new(Code::T0003, message, test.span, format!("{} waits", about.trim()))
                .help(incident.cause)
                .help(format!("if it should wait, expect it: `expect parked {}`", incident.entity));
            let place = incident.place.split_once(':').and_then(|(file, line)| {
                Some(Writer { file: file.to_owned(), line: line.parse().ok()?, text: String::new() })
            });
            Failure { problem, writers: place.into_iter().collect() }
        })
        .collect())
}

fn sent(
    run: &Run<'_>,
    system: &str,
    operation: &str,
    values: &[Held],
    times: Option<u64>,
    span: Span,
) -> Result<Expected, String> {
    let params = run.program.systems.get(system).and_then(|system| system.lock.operations.get(operation));
    let params = params.map(|operation| &operation.params);
    let mut wanted = BTreeMap::new();
    for held in values {
        wanted.insert(held.field.clone().unwrap_or_default(), run.evaluate(held)?);
    }
    let value = |called: &Called, name: &str| -> Value {
        let wire = called.values.get(name).cloned().unwrap_or_default();
        let declared = params.and_then(|params| params.get(name));
        declared.and_then(|field| decode_field(field, &wire).ok()).unwrap_or_default()
    };
    let all: Vec<&Called> =
        run.simulation.calls.iter().filter(|called| called.system == system && called.operation == operation).collect();
    let holds = |called: &&Called| wanted.iter().all(|(name, wanted)| same(&value(called, name), wanted));
    let count = all.iter().filter(|called| holds(called)).count() as u64;
    if times.map_or(count > 0, |times| count == times) {
        return Ok(Expected::default());
    }
    let said = |called: &Called| {
        let named = wanted.keys().map(|name| format!("{name} {}", shown(&value(called, name), false)));
        named.collect::<Vec<_>>().join(", ")
    };
    let (right, others): (Vec<&Called>, Vec<&Called>) = all.into_iter().partition(|called| holds(called));
    let was = match right.len() {
        0 => "was not sent".to_owned(),
        1 => "was sent once".to_owned(),
        n => format!("was sent {n} times"),
    };
    // Too many of the right ones: their lines are to blame. None: those that were sent with something else.
    let named = lines::sent(run, system, operation, if right.is_empty() { &others } else { &right });
    let mut expected = failed(run, vec![(span, was)], named);
    if !others.is_empty() {
        let others: Vec<String> = others.into_iter().map(said).collect();
        let text = format!("{system}.{operation} was called with {}", others.join("; "));
        expected.failures.iter_mut().for_each(|failure| failure.problem.help.push(text.clone()));
    }
    add_incidents(run, &mut expected)?;
    Ok(expected)
}

fn workflow(run: &Run<'_>, index: usize, state: WorkflowState, span: Span) -> Result<Expected, String> {
    let name = &run.program.workflows[index].name;
    let runs = run.runs()?;
    let runs: Vec<_> = runs.iter().filter(|run| run.rule == *name).collect();
    let fits = |is: RunStatus| match state {
        WorkflowState::Running => matches!(is, RunStatus::Running | RunStatus::Waiting),
        WorkflowState::Finished => is == RunStatus::Finished,
        WorkflowState::Failed => is == RunStatus::Failed,
    };
    if runs.iter().any(|run| fits(run.state)) {
        return Ok(Expected::default());
    }
    let states: Vec<&str> = runs.iter().map(|run| run.state.as_str()).collect();
    let was = match states.as_slice() {
        [] => "it never began".to_owned(),
        [one] => format!("it is {one}"),
        several => format!("there are {} runs: {}", several.len(), several.join(", ")),
    };
    let named = match runs.last() {
        None => lines::starters(run.program, index),
        Some(last) => stands(&run.program.workflows[index], last),
    };
    let mut expected = failed(run, vec![(span, was)], named);
    add_incidents(run, &mut expected)?;
    Ok(expected)
}

/// Where a run of a workflow is, and why it goes no further.
fn stands(workflow: &Workflow, run: &views::Run) -> Named {
    let step = run.step.as_ref().and_then(|name| workflow.code.steps.iter().find(|step| step.name == *name));
    let mut named = match step {
        Some(step) => Named::at(&step.place, &format!("step {}", step.name)),
        None => Named::at(&workflow.place, &format!("workflow {}", workflow.name)),
    };
    if !run.detail.is_empty() {
        named.help.push(format!("it is {}: {}", run.state, run.detail));
    }
    named
}

fn step_state(run: &Run<'_>, index: usize, step: usize, state: StepState, span: Span) -> Result<Expected, String> {
    let workflow = &run.program.workflows[index];
    let name = &workflow.code.steps[step].name;
    let runs = run.runs()?;
    let runs: Vec<_> = runs.iter().filter(|run| run.rule == workflow.name).collect();
    let fits = |run: &&&views::Run| match state {
        StepState::Done => run.completed.contains(name),
        StepState::Undone => run.undone.contains(name),
        StepState::Skipped => run.state.is_over() && !run.completed.contains(name),
    };
    if runs.iter().any(|run| fits(&run)) {
        return Ok(Expected::default());
    }
    let was = match runs.as_slice() {
        [] => format!("workflow {} never began", workflow.name),
        [run, ..] if run.undone.contains(name) => "it was undone".to_owned(),
        [run, ..] if run.completed.contains(name) => "it was done".to_owned(),
        [run, ..] => format!("it was not done; the workflow is {}", run.state),
    };
    let named = match runs.first() {
        None => lines::starters(run.program, index),
        Some(first) if first.completed.contains(name) || first.undone.contains(name) => {
            Named::at(&workflow.code.steps[step].place, &format!("step {name}"))
        }
        Some(first) => stands(workflow, first),
    };
    let mut expected = failed(run, vec![(span, was)], named);
    add_incidents(run, &mut expected)?;
    Ok(expected)
}
