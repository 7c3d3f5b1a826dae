//! Runs of `when` and `workflow`: positions in flat code (RUNTIME.md sections 4 and 5).
//!
//! Always true: an unfinished run names its waker in its state; the answer to one effect and the intent of the
//! next are one round; an effect's values are fixed when it is decided and reused by every retry; retries end
//! in `on failure` or an incident, never in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::ast::{Priority, SecondStart};
use dsl::eval::eval;
use dsl::program::{Code, Expr, Op, Program, Retry, Trigger};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use super::context::{Context, Task, Transition, TransitionKind};
use super::reads::{self, Need};
use super::rows::{Frame, Key, Kind, RunOf, RunRow, RunState, TimerRow, Var, Waiter, value_key};
use super::scope::{Stop, Variables};
use super::{Event, Reached, action, identity, incident};
use crate::ids::RunId;
use crate::ledger::Error;

pub(super) fn key(id: RunId) -> Vec<u8> {
    Key::new(Kind::Run).number(id.0).bytes()
}

/// The program a run began with, and its code.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) program: Arc<Program>,
    what: RunOf,
}

impl Script {
    pub(super) fn of(cx: &Context<'_>, run: &RunRow) -> Option<Self> {
        let program = cx.programs.by_hash.get(&run.program).cloned()?;
        let there = match run.what {
            RunOf::When(index) => index < program.whens.len(),
            RunOf::Workflow(index) => index < program.workflows.len(),
        };
        there.then(|| Self { program, what: run.what.clone() })
    }

    pub(super) fn code(&self) -> &Code {
        match self.what {
            RunOf::When(index) => &self.program.whens[index].code,
            RunOf::Workflow(index) => &self.program.workflows[index].code,
        }
    }

    pub(super) fn name(&self) -> String {
        match self.what {
            RunOf::When(index) => {
                let when = &self.program.whens[index];
                match &when.trigger {
                    Trigger::Created => format!("when {} is created", when.entity),
                    Trigger::Deleted => format!("when {} is deleted", when.entity),
                    Trigger::Changes(field) => format!("when {} changes {field}", when.entity),
                }
            }
            RunOf::Workflow(index) => format!("workflow {}", self.program.workflows[index].name),
        }
    }

    pub(super) fn place(&self) -> String {
        match self.what {
            RunOf::When(index) => self.program.whens[index].place.to_string(),
            RunOf::Workflow(index) => self.program.workflows[index].place.to_string(),
        }
    }
}

/// Fires what reacts to a transition, unless the merge is about to write over it.
pub(super) fn react(cx: &mut Context<'_>, transition: &Transition) -> Result<(), Error> {
    let program = cx.program();
    if let TransitionKind::Changes { field, new, .. } = &transition.kind {
        if super::sync::overwrites(cx, &transition.entity, &transition.id, field)? {
            return Ok(());
        }
        let Some(mut row) = cx.record(&transition.entity, &transition.id)? else { return Ok(()) };
        if row.told.get(field) == Some(new) {
            return Ok(());
        }
        Arc::make_mut(&mut row).told.insert(field.clone(), new.clone());
        cx.learn(&transition.entity, &transition.id, row);
    }
    for (index, when) in program.whens.iter().enumerate() {
        if when.entity != transition.entity {
            continue;
        }
        let mut vars =
            BTreeMap::from([(when.variable.clone(), Var::Record(transition.entity.clone(), transition.id.clone()))]);
        match (&when.trigger, &transition.kind) {
            (Trigger::Created, TransitionKind::Created) | (Trigger::Deleted, TransitionKind::Deleted) => {}
            (Trigger::Changes(f), TransitionKind::Changes { field, old, new }) if f == field => {
                vars.insert("old".to_owned(), Var::Plain(old.clone()));
                vars.insert("new".to_owned(), Var::Plain(new.clone()));
            }
            _ => continue,
        }
        cx.reached(|| {
            let (old, new) = match &transition.kind {
                TransitionKind::Changes { old, new, .. } => (Some(old.clone()), Some(new.clone())),
                TransitionKind::Created | TransitionKind::Deleted => (None, None),
            };
            Reached::When { place: when.place.clone(), old, new }
        });
        let id = begin(cx, &program, RunOf::When(index), vars, transition.at)?;
        // What an unfinished run makes or writes settles before the next reaction to it is decided.
        let busy = Key::new(Kind::Busy).entity(&transition.entity).text(&transition.id).bytes();
        if let Some((_, bytes)) = cx.scan(&busy, 1)?.first() {
            let ahead: RunId = super::context::decode(&busy, bytes)?;
            let mut run = load(cx, id)?;
            run.state = RunState::Behind(ahead);
            cx.put(key(id), &run);
            cx.put(Key::new(Kind::Behind).number(ahead.0).number(id.0).bytes(), &id);
        }
    }
    Ok(())
}

