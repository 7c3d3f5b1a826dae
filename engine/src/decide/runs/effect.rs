//! What a run does to the world: sent through the gate, answered, retried with the same values.
//!
//! Always true: an effect's values are fixed when it is decided and reused by every retry; an effect in doubt is repeated
//! only as its delivery class allows, otherwise a person decides; retries end in `on failure` or an incident, never in
//! silence.

use std::collections::BTreeMap;

use connectors::port::{Input, LinkChange, Observed, Refusal, Wire};
use dsl::ast::Priority;
use dsl::decode::encode;
use dsl::program::{Action as Act, ActionKind, Op, Program, Run};
use dsl::schema::{Delivery, EntityName};
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::answer::{CreateAnswer, DeleteAnswer, Failure, NotDone, OperationAnswer, UpdateAnswer};
use crate::decide::model::event::Action;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::need::Need;
use crate::decide::model::run::{ChangedLink, Effect, RunEvent, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::model::trace::Wrote;
use crate::decide::model::work::{Group, Owner, TimerRow};
use crate::decide::records::observe::{How, observe};
use crate::decide::records::removal;
use crate::decide::runs::ending;
use crate::decide::store::links::{self, ActiveSync};
use crate::decide::store::retry;
use crate::decide::store::runs::{OpenRun, RunDefinition};
use crate::decide::store::transaction::Context;
use crate::decide::store::work::Composed;
use crate::ledger::Error;

/// How long a request of a run waits for others to share it.
const LINGER: Duration = Duration(50);

/// How often a record that exists is looked for before the run fails.
const MOST_SEARCHES: u64 = 5;

/// What an effect without a `retry` of its own is given.
const RETRIED_FOR: Duration = Duration::hours(24);

/// An effect that a run decided on.
#[derive(Debug)]
pub(crate) struct NewEffect {
    pub(crate) lane: Lane,
    /// The record that it is about; none where it makes one, or calls an operation.
    pub(crate) record: Option<String>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) links: BTreeMap<String, ChangedLink>,
}

/// Queues an effect.
pub(crate) fn begin(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    definition: &RunDefinition,
    act: &Act,
    new: NewEffect,
) -> Result<(), Error> {
    run.effects += 1;
    let key = format!("{}-{}-e{}", cx.ledger()?, run.id, run.effects);
    if let (LaneKind::Update { entity }, Some(record)) = (&new.lane.kind, &new.record) {
        run.touch(cx, &EntityName::new(&new.lane.system, entity), record);
    }
    if run.first_try.is_none()
        && let Some(timeout) = definition.timeout(run)
    {
        cx.arm(cx.now.plus(timeout), &TimerRow::Timeout(run.id, run.effects))?;
    }
    let first_try = run.first_try.unwrap_or(cx.now);
    run.first_try = Some(first_try);
    let effect = Effect {
        lane: new.lane,
        key,
        id: new.record,
        values: new.values,
        links: new.links,
        work: None,
        place: act.place.clone(),
        in_doubt: false,
        group: Group::default(),
    };
    let effect = queued(cx, run, effect);
    run.turn(cx, RunEvent::Call, RunState::Calling(effect));
    Ok(())
}

/// When a request of a lane is sent at the latest. A call of an operation goes alone, so it waits for nobody.
fn leave_by(cx: &Context<'_>, lane: &Lane) -> Timestamp {
    match lane.kind {
        LaneKind::Operation { .. } => cx.now,
        _ => cx.now.plus(LINGER),
    }
}

fn queued(cx: &mut Context<'_>, run: &OpenRun, effect: Effect) -> Effect {
    let deadline = leave_by(cx, &effect.lane);
    let work = cx.queue(Owner::Run(run.id), effect.lane.clone(), deadline, Priority::High);
    Effect { work: Some(work), ..effect }
}

