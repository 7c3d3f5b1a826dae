//! What wakes a run: its timers, events, and changes of records that it watches.

use dsl::eval::eval;
use dsl::program::{Op, Program};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::record::FieldValue;
use crate::decide::model::row::RowKey;
use crate::decide::model::run::{RunEvent, RunOf, RunState, Var};
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Task;
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::runs::{effect, ending};
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::runs::OpenRun;
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::ids::RunId;
use crate::ledger::Error;

/// A run's timer is due.
pub(crate) fn due(cx: &mut Context<'_>, id: RunId, token: u64) -> Result<(), Error> {
    let Some(mut run) = OpenRun::open(cx, id)?.filter(|run| run.token == token) else { return Ok(()) };
    let Some(definition) = run.definition.clone() else { return Ok(()) };
    let op = definition.code().ops.get(run.pc);
    match run.state.clone() {
        RunState::Retrying { effect, .. } => effect::resend(cx, &mut run, effect),
        RunState::Rechecking { .. } => run.turn(cx, RunEvent::Wake, RunState::Ready),
        RunState::Sleeping { .. } => {
            run.pc += 1;
            run.fresh = Freshness::AsOf(cx.now);
            run.turn(cx, RunEvent::Wake, RunState::Ready);
        }
        RunState::Awaiting { .. } => {
            if let Some(Op::WaitFor { timed_out, .. }) = op {
                run.pc = *timed_out;
                run.fresh = Freshness::AsOf(cx.now);
            }
            run.turn(cx, RunEvent::TimeOut, RunState::Ready);
        }
        _ => return Ok(()),
    }
    if run.state == RunState::Ready {
        cx.task(Task::Run(id));
    }
    run.save(cx);
    Ok(())
}

/// The workflow's `give up after` is over.
pub(crate) fn give_up(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = OpenRun::open(cx, id)? else { return Ok(()) };
    let Some(definition) = run.definition.clone() else { return Ok(()) };
    if run.state.over().is_none() && run.failure.is_none() {
        ending::failed(cx, &mut run, &definition, "it took longer than `give up after` allows")?;
    }
    run.save(cx);
    Ok(())
}

/// The step's `timeout` is over: an action that has not succeeded by now has failed.
pub(crate) fn timed_out(cx: &mut Context<'_>, id: RunId, effect: u64) -> Result<(), Error> {
    let Some(mut run) = OpenRun::open(cx, id)?.filter(|run| run.effects == effect) else { return Ok(()) };
    let Some(definition) = run.definition.clone() else { return Ok(()) };
    let Some(system) = run.state.effect().map(|effect| effect.lane.system.clone()) else { return Ok(()) };
    if let Some(timeout) = definition.timeout(&run)
        && cx.has(&key::incident(&Subject::System(system)))?
    {
        // Its system refuses whoever asks, so nothing has been tried: the step gets its time once that is over.
        cx.arm(cx.now.plus(timeout), &TimerRow::Timeout(id, effect))?;
        return Ok(());
    }
    if let RunState::Calling(effect) = &mut run.state
        && effect.work.is_none()
    {
        // It is on its way, and nobody knows what becomes of it.
        effect.in_doubt = true;
    }
    ending::failed(cx, &mut run, &definition, "it took longer than the step's `timeout` allows")?;
    run.save(cx);
    Ok(())
}

/// A run has waited long for the partner of a record: people are shown it.
pub(crate) fn unpaired(cx: &mut Context<'_>, id: RunId, wait: &RowKey<Waiter>) -> Result<(), Error> {
    let Some(run) = OpenRun::open(cx, id)? else { return Ok(()) };
    if !matches!(run.state, RunState::Reading | RunState::Starting) || !cx.has(wait)? || run.definition.is_none() {
        return Ok(());
    }
    let incident = run.incident(Subject::Run(id), "a record it links to has no partner yet".to_owned());
    let advice =
        format!("it goes on by itself when the partner comes; `engine resolve cancel {id} --reason …` ends it");
    incidents::open(cx, NewIncident { advice, parked: true, ..incident })
}

/// What is known of a record changed: runs that may be cancelled by it look again.
pub(crate) fn record_changed(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    for (_, watching) in cx.scan(&key::watches(entity, id), usize::MAX)? {
        let mut run = OpenRun::existing(cx, watching)?;
        if run.failure.is_none() && is_to_be_cancelled(cx, &run) {
            ending::cancel(cx, &mut run, "its `cancel when` holds")?;
        }
        run.save(cx);
    }
    Ok(())
}