pub(super) fn load(cx: &Context<'_>, id: RunId) -> Result<RunRow, Error> {
    cx.get(&key(id))?.ok_or_else(|| Error::Row { key: format!("run {id}"), reason: "it is not there".to_owned() })
}

fn begin(
    cx: &mut Context<'_>,
    program: &Arc<Program>,
    what: RunOf,
    vars: BTreeMap<String, Var>,
    at: Timestamp,
) -> Result<RunId, Error> {
    let id = RunId(cx.next()?);
    let run = RunRow::new(&program.hash, what, vars, at);
    cx.put(key(id), &run);
    cx.task(Task::Run(id));
    Ok(id)
}

/// Starts a workflow for a record. `Ok(None)` where `only one per` keeps the first.
pub(super) fn start(
    cx: &mut Context<'_>,
    program: &Arc<Program>,
    index: usize,
    entity: &EntityName,
    record: &str,
    at: Timestamp,
) -> Result<Result<Option<RunId>, Stop>, Error> {
    let workflow = &program.workflows[index];
    let vars = BTreeMap::from([(workflow.variable.clone(), Var::Record(entity.clone(), record.to_owned()))]);
    let mut slot = None;
    if let Some((expr, second)) = &workflow.only_one {
        let scope = Variables { cx, program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
        let value = match eval(program, expr, &scope) {
            Ok(value) => value,
            Err(halt) => return Ok(Err(Stop::from(halt))),
        };
        let name = Key::new(Kind::OnlyOne).text(&workflow.name).text(&value_key(&value)).bytes();
        let mut runs: Vec<RunId> = cx.get(&name)?.unwrap_or_default();
        if !runs.is_empty() {
            match second {
                SecondStart::KeepFirst => return Ok(Ok(None)),
                SecondStart::NewestWins => {
                    for earlier in std::mem::take(&mut runs) {
                        let mut run = load(cx, earlier)?;
                        end(cx, earlier, &mut run, RunState::Cancelled, "a newer run took its place")?;
                    }
                }
                SecondStart::Queue => {}
            }
        }
        slot = Some((name, runs, *second));
    }
    let id = begin(cx, program, RunOf::Workflow(index), vars.clone(), at)?;
    let mut run = load(cx, id)?;
    if let Some((name, _, second)) = slot {
        let mut runs: Vec<RunId> = cx.get(&name)?.unwrap_or_default();
        if let (SecondStart::Queue, Some(ahead)) = (second, runs.last()) {
            run.state = RunState::Behind(*ahead);
            cx.put(Key::new(Kind::Behind).number(ahead.0).number(id.0).bytes(), &id);
        }
        runs.push(id);
        cx.put(name.clone(), &runs);
        run.only_one = Some(name.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    if let Some(span) = workflow.give_up {
        cx.arm(cx.now.plus(span), &TimerRow::GiveUp(id))?;
    }
    if workflow.cancel.is_some() {
        let watch = Key::new(Kind::Watch).entity(entity).text(record).number(id.0).bytes();
        cx.put(watch.clone(), &id);
        run.watches.insert(watch);
    }
    // What a wait looks for is fixed at the start where only the argument is used: an event that comes
    // before the wait is reached counts.
    for (pc, op) in workflow.code.ops.iter().enumerate() {
        let Op::WaitFor { what, field, equals, .. } = op else { continue };
        let scope = Variables { cx, program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
        if uses_only(equals, &workflow.variable)
            && let Ok(value) = eval(program, equals, &scope)
        {
            listen(cx, id, &mut run, pc, what, field, &value);
        }
    }
    cx.put(key(id), &run);
    log(cx, id, &run, "run", format!("started for {entity} {record}"));
    Ok(Ok(Some(id)))
}

fn uses_only(expr: &Expr, variable: &str) -> bool {
    match expr {
        Expr::Literal(_) => true,
        Expr::Field { variable: v, .. } | Expr::Reference { variable: v, .. } | Expr::Record { variable: v, .. } => {
            v == variable
        }
        Expr::Join(parts) => parts.iter().all(|(part, _)| uses_only(part, variable)),
        Expr::Transform(inner, _) => uses_only(inner, variable),
        Expr::Else(a, b) => uses_only(a, variable) && uses_only(b, variable),
        _ => false,
    }
}

fn listen(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, pc: usize, what: &EntityName, field: &str, value: &Value) {
    let key =
        Key::new(Kind::Await).entity(what).text(field).text(&value_key(value)).number(id.0).number(pc as u64).bytes();
    cx.put(key.clone(), &(id, pc));
    run.awaits.insert(key);
}

pub(super) fn log(cx: &mut Context<'_>, id: RunId, run: &RunRow, action: &str, detail: impl Into<String>) {
    let (rule, place) = Script::of(cx, run).map_or_else(Default::default, |s| (s.name(), s.place()));
    let subject = run.vars.values().find_map(|var| match var {
        Var::Record(entity, id) => Some((entity.to_string(), id.clone())),
        _ => None,
    });
    let (entity, left) = subject.map_or((String::new(), None), |(e, i)| (e, Some(i)));
    cx.log(Event {
        at: cx.now,
        action: action.to_owned(),
        rule,
        place,
        entity,
        left,
        subject: id.to_string(),
        detail: detail.into(),
        ..Event::default()
    });
}

/// Ends a run and gives back what it holds.
pub(super) fn end(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, state: RunState, why: &str) -> Result<(), Error> {
    if let Some(effect) = run.pending.take()
        && let Some(work) = effect.work
    {
        cx.delete(work);
    }
    run.token += 1;
    for key in std::mem::take(&mut run.awaits).into_iter().chain(std::mem::take(&mut run.watches)) {
        cx.delete(key);
    }
    for (entity, record) in std::mem::take(&mut run.touched) {
        cx.delete(Key::new(Kind::Busy).entity(&entity).text(&record).number(id.0).bytes());
    }
    if let Some(name) = run.only_one.take() {
        let key: Vec<u8> =
            (0..name.len() / 2).filter_map(|i| u8::from_str_radix(&name[2 * i..2 * i + 2], 16).ok()).collect();
        let mut runs: Vec<RunId> = cx.get(&key)?.unwrap_or_default();
        runs.retain(|other| *other != id);
        if runs.is_empty() {
            cx.delete(key);
        } else {
            cx.put(key, &runs);
        }
    }
    incident::settle(cx, &format!("run {id}"))?;
    let is_workflow = matches!(run.what, RunOf::Workflow(_));
    if is_workflow || state != RunState::Finished {
        let what = match state {
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            _ => "cancelled",
        };
        log(cx, id, run, "run", if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") });
    }
    run.state = state;
    cx.put(key(id), run);
    let behind = Key::new(Kind::Behind).number(id.0).bytes();
    for (row, bytes) in cx.scan(&behind, usize::MAX)? {
        let waiting: RunId = super::context::decode(&row, &bytes)?;
        cx.delete(row);
        let mut other = load(cx, waiting)?;
        if other.state == RunState::Behind(id) {
            other.state = RunState::Ready;
            other.fresh = other.fresh.max(run.fresh);
            cx.put(key(waiting), &other);
            cx.task(Task::Run(waiting));
        }
    }
    if !is_workflow {
        // A reaction that is over is history; workflows stay for people until retention takes them.
        cx.delete(key(id));
    }
    Ok(())
}

/// Goes on with a run as far as it can.
pub(super) fn advance(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = cx.get::<RunRow>(&key(id))? else { return Ok(()) };
    if !matches!(run.state, RunState::Ready | RunState::Reading) {
        return Ok(());
    }
    let Some(script) = Script::of(cx, &run) else {
        return stop(cx, id, &mut run, "the rules it began with are not here any more", None);
    };
    let mut waited = run.state == RunState::Reading;
    run.state = RunState::Ready;
    // Each pass through the loop is one operation; code has no backward jumps but for undo.
    for _ in 0..100_000 {
        let went = step(cx, id, &mut run, &script);
        if waited && !matches!(&went, Err(Stop::Need(need)) if identity::needs_partner(need)) {
            waited = false;
            incident::settle_wait(cx, &format!("run {id}"))?;
        }
        match went {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Stop::Need(need)) => {
                run.state = RunState::Reading;
                cx.put(key(id), &run);
                if let Need::Partner { sync, side, id: record } = &need {
                    let wait = reads::partner_wait(sync, *side, record, Waiter::Run(id));
                    if cx.raw(&wait)?.is_none() {
                        cx.arm(cx.now.plus(identity::OVERDUE), &TimerRow::Unpaired(id, wait))?;
                    }
                }
                return reads::need(cx, &need, Waiter::Run(id), Priority::High);
            }
            Err(Stop::Fault(fault)) => return failed(cx, id, run, &script, &fault.to_string()),
            Err(Stop::Ledger(error)) => return Err(error),
        }
    }
    stop(cx, id, &mut run, "it does not come to an end", None)
}

/// A run has waited long for the partner of a record: people are shown it.
pub(super) fn unpaired(cx: &mut Context<'_>, id: RunId, wait: &[u8]) -> Result<(), Error> {
    let Some(run) = cx.get::<RunRow>(&key(id))? else { return Ok(()) };
    if run.state != RunState::Reading || cx.raw(wait)?.is_none() {
        return Ok(());
    }
    let Some(script) = Script::of(cx, &run) else { return Ok(()) };
    let cause = "a record it links to has no partner yet".to_owned();
    let mut row = incident_row(cx, &format!("run {id}"), &run, &script, cause);
    row.advice =
        format!("it goes on by itself when the partner comes; `engine resolve cancel {id} --reason …` ends it");
    row.parked = true;
    incident::open(cx, row, &script.name())
}

/// One operation. False where the run has to wait or is over; it has been stored then.
fn step(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, script: &Script) -> Result<bool, Stop> {
    let program = Arc::clone(&script.program);
    if run.pc == 0
        && let RunOf::When(index) = run.what
        && let Some(only) = &program.whens[index].only
        && !action::holds(cx, run, &program, only)?
    {
        end(cx, id, run, RunState::Finished, "")?;
        return Ok(false);
    }
    let code = script.code();
    let Some(op) = code.ops.get(run.pc) else {
        end(cx, id, run, RunState::Finished, "")?;
        return Ok(false);
    };
    match op {
        Op::Step(index) => {
            run.step = Some(*index);
            run.pc += 1;
            reset_tries(run);
        }
        Op::EndStep(index) => {
            run.completed.push(*index);
            run.step = None;
            run.pc += 1;
            log(cx, id, run, "step", format!("{} done", code.steps[*index].name));
        }
        Op::JumpUnless(condition, target) => {
            run.pc = if action::holds(cx, run, &program, condition)? { run.pc + 1 } else { *target };
        }
        Op::Jump(target) => run.pc = *target,
        Op::Act(act) => return action::perform(cx, id, run, script, act),
        Op::Wait(span) => {
            let until = cx.now.plus(*span);
            return sleep(cx, id, run, until);
        }
        Op::WaitUntil(expr) => {
            let until = match action::value(cx, run, &program, expr, false)? {
                Value::Time(time) => time,
                Value::Date(days) => Timestamp(i64::from(days) * 86_400_000),
                _ => cx.now,
            };
            return sleep(cx, id, run, until);
        }
        Op::WaitFor { what, field, equals, up_to, variable, .. } => {
            if let Some(var) = run.early.remove(&run.pc) {
                if let Some(name) = variable {
                    run.vars.insert(name.clone(), var);
                }
                run.fresh = cx.now;
                run.pc += 1;
                return Ok(true);
            }
            let value = action::value(cx, run, &program, equals, false)?;
            listen(cx, id, run, run.pc, what, field, &value);
            let until = cx.now.plus(*up_to);
            run.token += 1;
            run.wait_until = Some(until);
            run.state = RunState::Awaiting;
            // D includes its last instant.
            cx.arm(until.plus(Duration(1)), &TimerRow::Run(id, run.token))?;
            cx.put(key(id), run);
            return Ok(false);
        }
        Op::UndoCompleted => {
            let left: Vec<usize> = run
                .completed
                .iter()
                .copied()
                .filter(|index| code.steps[*index].undo.is_some() && !run.undone.contains(index))
                .collect();
            run.stack.push(Frame { resume: run.pc + 1, left, step: None });
            next_undo(run, script);
        }
        Op::Return => {
            if run.stack.last().is_some() {
                if let Some(frame) = run.stack.last()
                    && let Some(done) = frame.step
                {
                    run.undone.insert(done);
                    log(cx, id, run, "step", format!("{} undone", code.steps[done].name));
                }
                next_undo(run, script);
                return Ok(true);
            }
            let why = run.failure.clone().map(|(step, message)| format!("{step}: {message}")).unwrap_or_default();
            end(cx, id, run, RunState::Failed, &why)?;
            return Ok(false);
        }
        Op::Finish => {
            end(cx, id, run, RunState::Finished, "")?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Goes to the next step that is to be undone, or behind the undoing.
fn next_undo(run: &mut RunRow, script: &Script) {
    reset_tries(run);
    let Some(frame) = run.stack.last_mut() else { return };
    match frame.left.pop() {
        Some(index) => {
            frame.step = Some(index);
            run.pc = script.code().steps[index].undo.unwrap_or(frame.resume);
        }
        None => {
            run.pc = frame.resume;
            run.stack.pop();
        }
    }
}

pub(super) fn reset_tries(run: &mut RunRow) {
    run.attempts = 0;
    run.first_try = None;
    run.asked.clear();
}

fn sleep(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, until: Timestamp) -> Result<bool, Stop> {
    run.token += 1;
    run.wait_until = Some(until);
    run.state = RunState::Sleeping;
    cx.arm(until, &TimerRow::Run(id, run.token))?;
    cx.put(key(id), run);
    Ok(false)
}

/// A run's timer is due.
pub(super) fn due(cx: &mut Context<'_>, id: RunId, token: u64) -> Result<(), Error> {
    let Some(mut run) = cx.get::<RunRow>(&key(id))? else { return Ok(()) };
    if run.token != token {
        return Ok(());
    }
    let Some(script) = Script::of(cx, &run) else { return Ok(()) };
    match run.state {
        RunState::Sleeping if run.pending.is_some() => return action::resend(cx, id, run),
        RunState::Sleeping => {
            let waited = matches!(script.code().ops.get(run.pc), Some(Op::Wait(_) | Op::WaitUntil(_)));
            if waited {
                run.pc += 1;
                run.fresh = cx.now;
            }
        }
        RunState::Awaiting => {
            if let Some(Op::WaitFor { timed_out, .. }) = script.code().ops.get(run.pc) {
                run.pc = *timed_out;
                run.fresh = cx.now;
            }
        }
        _ => return Ok(()),
    }
    run.wait_until = None;
    run.state = RunState::Ready;
    cx.put(key(id), &run);
    cx.task(Task::Run(id));
    Ok(())
}

/// The workflow's `give up after` is over.
pub(super) fn give_up(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = cx.get::<RunRow>(&key(id))? else { return Ok(()) };
    if matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled) || run.failing {
        return Ok(());
    }
    let Some(script) = Script::of(cx, &run) else { return Ok(()) };
    if let Some(effect) = run.pending.take()
        && let Some(work) = effect.work
    {
        cx.delete(work);
    }
    run.attempts = u64::MAX;
    failed(cx, id, run, &script, "it took longer than `give up after` allows")
}

/// An action can never succeed (or not any more): `on failure`, or a person.
pub(super) fn failed(
    cx: &mut Context<'_>,
    id: RunId,
    mut run: RunRow,
    script: &Script,
    why: &str,
) -> Result<(), Error> {
    let code = script.code();
    let step = run.step.map_or_else(|| script.name(), |index| code.steps[index].name.clone());
    run.token += 1;
    if run.pending.take().is_some_and(|effect| effect.in_doubt)
        && run.stack.is_empty()
        && let Some(step) = run.step
        && !run.completed.contains(&step)
    {
        // What may have happened is undone too.
        run.completed.push(step);
    }
    run.wait_until = None;
    if !run.stack.is_empty() {
        // A failing undo is shown to people; the others still run.
        let undone = run.stack.last().and_then(|f| f.step).map_or_else(String::new, |i| code.steps[i].name.clone());
        let row = incident_row(
            cx,
            &format!("run {id} undo {undone}"),
            &run,
            script,
            format!("`{undone}` could not be undone: {why}"),
        );
        incident::open(cx, row, &script.name())?;
        run.state = RunState::Ready;
        next_undo(&mut run, script);
        cx.put(key(id), &run);
        cx.task(Task::Run(id));
        return Ok(());
    }
    match code.on_failure {
        Some(entry) if !run.failing => {
            log(cx, id, &run, "step", format!("{step} failed: {why}"));
            run.failing = true;
            run.failure = Some((step.clone(), why.to_owned()));
            run.vars.insert(
                "failure".to_owned(),
                Var::Members(BTreeMap::from([
                    ("step".to_owned(), Value::text(step)),
                    ("message".to_owned(), Value::text(why)),
                ])),
            );
            run.pc = entry;
            // What follows belongs to no step: it is retried as is usual, not as the failed step said.
            run.step = None;
            run.fresh = cx.now;
            run.state = RunState::Ready;
            reset_tries(&mut run);
            cx.put(key(id), &run);
            cx.task(Task::Run(id));
            Ok(())
        }
        _ => {
            let cause = format!("{step}: {why}");
            stop(cx, id, &mut run, &cause, Some(script))
        }
    }
}

/// The run stops for a person.
pub(super) fn stop(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    why: &str,
    script: Option<&Script>,
) -> Result<(), Error> {
    run.state = RunState::Stopped(why.to_owned());
    cx.put(key(id), run);
    let subject = run.vars.values().find_map(|var| match var {
        Var::Record(entity, id) => Some((entity.to_string(), id.clone())),
        _ => None,
    });
    let (entity, record) = subject.unwrap_or_default();
    let (rule, place) = script.map_or_else(Default::default, |s| (s.name(), s.place()));
    let row = incident::row(
        format!("run {id}"),
        &rule,
        place,
        entity,
        record,
        why.to_owned(),
        "mend the cause, then `engine resolve` retries, skips or cancels it",
        false,
        cx.now,
    );
    incident::open(cx, row, &rule)
}

fn incident_row(
    cx: &Context<'_>,
    subject: &str,
    run: &RunRow,
    script: &Script,
    cause: String,
) -> super::rows::IncidentRow {
    let record = run.vars.values().find_map(|var| match var {
        Var::Record(entity, id) => Some((entity.to_string(), id.clone())),
        _ => None,
    });
    let (entity, id) = record.unwrap_or_default();
    incident::row(
        subject.to_owned(),
        &script.name(),
        script.place(),
        entity,
        id,
        cause,
        "undo it by hand",
        false,
        cx.now,
    )
}

/// How an action of the run is retried.
pub(super) fn retry_of(run: &RunRow, script: &Script) -> Option<Retry> {
    let step = run.stack.last().and_then(|frame| frame.step).or(run.step)?;
    script.code().steps[step].retry
}

/// The longest that an action of the step which the run is in may take, retries included.
pub(super) fn timeout_of(cx: &Context<'_>, run: &RunRow) -> Option<Duration> {
    let script = Script::of(cx, run)?;
    let step = run.stack.last().map_or(run.step, |frame| frame.step)?;
    script.code().steps[step].timeout
}

/// The step's `timeout` is over: an action that has not succeeded by now has failed.
pub(super) fn timed_out(cx: &mut Context<'_>, id: RunId, effect: u64) -> Result<(), Error> {
    let Some(mut run) = cx.get::<RunRow>(&key(id))? else { return Ok(()) };
    let Some(pending) = run.pending.as_mut().filter(|_| run.effects == effect) else { return Ok(()) };
    match pending.work.take() {
        Some(work) => cx.delete(work),
        // It is on its way, or waits to be tried again after a try that nobody knows the end of.
        None => pending.in_doubt |= run.state == RunState::Calling,
    }
    let Some(script) = Script::of(cx, &run) else { return Ok(()) };
    failed(cx, id, run, &script, "it took longer than the step's `timeout` allows")
}

/// A record changed: runs that wait for it or may be cancelled by it look again.
pub(super) fn record_changed(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    let prefix = Key::new(Kind::Watch).entity(entity).text(id).bytes();
    for (row, bytes) in cx.scan(&prefix, usize::MAX)? {
        let run_id: RunId = super::context::decode(&row, &bytes)?;
        let mut run = load(cx, run_id)?;
        let Some(script) = Script::of(cx, &run) else { continue };
        let RunOf::Workflow(index) = run.what else { continue };
        let Some(cancel) = &script.program.workflows[index].cancel else { continue };
        let scope =
            Variables { cx, program: &script.program, vars: &run.vars, fresh: Timestamp(i64::MIN), cacheable: false };
        if !run.failing && matches!(eval(&script.program, cancel, &scope), Ok(Value::Flag(true))) {
            end(cx, run_id, &mut run, RunState::Cancelled, "its `cancel when` holds")?;
        }
    }
    let program = cx.program();
    let awaited = program
        .workflows
        .iter()
        .any(|w| w.code.ops.iter().any(|op| matches!(op, Op::WaitFor { what, event: false, .. } if what == entity)));
    if awaited && let Some(row) = cx.record(entity, id)? {
        for (field, seen) in &row.fields {
            if let super::rows::SeenValue::Is(value) = &seen.value {
                happened(cx, entity, field, value, Var::Record(entity.clone(), id.to_owned()), seen.at)?;
            }
        }
    }
    Ok(())
}

/// Something happened that runs may wait for: each run whose condition matches goes on once.
pub(super) fn happened(
    cx: &mut Context<'_>,
    what: &EntityName,
    field: &str,
    value: &Value,
    var: Var,
    at: Timestamp,
) -> Result<(), Error> {
    let prefix = Key::new(Kind::Await).entity(what).text(field).text(&value_key(value)).bytes();
    for (row, bytes) in cx.scan(&prefix, usize::MAX)? {
        let (id, pc): (RunId, usize) = super::context::decode(&row, &bytes)?;
        let Some(mut run) = cx.get::<RunRow>(&key(id))? else {
            cx.delete(row);
            continue;
        };
        if at < run.started {
            continue;
        }
        run.awaits.remove(&row);
        cx.delete(row);
        let Some(script) = Script::of(cx, &run) else { continue };
        if run.pc == pc && run.state == RunState::Awaiting {
            if run.wait_until.is_some_and(|until| at > until) {
                cx.put(key(id), &run);
                continue;
            }
            if let Some(Op::WaitFor { variable: Some(name), .. }) = script.code().ops.get(pc) {
                run.vars.insert(name.clone(), var.clone());
            }
            run.token += 1;
            run.wait_until = None;
            run.pc += 1;
            run.fresh = at.max(run.fresh);
            run.state = RunState::Ready;
            cx.put(key(id), &run);
            cx.task(Task::Run(id));
        } else if run.pc < pc {
            run.early.insert(pc, var.clone());
            cx.put(key(id), &run);
        } else {
            cx.put(key(id), &run);
        }
    }
    Ok(())
}