/// What a run sends, when its lane opens.
pub(crate) fn compose(run: &mut OpenRun, definition: &RunDefinition) -> Option<Composed> {
    let RunState::Calling(effect) = &run.state else { return None };
    let mut effect = effect.clone();
    effect.work = None;
    let mut input = Input { key: effect.key.clone(), id: effect.id.clone(), ..Input::default() };
    for (name, value) in &effect.values {
        let wire = match &effect.lane.kind {
            LaneKind::Create { entity } | LaneKind::Update { entity } => {
                encode(&definition.program, &EntityName::new(&effect.lane.system, entity), name, value)
            }
            _ => value.to_json(),
        };
        input.values.insert(name.clone(), wire);
    }
    for (name, ChangedLink { remove, add }) in &effect.links {
        input.links.insert(name.clone(), LinkChange { remove: remove.clone(), add: add.clone() });
    }
    // It is on its way now; no other state comes of that.
    run.state = RunState::Calling(effect);
    Some(Composed { input, ..Composed::default() })
}

/// An effect whose answer is accounted for.
pub(crate) struct Sent<'r> {
    pub(crate) run: &'r mut OpenRun,
    pub(crate) definition: RunDefinition,
    pub(crate) effect: Effect,
}

impl Sent<'_> {
    /// The action that the effect is of.
    fn act(&self) -> Option<&Act> {
        match self.definition.code().ops.get(self.run.pc) {
            Some(Op::Act(act)) => Some(act),
            _ => None,
        }
    }

    /// The variable that takes the result.
    fn variable(&self) -> Option<String> {
        match &self.act()?.kind {
            ActionKind::Call { variable, .. } | ActionKind::Create { variable, .. } => variable.clone(),
            _ => None,
        }
    }

    /// The entity of the record that is made, changed or deleted.
    fn entity(&self) -> EntityName {
        let (LaneKind::Create { entity } | LaneKind::Update { entity } | LaneKind::Delete { entity }) =
            &self.effect.lane.kind
        else {
            return EntityName::new(&self.effect.lane.system, "");
        };
        EntityName::new(&self.effect.lane.system, entity)
    }

    /// How the effect may be repeated, and whether the author accepts repetition.
    fn delivery(&self) -> (Delivery, bool) {
        let Some(act) = self.act() else { return (Delivery::None, false) };
        let class = match &act.kind {
            ActionKind::Call { delivery, .. } => *delivery,
            ActionKind::Create { .. } => Delivery::ByKey,
            _ => Delivery::ByNature,
        };
        (class, act.accept_duplicates)
    }

    /// The effect has happened: the run goes on behind it.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        self.run.go_on();
        self.run.turn(cx, RunEvent::Answer, RunState::Ready);
        cx.task(Task::Run(self.run.id));
    }

    fn failed(&mut self, cx: &mut Context<'_>, why: &str) -> Result<(), Error> {
        ending::failed(cx, self.run, &self.definition, why)
    }
}

/// Takes the answer to the making of a record.
pub(crate) fn created(cx: &mut Context<'_>, mut sent: Sent<'_>, answer: CreateAnswer<'_>) -> Result<(), Error> {
    let entity = sent.entity();
    match answer {
        Ok(observed) => {
            cx.wrote(|| lines(&sent, &entity, &observed.id, true));
            let variable = sent.variable();
            sent.run.bind(variable.as_ref(), Var::Record(entity.clone(), observed.id.clone()));
            sent.run.touch(cx, &entity, &observed.id);
            let place = &sent.effect.place;
            sent.run.log(cx, Action::Create, format!("{entity} {} made ({place})", observed.id));
            sent.go_on(cx);
            observe(cx, &entity, &acknowledged(&sent, &entity, observed), How::Made, cx.now)?;
            for (index, side) in cx.program().syncs_of(&entity) {
                let sync = ActiveSync::at(cx, index);
                if sync.run == Run::OnChange {
                    links::ensure(cx, &sync, side, &observed.id, false)?;
                }
            }
            Ok(())
        }
        Err(Failure::NotDone(NotDone::Refused { refusal: Refusal::Exists(existing), reason })) => {
            exists(cx, sent, &entity, existing.as_deref(), reason)
        }
        Err(failure) => failed(cx, sent, failure),
    }
}

