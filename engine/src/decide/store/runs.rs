//! Runs as rows, and the rules that they began with.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::program::{Code, Program, Retry, Trigger};
use dsl::value::Duration;

use crate::decide::model::event::Event;
use crate::decide::model::key;
use crate::decide::model::row::Prefix;
use crate::decide::model::run::{RunOf, RunRow, Var};
use crate::decide::store::transaction::Context;
use crate::ids::RunId;
use crate::ledger::Error;
use crate::ledger::key::after;

/// Runs that are looked at in one go.
const PAGE: usize = 500;

/// Notes that one more run of the rule set with this hash is unfinished.
pub(crate) fn begun(cx: &mut Context<'_>, hash: &str) -> Result<(), Error> {
    let key = key::unfinished(hash);
    let count = cx.get(&key)?.unwrap_or_default();
    cx.put(key, &(count + 1));
    Ok(())
}

/// Notes that an unfinished run of the rule set with this hash is over.
pub(crate) fn over(cx: &mut Context<'_>, hash: &str) -> Result<(), Error> {
    let key = key::unfinished(hash);
    match cx.get(&key)?.unwrap_or_default() {
        0 | 1 => cx.delete(key),
        count => cx.put(key, &(count - 1)),
    }
    Ok(())
}

/// A ledger of an engine that did not count yet is counted once.
pub(crate) fn count(cx: &mut Context<'_>) -> Result<(), Error> {
    if cx.has(&key::unfinished(""))? {
        return Ok(());
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::from([(String::new(), 1)]);
    let all = Prefix::<RunRow>::all();
    let (mut from, _) = all.range();
    loop {
        let page = cx.scan_from(&all, &from, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = after(last.as_bytes());
        for (key, bytes) in page {
            let run = key.decode(&bytes)?;
            if !run.state.is_over() {
                *counts.entry(run.program).or_default() += 1;
            }
        }
    }
    for (hash, count) in counts {
        cx.put(key::unfinished(&hash), &count);
    }
    Ok(())
}

/// The program a run began with, and its code.
#[derive(Clone)]
pub(crate) struct RunDefinition {
    pub(crate) program: Arc<Program>,
    what: RunOf,
}

impl RunDefinition {
    pub(crate) fn of(cx: &Context<'_>, run: &RunRow) -> Option<Self> {
        let program = cx.programs.by_hash.get(&run.program).cloned()?;
        let there = match run.what {
            RunOf::When(index) => index < program.whens.len(),
            RunOf::Workflow(index) => index < program.workflows.len(),
        };
        there.then(|| Self { program, what: run.what.clone() })
    }

    pub(crate) fn code(&self) -> &Code {
        match self.what {
            RunOf::When(index) => &self.program.whens[index].code,
            RunOf::Workflow(index) => &self.program.workflows[index].code,
        }
    }

    pub(crate) fn name(&self) -> String {
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

    pub(crate) fn place(&self) -> String {
        match self.what {
            RunOf::When(index) => self.program.whens[index].place.to_string(),
            RunOf::Workflow(index) => self.program.workflows[index].place.to_string(),
        }
    }
}

pub(crate) fn load(cx: &Context<'_>, id: RunId) -> Result<RunRow, Error> {
    cx.get(&key::run(id))?.ok_or_else(|| Error::Row { key: format!("run {id}"), reason: "it is not there".to_owned() })
}

pub(crate) fn log(cx: &mut Context<'_>, id: RunId, run: &RunRow, action: &str, detail: impl Into<String>) {
    let (rule, place) = RunDefinition::of(cx, run).map_or_else(Default::default, |s| (s.name(), s.place()));
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

pub(crate) fn reset_tries(run: &mut RunRow) {
    run.attempts = 0;
    run.first_try = None;
    run.asked.clear();
}

/// How an action of the run is retried.
pub(crate) fn retry_of(run: &RunRow, definition: &RunDefinition) -> Option<Retry> {
    let step = run.stack.last().and_then(|frame| frame.step).or(run.step)?;
    definition.code().steps[step].retry
}

/// The longest that an action of the step which the run is in may take, retries included.
pub(crate) fn timeout_of(cx: &Context<'_>, run: &RunRow) -> Option<Duration> {
    let definition = RunDefinition::of(cx, run)?;
    let step = run.stack.last().map_or(run.step, |frame| frame.step)?;
    definition.code().steps[step].timeout
}

pub(crate) fn go_on(run: &mut RunRow) -> bool {
    run.pc += 1;
    reset_tries(run);
    true
}

pub(crate) fn bind(run: &mut RunRow, name: Option<&String>, var: Var) {
    if let Some(name) = name {
        run.vars.insert(name.clone(), var);
    }
}
