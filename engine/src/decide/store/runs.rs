//! A run that is being decided: opened, changed by one task, and saved once; and the rules that it began with.
//!
//! Always true: its state changes by the table of its life only ([`RunRow`]); a timer of an earlier wait counts no more
//! once its token has grown.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use dsl::ast::Priority;
use dsl::program::{Code, Program, Retry, Trigger};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::event::{Action, Event};
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::lifecycle;
use crate::decide::model::need::Need;
use crate::decide::model::row::Prefix;
use crate::decide::model::run::{RunEvent, RunOf, RunRow, RunState, Var};
use crate::decide::model::subject::Subject;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::links::PARTNER_TIMEOUT;
use crate::decide::store::reads;
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
            if run.state.over().is_none() {
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
#[derive(Debug, Clone)]
pub(crate) struct RunDefinition {
    pub(crate) program: Arc<Program>,
    what: RunOf,
}

impl RunDefinition {
    /// Nothing where the rules that the run began with are not here any more.
    fn of(cx: &Context<'_>, run: &RunRow) -> Option<Self> {
        let program = cx.programs.by_hash.get(&run.program).cloned()?;
        let there = match run.what {
            RunOf::When(index) => index < program.whens.len(),
            RunOf::Workflow(index) => index < program.workflows.len(),
        };
        there.then_some(Self { program, what: run.what })
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
                    Trigger::Changes(_) => {
                        let fields = when.fields().map(String::as_str).collect::<Vec<_>>().join(", ");
                        format!("when {} changes {fields}", when.entity)
                    }
                }
            }
            RunOf::Workflow(index) => format!("workflow {}", self.program.workflows[index].name),
        }
    }

    fn place(&self) -> String {
        match self.what {
            RunOf::When(index) => self.program.whens[index].place.to_string(),
            RunOf::Workflow(index) => self.program.workflows[index].place.to_string(),
        }
    }

    /// How an action of the run is retried.
    pub(crate) fn retry(&self, run: &RunRow) -> Option<Retry> {
        let step = run.stack.last().and_then(|frame| frame.step).or(run.step)?;
        self.code().steps[step].retry
    }

    /// The longest that an action of the step which the run is in may take, retries included.
    pub(crate) fn timeout(&self, run: &RunRow) -> Option<Duration> {
        let step = run.stack.last().map_or(run.step, |frame| frame.step)?;
        self.code().steps[step].timeout
    }
}

/// A run that is being decided. What is changed of its row counts once it is saved.
#[derive(Debug)]
pub(crate) struct OpenRun {
    pub(crate) id: RunId,
    /// Nothing where the rules that it began with are not here any more.
    pub(crate) definition: Option<RunDefinition>,
    row: RunRow,
    changed: bool,
}

impl Deref for OpenRun {
    type Target = RunRow;

    fn deref(&self) -> &RunRow {
        &self.row
    }
}

impl DerefMut for OpenRun {
    fn deref_mut(&mut self) -> &mut RunRow {
        self.changed = true;
        &mut self.row
    }
}

impl OpenRun {
    /// The run, if it is there.
    pub(crate) fn open(cx: &Context<'_>, id: RunId) -> Result<Option<Self>, Error> {
        let Some(row) = cx.get(&key::run(id))? else { return Ok(None) };
        Ok(Some(Self { id, definition: RunDefinition::of(cx, &row), row, changed: false }))
    }

    /// The run that another row names; an error where it is not there.
    pub(crate) fn existing(cx: &Context<'_>, id: RunId) -> Result<Self, Error> {
        let missing = || Error::Row { key: format!("run {id}"), reason: "it is not there".to_owned() };
        Self::open(cx, id)?.ok_or_else(missing)
    }

    /// Begins a run that was caused by something as new as that.
    pub(crate) fn begin(
        cx: &mut Context<'_>,
        program: &Program,
        what: RunOf,
        vars: BTreeMap<String, Var>,
        fresh: Freshness,
    ) -> Result<Self, Error> {
        let id = RunId(cx.next()?);
        let state = match what {
            RunOf::When(_) => RunState::Ready,
            RunOf::Workflow(_) => RunState::Starting,
        };
        begun(cx, &program.hash)?;
        let row = RunRow::new(&program.hash, what, vars, fresh, state);
        Ok(Self { id, definition: RunDefinition::of(cx, &row), row, changed: true })
    }

