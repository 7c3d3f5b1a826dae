//! What a run does to the world: sent through the gate, answered, retried with the same values.
//!
//! Always true: an effect's values are fixed when it is decided and reused by every retry; an effect in doubt is repeated
//! only as its delivery class allows, otherwise a person decides; retries end in `on failure` or an incident, never in
//! silence.

use std::collections::BTreeMap;

use connectors::port::{Answer, Input, LinkChange, Observed, Refusal};
use dsl::ast::Priority;
use dsl::program::{Action, ActionKind, Program};
use dsl::schema::{Delivery, EntityName};
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::need::{Blocked, Need};
use crate::decide::model::run::{Effect, RunOf, RunRow, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::model::trace::Wrote;
use crate::decide::model::work::{Owner, TimerRow, Waiter};
use crate::decide::records::observe;
use crate::decide::records::observe::{How, observe};
use crate::decide::runs::ending;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::runs::{RunDefinition, load};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads, retry, runs};
use crate::ids::RunId;
use crate::ledger::Error;

pub(crate) fn effect(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    act: &Action,
    lane: Lane,
    record: Option<String>,
    values: BTreeMap<String, Value>,
    links: BTreeMap<String, (Option<String>, Option<String>)>,
) -> Result<bool, Blocked> {
    run.effects += 1;
    let key_text = format!("{}-{id}-e{}", cx.ledger()?, run.effects);
    if let (LaneKind::Update { entity }, Some(record)) = (&lane.kind, &record) {
        touch(cx, id, run, &EntityName::new(&lane.system, entity), record);
    }
    let deadline = leave_by(cx, &lane);
    let work = cx.queue(Owner::Run(id), lane.clone(), deadline, Priority::High);
    run.pending = Some(Effect {
        lane,
        key: key_text,
        id: record,
        values,
        links,
        work: Some(work),
        place: act.place.clone(),
        in_doubt: false,
        send_alone: false,
    });
    if run.first_try.is_none()
        && let Some(timeout) = runs::timeout_of(cx, run)
    {
        cx.arm(cx.now.plus(timeout), &TimerRow::Timeout(id, run.effects))?;
    }
    run.first_try.get_or_insert(cx.now);
    run.state = RunState::Calling;
    cx.put(key::run(id), run);
    Ok(false)
}

/// How long a request of a run waits for others to share it.
const COMPANY: Duration = Duration(50);

/// When a request of a lane is sent at the latest. A call of an operation goes alone, so it waits for nobody.
fn leave_by(cx: &Context<'_>, lane: &Lane) -> Timestamp {
    match lane.kind {
        LaneKind::Operation { .. } => cx.now,
        _ => cx.now.plus(COMPANY),
    }
}

fn touch(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, entity: &EntityName, record: &str) {
    if matches!(run.what, RunOf::When(_)) && run.touched.insert((entity.clone(), record.to_owned())) {
        cx.put(key::busy(entity, record, id), &id);
    }
}

/// What a run sends, when its lane opens.
pub(crate) fn input(cx: &mut Context<'_>, id: RunId) -> Result<Option<Input>, Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(None) };
    let Some(definition) = RunDefinition::of(cx, &run) else { return Ok(None) };
    let Some(mut effect) = run.pending.clone() else { return Ok(None) };
    if run.state != RunState::Calling {
        return Ok(None);
    }
    effect.work = None;
    let mut input = Input { key: effect.key.clone(), id: effect.id.clone(), ..Input::default() };
    let program = &definition.program;
    for (name, value) in &effect.values {
        let wire = match &effect.lane.kind {
            LaneKind::Create { entity } | LaneKind::Update { entity } => {
                let entity = EntityName::new(&effect.lane.system, entity);
                dsl::decode::encode(program, &entity, name, value)
            }
            _ => value.to_json(),
        };
        input.values.insert(name.clone(), wire);
    }
    for (name, (remove, add)) in &effect.links {
        input.links.insert(name.clone(), LinkChange { remove: remove.clone(), add: add.clone() });
    }
    run.pending = Some(effect);
    cx.put(key::run(id), &run);
    Ok(Some(input))
}

