//! Which reactions (`when`) a change fires.
//!
//! Always true: a value that a merge is about to write over fires nothing; a change fires once; what an unfinished run
//! makes or writes settles before the next reaction to it begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::program::Trigger;

use crate::decide::links::plan;
use crate::decide::model::key;
use crate::decide::model::run::{RunOf, RunState, Var};
use crate::decide::model::task::{Transition, TransitionKind};
use crate::decide::model::trace::Reached;
use crate::decide::runs::start;
use crate::decide::store::runs;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Fires what reacts to a transition, unless the merge is about to write over it.
pub(crate) fn react(cx: &mut Context<'_>, transition: &Transition) -> Result<(), Error> {
    let program = cx.program();
    if let TransitionKind::Changes { field, new, .. } = &transition.kind {
        if plan::overwrites(cx, &transition.entity, &transition.id, field)? {
            return Ok(());
        }
        let Some(mut row) = cx.record(&transition.entity, &transition.id)? else { return Ok(()) };
        if row.notified.get(field) == Some(new) {
            return Ok(());
        }
        Arc::make_mut(&mut row).notified.insert(field.clone(), new.clone());
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
        let id = start::begin(cx, &program, RunOf::When(index), vars, transition.at)?;
        // What an unfinished run makes or writes settles before the next reaction to it is decided.
        if let Some((_, ahead)) = cx.scan(&key::busy_with(&transition.entity, &transition.id), 1)?.pop() {
            let mut run = runs::load(cx, id)?;
            run.state = RunState::Behind(ahead);
            cx.put(key::run(id), &run);
            cx.put(key::behind(ahead, id), &id);
        }
    }
    Ok(())
}