/// A record has changed: runs that wait for that go on, by whatever field of it they know it.
pub(crate) fn record_moved(
    cx: &mut Context<'_>,
    entity: &EntityName,
    id: &str,
    at: Timestamp,
    own: bool,
) -> Result<(), Error> {
    if !is_awaited(&cx.program(), entity) {
        return Ok(());
    }
    let Some(row) = cx.record(entity, id)? else { return Ok(()) };
    let known = row.fields.iter().filter_map(|(field, seen)| match &seen.value {
        FieldValue::Is(value) => Some((field.as_str(), value)),
        FieldValue::Malformed(_) => None,
    });
    let own_id = Value::text(id);
    for (field, value) in known.chain([("id", &own_id)]) {
        let happening = Happening { var: Var::Record(entity.clone(), id.to_owned()), at, own };
        happened(cx, (entity, field), value, &happening)?;
    }
    Ok(())
}

/// Does any workflow wait for a change of such a record?
pub(crate) fn is_awaited(program: &Program, entity: &EntityName) -> bool {
    let awaits = |op: &Op| matches!(op, Op::WaitFor { what, event: false, .. } if what == entity);
    program.workflows.iter().any(|workflow| workflow.code.ops.iter().any(awaits))
}

fn is_to_be_cancelled(cx: &Context<'_>, run: &OpenRun) -> bool {
    let (Some(definition), RunOf::Workflow(index)) = (&run.definition, run.what) else { return false };
    let program = &definition.program;
    let Some(cancel) = &program.workflows[index].cancel else { return false };
    let scope = Variables { cx, program, vars: &run.vars, fresh: Freshness::Any, cacheable: false };
    matches!(eval(program, cancel, &scope), Ok(Value::Flag(true)))
}

/// Something that runs may wait for.
pub(crate) struct Happening {
    /// What a wait names it.
    pub(crate) var: Var,
    /// When.
    pub(crate) at: Timestamp,
    /// The engine did it: perhaps an earlier step of the very run that waits.
    pub(crate) own: bool,
}

/// Something happened that runs may wait for: each run whose condition matches goes on once.
pub(crate) fn happened(
    cx: &mut Context<'_>,
    (what, field): (&EntityName, &str),
    value: &Value,
    happening: &Happening,
) -> Result<(), Error> {
    for (key, (id, pc)) in cx.scan(&key::awaiting(what, field, value), usize::MAX)? {
        let Some(mut run) = OpenRun::open(cx, id)? else {
            cx.delete(key);
            continue;
        };
        if happening.at < run.started || happening.own && !waits_since(&run, pc, happening.at) {
            continue;
        }
        run.awaits.remove(&key);
        cx.delete(key);
        take(cx, &mut run, pc, &happening.var, happening.at);
        run.save(cx);
    }
    Ok(())
}

/// Did this wait begin before that time?
fn waits_since(run: &OpenRun, pc: usize, at: Timestamp) -> bool {
    let Some(definition) = &run.definition else { return false };
    match (&run.state, definition.code().ops.get(pc)) {
        (RunState::Awaiting { until }, Some(Op::WaitFor { up_to, .. })) => run.pc == pc && until.minus(*up_to) < at,
        _ => false,
    }
}

/// An event that a run waits for, now or later, by the position of the wait.
fn take(cx: &mut Context<'_>, run: &mut OpenRun, pc: usize, var: &Var, at: Timestamp) {
    let Some(definition) = &run.definition else { return };
    match run.state {
        RunState::Awaiting { until } if run.pc == pc => {
            if at > until {
                return;
            }
            if let Some(Op::WaitFor { variable, .. }) = definition.code().ops.get(pc) {
                let variable = variable.clone();
                run.bind(variable.as_ref(), var.clone());
            }
            run.token += 1;
            run.pc += 1;
            run.fresh = run.fresh.and(Freshness::AsOf(at));
            run.turn(cx, RunEvent::Happen, RunState::Ready);
            cx.task(Task::Run(run.id));
        }
        _ if run.pc < pc => drop(run.early.insert(pc, var.clone())),
        _ => {}
    }
}