/// How the effect at hand may be repeated, and whether the author accepts repetition.
fn delivery(run: &RunRow, definition: &RunDefinition) -> (Delivery, bool, Option<String>, Option<EntityName>) {
    let Some(dsl::program::Op::Act(act)) = definition.code().ops.get(run.pc) else {
        return (Delivery::None, false, None, None);
    };
    let (class, variable, entity) = match &act.kind {
        ActionKind::Call { delivery, variable, .. } => (*delivery, variable.clone(), None),
        ActionKind::Create { variable, entity, .. } => (Delivery::ByKey, variable.clone(), Some(entity.clone())),
        ActionKind::Update { entity, .. } | ActionKind::Set { entity, .. } | ActionKind::Delete { entity, .. } => {
            (Delivery::ByNature, None, Some(entity.clone()))
        }
        _ => (Delivery::ByNature, None, None),
    };
    (class, act.accept_duplicates, variable, entity)
}

/// Takes the answer to a run's effect.
/// Only of the effect at hand: one whose step ran out of time may be answered when the run is elsewhere.
pub(crate) fn answered(cx: &mut Context<'_>, id: RunId, effect: &str, answer: &Answer) -> Result<(), Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(()) };
    let pending = run.pending.clone().filter(|pending| pending.key == effect);
    let (Some(definition), Some(effect)) = (RunDefinition::of(cx, &run), pending) else { return Ok(()) };
    let (class, accepts, variable, entity) = delivery(&run, &definition);
    let creating = matches!(effect.lane.kind, LaneKind::Create { .. });
    match answer {
        Answer::Record(observed) => {
            let Some(entity) = entity else { return Ok(()) };
            cx.wrote(|| lines(&definition, run.pc, &effect, &entity, &observed.id, creating));
            run.pending = None;
            if creating {
                runs::bind(&mut run, variable.as_ref(), Var::Record(entity.clone(), observed.id.clone()));
                touch(cx, id, &mut run, &entity, &observed.id);
            }
            runs::go_on(&mut run);
            run.state = RunState::Ready;
            cx.put(key::run(id), &run);
            cx.task(Task::Run(id));
            let told = acknowledged(&definition.program, &entity, &effect, observed);
            let how = if creating { How::Made } else { How::Changed };
            observe(cx, &entity, &told, how, cx.now)?;
            if creating {
                runs::log(cx, id, &run, "create", format!("{entity} {} made ({})", observed.id, effect.place));
                for (index, side) in cx.program().syncs_of(&entity).collect::<Vec<_>>() {
                    let rule = ActiveSync { program: cx.program(), index };
                    if rule.run == dsl::program::Run::OnChange {
                        links::ensure(cx, &rule, side, &observed.id, false)?;
                    }
                }
            } else {
                let fields = effect.values.keys().cloned().collect::<Vec<_>>().join(", ");
                runs::log(cx, id, &run, "update", format!("{entity} {}: {fields} ({})", observed.id, effect.place));
            }
        }
        Answer::Done | Answer::Result(_) => {
            run.pending = None;
            if let Answer::Result(members) = answer {
                let members = members.iter().map(|(name, wire)| (name.clone(), plain(wire))).collect();
                runs::bind(&mut run, variable.as_ref(), Var::Members(members));
            }
            let what = match &effect.lane.kind {
                LaneKind::Operation { name } => format!("{}.{name} ({})", effect.lane.system, effect.place),
                _ => format!("{} deleted ({})", effect.id.clone().unwrap_or_default(), effect.place),
            };
            runs::log(cx, id, &run, "effect", what);
            if let (LaneKind::Delete { .. }, Some(entity), Some(record)) = (&effect.lane.kind, &entity, &effect.id) {
                cx.put(key::run(id), &run);
                observe::deleted(cx, entity, record, cx.now, false)?;
                run = load(cx, id)?;
            }
            runs::go_on(&mut run);
            run.state = RunState::Ready;
            cx.put(key::run(id), &run);
            cx.task(Task::Run(id));
        }
        Answer::Missing => {
            let what = effect.id.clone().unwrap_or_default();
            ending::failed(cx, id, run, &definition, &format!("{} has no record {what} any more", effect.lane.system))?;
        }
        Answer::Refused { refusal: Refusal::Exists(existing), reason } if creating => {
            // Somebody made it first; it is taken as it is, once it has been read.
            run.pending = None;
            run.attempts += 1;
            if run.attempts > 5 {
                return ending::failed(cx, id, run, &definition, &format!("{} refuses: {reason}", effect.lane.system));
            }
            run.fresh = cx.now.plus(Duration(1));
            if let (Some(existing), Some(entity)) = (existing, &entity) {
                run.state = RunState::Reading;
                cx.put(key::run(id), &run);
                return reads::need(
                    cx,
                    &Need::Record {
                        entity: entity.clone(),
                        by: "id".to_owned(),
                        value: existing.clone(),
                        not_before: cx.now,
                        cacheable: false,
                    },
                    Waiter::Run(id),
                    Priority::High,
                );
            }
            again(cx, id, run, Duration(500), "it exists already")?;
        }
        Answer::Refused { reason, .. } => {
            ending::failed(cx, id, run, &definition, &format!("{} refuses: {reason}", effect.lane.system))?;
        }
        Answer::RateLimited { .. } => requeue(cx, id, run, effect, Duration(0))?,
        Answer::Split => requeue(cx, id, run, Effect { send_alone: true, ..effect }, Duration(0))?,
        Answer::Retry { after, cause } => {
            let pause = after.map(|d| Duration(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)));
            retry(cx, id, run, &definition, effect, pause, cause)?;
        }
        Answer::Unknown { cause } => match class {
            Delivery::ByNature | Delivery::ByKey => {
                let effect = Effect { in_doubt: true, ..effect };
                retry(cx, id, run, &definition, effect, None, cause)?;
            }
            Delivery::ByCheck | Delivery::None if accepts => retry(cx, id, run, &definition, effect, None, cause)?,
            // Nothing says how an operation is read back: a person looks.
            Delivery::ByCheck | Delivery::None => {
                let why = format!("it may or may not have happened ({cause}), and it must not happen twice");
                let definition = definition.clone();
                ending::stop(cx, id, &mut run, &why, Some(&definition))?;
            }
        },
        // Made unknown before.
        Answer::Page { .. } => {}
    }
    Ok(())
}