/// Somebody made it first; it is taken as it is, once it has been read.
fn exists(
    cx: &mut Context<'_>,
    mut sent: Sent<'_>,
    entity: &EntityName,
    existing: Option<&str>,
    reason: &str,
) -> Result<(), Error> {
    sent.run.attempts += 1;
    if sent.run.attempts > MOST_SEARCHES {
        let why = format!("{} refuses: {reason}", entity.system);
        return sent.failed(cx, &why);
    }
    // What was read before does not show it.
    sent.run.fresh = Freshness::After(cx.now);
    if let Some(existing) = existing {
        sent.run.turn(cx, RunEvent::Exists, RunState::Reading);
        return sent.run.wait_for(cx, &Need::record(entity, existing));
    }
    let until = cx.now.plus(Duration(500));
    sent.run.log(cx, Action::Retry, "it exists already; looked at again");
    sent.run.arm(cx, until)?;
    sent.run.turn(cx, RunEvent::Recheck, RunState::Rechecking { until });
    Ok(())
}

/// Takes the answer to the change of a record.
pub(crate) fn updated(cx: &mut Context<'_>, mut sent: Sent<'_>, answer: UpdateAnswer<'_>) -> Result<(), Error> {
    let entity = sent.entity();
    match answer {
        Ok(Some(observed)) => {
            cx.wrote(|| lines(&sent, &entity, &observed.id, false));
            let fields = sent.effect.values.keys().cloned().collect::<Vec<_>>().join(", ");
            let place = &sent.effect.place;
            sent.run.log(cx, Action::Update, format!("{entity} {}: {fields} ({place})", observed.id));
            sent.go_on(cx);
            observe(cx, &entity, &acknowledged(&sent, &entity, observed), How::Changed, cx.now)?;
            Ok(())
        }
        Ok(None) => {
            let record = sent.effect.id.clone().unwrap_or_default();
            sent.failed(cx, &format!("{} has no record {record} any more", entity.system))
        }
        Err(failure) => failed(cx, sent, failure),
    }
}

/// Takes the answer to the deletion of a record.
pub(crate) fn deleted(cx: &mut Context<'_>, mut sent: Sent<'_>, answer: DeleteAnswer<'_>) -> Result<(), Error> {
    match answer {
        Ok(()) => {
            let (entity, record) = (sent.entity(), sent.effect.id.clone().unwrap_or_default());
            sent.run.log(cx, Action::Effect, format!("{record} deleted ({})", sent.effect.place));
            sent.go_on(cx);
            removal::deleted(cx, &entity, &record, cx.now, false)
        }
        Err(failure) => failed(cx, sent, failure),
    }
}

/// Takes the answer to an operation.
pub(crate) fn operated(cx: &mut Context<'_>, mut sent: Sent<'_>, answer: OperationAnswer<'_>) -> Result<(), Error> {
    match answer {
        Ok(result) => {
            if let Some(members) = result {
                let members = members.iter().map(|(name, wire)| (name.clone(), plain(wire))).collect();
                let variable = sent.variable();
                sent.run.bind(variable.as_ref(), Var::Members(members));
            }
            let Effect { lane, place, .. } = &sent.effect;
            if let LaneKind::Operation { name } = &lane.kind {
                sent.run.log(cx, Action::Effect, format!("{}.{name} ({place})", lane.system));
            }
            sent.go_on(cx);
            Ok(())
        }
        Err(failure) => failed(cx, sent, failure),
    }
}

/// It did not happen, or may not have.
fn failed(cx: &mut Context<'_>, mut sent: Sent<'_>, failure: Failure<'_>) -> Result<(), Error> {
    match failure {
        Failure::NotDone(NotDone::Refused { reason, .. }) => {
            let why = format!("{} refuses: {reason}", sent.effect.lane.system);
            sent.failed(cx, &why)
        }
        Failure::NotDone(NotDone::RateLimited { .. } | NotDone::Split) => {
            requeue(cx, sent);
            Ok(())
        }
        Failure::NotDone(NotDone::Denied) => {
            // It has not been tried in earnest: that time counts for no bound.
            sent.run.first_try = Some(cx.now);
            requeue(cx, sent);
            Ok(())
        }
        Failure::NotDone(NotDone::Retry { after, cause }) => retry(cx, sent, after, cause),
        Failure::Unknown { cause } => match sent.delivery() {
            (Delivery::ByNature | Delivery::ByKey, _) => {
                sent.effect.in_doubt = true;
                retry(cx, sent, None, cause)
            }
            (Delivery::ByCheck | Delivery::None, true) => retry(cx, sent, None, cause),
            // Nothing says how an operation is read back: a person looks.
            (Delivery::ByCheck | Delivery::None, false) => {
                let why = format!("it may or may not have happened ({cause}), and it must not happen twice");
                ending::stop(cx, sent.run, &why)
            }
        },
    }
}