    /// Makes what was changed of it count.
    pub(crate) fn save(self, cx: &mut Context<'_>) {
        if self.changed {
            cx.put(key::run(self.id), &self.row);
        }
    }

    /// Takes its row away: it is history.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>) {
        cx.delete(key::run(self.id));
        self.changed = false;
    }

    /// Changes its state.
    pub(crate) fn turn(&mut self, cx: &Context<'_>, event: RunEvent, state: RunState) {
        let line = lifecycle::step::<RunRow>(self.state.phase(), event, Some(state.phase()));
        cx.reached(|| Reached::transition::<RunRow>(line));
        self.state = state;
    }

    /// Another run keeps it from beginning at all.
    ///
    /// # Errors
    /// Where the count of unfinished runs cannot be read.
    pub(crate) fn leave_out(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let line = lifecycle::step::<RunRow>(self.state.phase(), RunEvent::LeaveOut, None);
        cx.reached(|| Reached::transition::<RunRow>(line));
        over(cx, &self.program)?;
        self.remove(cx);
        Ok(())
    }

    /// Arranges that its timer fires then, and none of an earlier wait any more.
    pub(crate) fn arm(&mut self, cx: &mut Context<'_>, at: Timestamp) -> Result<(), Error> {
        self.token += 1;
        cx.arm(at, &TimerRow::Run(self.id, self.token))
    }

    /// Arranges that it is looked at once a need is met; people are shown it where a partner does not come for long.
    pub(crate) fn wait_for(&self, cx: &mut Context<'_>, need: &Need) -> Result<(), Error> {
        let waiter = Waiter::Run(self.id);
        if let Need::Partner { sync, side, id } = need {
            let wait = key::partner_wait(sync, *side, id, waiter);
            if !cx.has(&wait)? {
                cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Unpaired(self.id, wait))?;
            }
        }
        reads::need(cx, need, waiter, Priority::High)
    }

    /// Arranges that it learns of something whose field has this value, for the wait at `pc`.
    pub(crate) fn listen(
        &mut self,
        cx: &mut Context<'_>,
        pc: usize,
        (what, field): (&EntityName, &str),
        value: &Value,
    ) {
        let key = key::awaited(what, field, value, self.id, pc);
        cx.put(key.clone(), &(self.id, pc));
        self.awaits.insert(key);
    }

    /// It makes or writes a record: reactions to that wait until it is over.
    pub(crate) fn touch(&mut self, cx: &mut Context<'_>, entity: &EntityName, record: &str) {
        let touched = (entity.clone(), record.to_owned());
        if matches!(self.what, RunOf::When(_)) && !self.touched.contains(&touched) {
            self.touched.insert(touched);
            cx.put(key::busy(entity, record, self.id), &self.id);
        }
    }

    /// Adds a line about it to history and log.
    pub(crate) fn log(&self, cx: &mut Context<'_>, action: Action, detail: impl Into<String>) {
        let (rule, place) = self.definition.as_ref().map_or_else(Default::default, |d| (d.name(), d.place()));
        let record = self.record();
        cx.log(Event {
            rule,
            place,
            entity: record.map_or_else(String::new, |(entity, _)| entity.to_string()),
            left: record.map(|(_, id)| id.to_owned()),
            subject: self.id.to_string(),
            detail: detail.into(),
            ..Event::new(cx.now, action)
        });
    }

    /// An incident about it, to be completed.
    pub(crate) fn incident(&self, subject: Subject, cause: String) -> NewIncident {
        let (rule, place) = self.definition.as_ref().map_or_else(Default::default, |d| (d.name(), d.place()));
        let (entity, id) = self.record().map(|(entity, id)| (entity.to_string(), id.to_owned())).unwrap_or_default();
        NewIncident { subject, rule, place, entity, id, cause, ..NewIncident::default() }
    }

    /// Closes the incident about it, if there is one.
    pub(crate) fn settle_incident(&self, cx: &mut Context<'_>) -> Result<(), Error> {
        incidents::settle(cx, &Subject::Run(self.id))
    }
}