/// The lines that what an effect wrote came from.
fn lines(
    definition: &RunDefinition,
    pc: usize,
    effect: &Effect,
    entity: &EntityName,
    id: &str,
    made: bool,
) -> Vec<Wrote> {
    let assigns = match definition.code().ops.get(pc) {
        Some(dsl::program::Op::Act(act)) => match &act.kind {
            ActionKind::Create { values, .. } | ActionKind::Update { values, .. } => values.as_slice(),
            ActionKind::Set { assign, .. } => std::slice::from_ref(assign),
            _ => &[],
        },
        _ => &[],
    };
    // A key has no line of its own.
    let place = |name: &str| assigns.iter().find(|assign| assign.name == name).map_or(&effect.place, |a| &a.place);
    let wrote = |field: Option<&String>| Wrote {
        entity: entity.clone(),
        id: id.to_owned(),
        field: field.cloned(),
        place: field.map_or(&effect.place, |name| place(name)).clone(),
        text: String::new(),
    };
    let fields = effect.values.keys().chain(effect.links.keys()).map(Some);
    made.then_some(None).into_iter().chain(fields).map(wrote).collect()
}

fn plain(wire: &serde_json::Value) -> Value {
    match wire {
        serde_json::Value::Bool(yes) => Value::Flag(*yes),
        serde_json::Value::Number(n) => n.as_i64().map_or_else(|| Value::text(n.to_string()), Value::Integer),
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Null => Value::Empty,
        other => Value::text(other.to_string()),
    }
}