/// The lines that what an effect wrote came from.
fn lines(sent: &Sent<'_>, entity: &EntityName, id: &str, made: bool) -> Vec<Wrote> {
    let effect = &sent.effect;
    let assigns = match sent.act().map(|act| &act.kind) {
        Some(ActionKind::Create { values, .. } | ActionKind::Update { values, .. }) => values.as_slice(),
        Some(ActionKind::Set { assign, .. }) => std::slice::from_ref(assign),
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

fn plain(wire: &Wire) -> Value {
    match wire {
        Wire::Bool(yes) => Value::Flag(*yes),
        Wire::Number(n) => n.as_i64().map_or_else(|| Value::text(n.to_string()), Value::Integer),
        Wire::String(text) => Value::text(text),
        Wire::Null => Value::Empty,
        other => Value::text(other.to_string()),
    }
}

/// What an answer says of the record, with what was sent where the answer is silent about it.
fn acknowledged(sent: &Sent<'_>, entity: &EntityName, observed: &Observed) -> Observed {
    let program: &Program = &sent.definition.program;
    let mut acknowledged = observed.clone();
    for (name, value) in &sent.effect.values {
        let wire = || encode(program, entity, name, value);
        acknowledged.fields.entry(name.clone()).or_insert_with(wire);
    }
    for (name, link) in &sent.effect.links {
        acknowledged.links.entry(name.clone()).or_insert_with(|| link.add.clone());
    }
    acknowledged
}

/// Sends the same effect again, as the step's `retry` says; when that is exhausted the run fails.
fn retry(cx: &mut Context<'_>, sent: Sent<'_>, pause: Option<Duration>, cause: &str) -> Result<(), Error> {
    let Sent { run, definition, effect } = sent;
    run.attempts = run.attempts.saturating_add(1);
    let policy = definition.retry(run);
    let exhausted = match policy {
        Some(policy) => run.attempts > policy.times,
        None => run.first_try.is_some_and(|at| cx.now.since(at) >= RETRIED_FOR),
    };
    if exhausted {
        // A step that may have happened is undone too: the effect says whether.
        run.state = RunState::Calling(effect);
        return ending::failed(cx, run, &definition, &format!("{} tries: {cause}", run.attempts));
    }
    let first = policy.map_or(Duration::seconds(1), |policy| policy.first);
    let at_most = policy.map_or(Duration::minutes(15), |policy| policy.at_most);
    let roll = format!("{} {} {}", run.id, effect.key, run.attempts);
    // A system that asks for less than the step's own pause does not shorten it.
    let pause = pause.unwrap_or_default().max(retry::backoff(run.attempts, first, at_most, &roll));
    let tries = run.attempts;
    run.log(cx, Action::Retry, format!("try {tries} failed: {cause}; again in {} ms", pause.0));
    // The work stands in the lane from its time on, not before: a lane opens for whatever it holds.
    let until = leave_by(cx, &effect.lane).max(cx.now.plus(pause));
    run.arm(cx, until)?;
    run.turn(cx, RunEvent::Retry, RunState::Retrying { effect: Effect { work: None, ..effect }, until });
    Ok(())
}

/// Sends the same effect again at once.
fn requeue(cx: &mut Context<'_>, sent: Sent<'_>) {
    let Sent { run, effect, .. } = sent;
    run.token += 1;
    let effect = queued(cx, run, effect);
    run.turn(cx, RunEvent::Requeue, RunState::Calling(effect));
}

/// The pause of a retry is over: the same effect goes out again.
pub(crate) fn resend(cx: &mut Context<'_>, run: &mut OpenRun, effect: Effect) {
    let effect = queued(cx, run, effect);
    run.turn(cx, RunEvent::Resend, RunState::Calling(effect));
}
