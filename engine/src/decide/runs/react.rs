//! Which reactions (`when`) a change fires.
//!
//! Always true: a value that a merge is about to write over fires nothing; a change fires once; what an unfinished run
//! makes or writes settles before the next reaction to it begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::program::Trigger;

use crate::decide::links::plan;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::run::{RunEvent, RunOf, RunState, Var};
use crate::decide::model::task::{Task, Transition, TransitionKind};
use crate::decide::model::trace::Reached;
use crate::decide::store::runs::OpenRun;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Fires what reacts to a transition, unless the merge is about to write over it.
pub(crate) fn react(cx: &mut Context<'_>, transition: &Transition) -> Result<(), Error> {
    let Transition { entity, id, kind, at } = transition;
    if let TransitionKind::Changes { field, new, .. } = kind {
        if plan::overwrites(cx, entity, id, field)? {
            return Ok(());
        }
        let Some(mut row) = cx.record(entity, id)? else { return Ok(()) };
        if row.notified.get(field) == Some(new) {
            return Ok(());
        }
        Arc::make_mut(&mut row).notified.insert(field.clone(), new.clone());
        cx.learn(entity, id, row);
    }
    let program = cx.program();
    for (index, when) in program.whens.iter().enumerate().filter(|(_, when)| when.entity == *entity) {
        let mut vars = BTreeMap::from([(when.variable.clone(), Var::Record(entity.clone(), id.clone()))]);
        let (old, new) = match (&when.trigger, kind) {
            (Trigger::Created, TransitionKind::Created) | (Trigger::Deleted, TransitionKind::Deleted) => (None, None),
            // Of several fields that change together the first stands for all.
            (Trigger::Changes(_), TransitionKind::Changes { field, .. })
                if !when.also.is_empty() && when.fields().any(|one| one == field) =>
            {
                if !cx.fires_first(index, entity, id) {
                    continue;
                }
                (None, None)
            }
            (Trigger::Changes(f), TransitionKind::Changes { field, old, new }) if f == field => {
                vars.insert("old".to_owned(), Var::Plain(old.clone()));
                vars.insert("new".to_owned(), Var::Plain(new.clone()));
                (Some(old), Some(new))
            }
            _ => continue,
        };
        cx.reached(|| Reached::When { place: when.place.clone(), old: old.cloned(), new: new.cloned() });
        let mut run = OpenRun::begin(cx, &program, RunOf::When(index), vars, Freshness::AsOf(*at))?;
        cx.task(Task::Run(run.id));
        // What an unfinished run makes or writes settles before the next reaction to it is decided.
        if let Some((_, ahead)) = cx.scan(&key::busy_with(entity, id), 1)?.pop() {
            run.turn(cx, RunEvent::Queue, RunState::Behind(ahead));
            cx.put(key::behind(ahead, run.id), &run.id);
        }
        run.save(cx);
    }
    Ok(())
}