fn acknowledged(program: &Program, entity: &EntityName, effect: &Effect, observed: &Observed) -> Observed {
    let mut told = observed.clone();
    for (name, value) in &effect.values {
        if !told.fields.contains_key(name) {
            told.fields.insert(name.clone(), dsl::decode::encode(program, entity, name, value));
        }
    }
    for (name, (_, add)) in &effect.links {
        told.links.entry(name.clone()).or_insert_with(|| add.clone());
    }
    told
}

/// Sends the same effect again, as the step's `retry` says; when that is exhausted the run fails.
fn retry(
    cx: &mut Context<'_>,
    id: RunId,
    mut run: RunRow,
    definition: &RunDefinition,
    effect: Effect,
    pause: Option<Duration>,
    cause: &str,
) -> Result<(), Error> {
    run.attempts = run.attempts.saturating_add(1);
    let policy = runs::retry_of(&run, definition);
    let first = policy.map_or(Duration::seconds(1), |p| p.first);
    let at_most = policy.map_or(Duration::minutes(15), |p| p.at_most);
    let exhausted = match policy {
        Some(policy) => run.attempts > policy.times,
        None => run.first_try.is_some_and(|at| cx.now.since(at) >= Duration::hours(24)),
    };
    if exhausted {
        run.pending = Some(effect);
        let why = format!("{} tries: {cause}", run.attempts);
        return ending::failed(cx, id, run, definition, &why);
    }
    let roll = format!("{id} {} {}", effect.key, run.attempts);
    let pause = pause.unwrap_or_else(|| retry::backoff(run.attempts, first, at_most, &roll));
    runs::log(cx, id, &run, "retry", format!("try {} failed: {cause}; again in {} ms", run.attempts, pause.0));
    requeue(cx, id, run, effect, pause)
}

fn requeue(cx: &mut Context<'_>, id: RunId, mut run: RunRow, mut effect: Effect, pause: Duration) -> Result<(), Error> {
    run.token += 1;
    let deadline = leave_by(cx, &effect.lane).max(cx.now.plus(pause));
    if pause.0 > 0 {
        // The work stands in the lane from its time on, not before: a lane opens for whatever it holds.
        effect.work = None;
        run.state = RunState::Sleeping;
        run.wait_until = Some(deadline);
        let token = run.token;
        run.pending = Some(effect);
        cx.put(key::run(id), &run);
        return cx.arm(deadline, &TimerRow::Run(id, token));
    }
    effect.work = Some(cx.queue(Owner::Run(id), effect.lane.clone(), deadline, Priority::High));
    run.pending = Some(effect);
    run.state = RunState::Calling;
    cx.put(key::run(id), &run);
    Ok(())
}

/// The pause of a retry is over: the same effect goes out again.
pub(crate) fn resend(cx: &mut Context<'_>, id: RunId, mut run: RunRow) -> Result<(), Error> {
    let Some(mut effect) = run.pending.take() else { return Ok(()) };
    let deadline = leave_by(cx, &effect.lane);
    effect.work = Some(cx.queue(Owner::Run(id), effect.lane.clone(), deadline, Priority::High));
    run.pending = Some(effect);
    run.wait_until = None;
    run.state = RunState::Calling;
    cx.put(key::run(id), &run);
    Ok(())
}

/// Decides the action again after a pause.
fn again(cx: &mut Context<'_>, id: RunId, mut run: RunRow, pause: Duration, cause: &str) -> Result<(), Error> {
    run.token += 1;
    run.pending = None;
    run.state = RunState::Sleeping;
    let at = cx.now.plus(pause);
    run.wait_until = Some(at);
    let token = run.token;
    runs::log(cx, id, &run, "retry", format!("{cause}; looked at again"));
    cx.put(key::run(id), &run);
    cx.arm(at, &TimerRow::Run(id, token))
}
