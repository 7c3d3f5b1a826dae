//! A link that is being decided: opened, changed by one task, and saved once.
//!
//! Always true: a link whose write does not go through waits longer with each try, and in time people are shown that
//! none does; a link that waits for a person has an incident that says so; its state changes by the table of its life
//! only ([`LinkRow`]).

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use dsl::ast::Priority;
use dsl::eval::eval;
use dsl::program::{Mapping, MappingKind, Program, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::lifecycle;
use crate::decide::model::link::{HeldLine, LinkEvent, LinkRow, LinkState, WriteState};
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::run::Var;
use crate::decide::model::sides::Sides;
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Task;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{Owner, TimerRow, Tries, Waiter};
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::reads;
use crate::decide::store::retry::{self, ALERT_AFTER_ATTEMPTS};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::ids::LinkId;
use crate::ledger::Error;

/// How long a link or run may wait for a partner or key before people are shown it.
pub(crate) const PARTNER_TIMEOUT: Duration = Duration::minutes(15);

/// How often a written value may come back as something else before the field waits for a person.
pub(crate) const UNSTABLE_AFTER: u8 = 2;

/// A sync of the active program, held with it.
#[derive(Debug, Clone)]
pub(crate) struct ActiveSync {
    pub(crate) program: Arc<Program>,
    index: usize,
}

impl ActiveSync {
    /// The sync of this index in the active program.
    pub(crate) fn at(cx: &Context<'_>, index: usize) -> Self {
        Self { program: cx.program(), index }
    }

    /// The sync of this name, if the active program has it.
    pub(crate) fn named(cx: &Context<'_>, name: &str) -> Option<Self> {
        let index = cx.programs.active.syncs.iter().position(|sync| sync.name == name)?;
        Some(Self::at(cx, index))
    }
}

impl Deref for ActiveSync {
    type Target = Sync;

    fn deref(&self) -> &Sync {
        &self.program.syncs[self.index]
    }
}

/// A link that is being decided, with the sync that it belongs to. What is changed of its row counts once it is saved.
#[derive(Debug)]
pub(crate) struct OpenLink {
    pub(crate) id: LinkId,
    pub(crate) sync: ActiveSync,
    row: LinkRow,
    changed: bool,
}

impl Deref for OpenLink {
    type Target = LinkRow;

    fn deref(&self) -> &LinkRow {
        &self.row
    }
}

impl DerefMut for OpenLink {
    fn deref_mut(&mut self) -> &mut LinkRow {
        self.changed = true;
        &mut self.row
    }
}

impl OpenLink {
    /// The link, unless it is not there (any more), or its sync is not in the rules.
    pub(crate) fn open(cx: &Context<'_>, id: LinkId) -> Result<Option<Self>, Error> {
        let Some(row) = cx.get(&key::link(id))? else { return Ok(None) };
        let sync = ActiveSync::named(cx, &row.sync);
        Ok(sync.map(|sync| Self { id, sync, row, changed: false }))
    }

    /// The link that another row names; an error where it is not there. Nothing where its sync is not in the rules.
    pub(crate) fn existing(cx: &Context<'_>, id: LinkId) -> Result<Option<Self>, Error> {
        let row = existing_row(cx, id)?;
        let sync = ActiveSync::named(cx, &row.sync);
        Ok(sync.map(|sync| Self { id, sync, row, changed: false }))
    }

    /// Begins a link of these records.
    pub(crate) fn begin(
        cx: &mut Context<'_>,
        sync: ActiveSync,
        ids: Sides<Option<String>>,
        state: LinkState,
    ) -> Result<Self, Error> {
        let id = LinkId(cx.next()?);
        let row = LinkRow::new(&sync.name, ids, state, cx.now);
        for side in [Side::Left, Side::Right] {
            if let Some(record) = &row.ids[side] {
                cx.put(key::link_of(&sync.name, side, record), &id);
            }
        }
        Ok(Self { id, sync, row, changed: true })
    }

    /// Makes what was changed of it count.
    pub(crate) fn save(self, cx: &mut Context<'_>) {
        if self.changed {
            cx.put(key::link(self.id), &self.row);
        }
    }

    /// The line of this mapping, where a write cannot settle it.
    pub(crate) fn held(&self, cx: &Context<'_>, mapping: &str) -> Result<Option<HeldLine>, Error> {
        if self.unstable.get(mapping).is_none_or(|times| *times < UNSTABLE_AFTER) {
            return Ok(None);
        }
        Ok(cx.get(&key::held(self.id))?.and_then(|mut lines| lines.0.remove(mapping)))
    }

    /// A write cannot settle a line: nothing is written for it before something about it changes.
    pub(crate) fn hold(&mut self, cx: &mut Context<'_>, mapping: &str, line: HeldLine) -> Result<(), Error> {
        self.unstable.insert(mapping.to_owned(), UNSTABLE_AFTER);
        let mut lines = cx.get(&key::held(self.id))?.unwrap_or_default();
        lines.0.insert(mapping.to_owned(), line);
        cx.put(key::held(self.id), &lines);
        Ok(())
    }

    /// A line is settled: a write of it stands, or nothing has to be written.
    pub(crate) fn let_go(&mut self, cx: &mut Context<'_>, mapping: &str) -> Result<(), Error> {
        if !self.unstable.contains_key(mapping) {
            return Ok(());
        }
        self.unstable.remove(mapping);
        if let Some(mut lines) = cx.get(&key::held(self.id))?
            && lines.0.remove(mapping).is_some()
        {
            if lines.0.is_empty() { cx.delete(key::held(self.id)) } else { cx.put(key::held(self.id), &lines) }
        }
        Ok(())
    }

    /// Nothing is left of what could not be settled: it is tried again.
    pub(crate) fn let_go_all(&mut self, cx: &mut Context<'_>) {
        if !self.unstable.is_empty() {
            self.unstable.clear();
            cx.delete(key::held(self.id));
        }
    }

    /// Takes it away for good: its record belongs to another link.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>) {
        self.let_go_all(cx);
        cx.delete(key::link(self.id));
        self.changed = false;
    }

    /// Changes its state, as far as it is another one.
    pub(crate) fn turn(&mut self, cx: &Context<'_>, event: LinkEvent, state: LinkState) {
        if self.state == state {
            return;
        }
        let (from, to) = (self.state.phase(), state.phase());
        if from != to {
            let line = lifecycle::step::<LinkRow>(from, event, Some(to));
            cx.reached(|| Reached::transition::<LinkRow>(line));
        }
        self.state = state;
        self.since = cx.now;
    }

    /// The entity on a side.
    pub(crate) fn entity(&self, side: Side) -> &EntityName {
        self.sync.entity(side)
    }

    /// The record on a side, which is known.
    pub(crate) fn record(&self, side: Side) -> String {
        self.ids[side].clone().unwrap_or_default()
    }

    /// Gives a side its record.
    pub(crate) fn set_record(&mut self, cx: &mut Context<'_>, side: Side, record: String) {
        cx.put(key::link_of(&self.sync.name, side, &record), &self.id);
        self.ids[side] = Some(record);
    }

    /// Gives up the record on a side to another link: where that is all that it has, nothing is left of it.
    pub(crate) fn yield_record(mut self, cx: &mut Context<'_>, side: Side) {
        if let Some(record) = self.ids[side].take() {
            cx.delete(key::link_of(&self.sync.name, side, &record));
        }
        self.withdraw(cx);
        self.release(cx);
        // What the two agreed on means nothing to a new pair.
        self.base.clear();
        if self.ids[side.other()].is_none() && !self.is_in_flight() {
            self.remove(cx);
        }
        self.save(cx);
    }

    /// Variables of its sync: its two records, as far as there are any.
    pub(crate) fn variables(&self) -> BTreeMap<String, Var> {
        let var = |side: Side| match &self.ids[side] {
            Some(id) => Var::Record(self.entity(side).clone(), id.clone()),
            None => Var::Nothing,
        };
        BTreeMap::from([("left".to_owned(), var(Side::Left)), ("right".to_owned(), var(Side::Right))])
    }

    /// Does `only where` hold for its records?
    pub(crate) fn passes_filter(&self, cx: &Context<'_>) -> Result<bool, Blocked> {
        let Some(only) = &self.sync.only else { return Ok(true) };
        let vars = self.variables();
        let program = &self.sync.program;
        let scope = Variables { cx, program, vars: &vars, fresh: Freshness::Any, cacheable: false };
        Ok(eval(program, only, &scope)? == Value::Flag(true))
    }

    /// Arranges that it is looked at once a need is met.
    pub(crate) fn wait_for(&self, cx: &mut Context<'_>, need: &Need) -> Result<(), Error> {
        reads::need(cx, need, Waiter::Link(self.id), self.sync.priority)
    }

    /// The same, and people are shown it where a partner does not come for long.
    pub(crate) fn wait_for_long(&self, cx: &mut Context<'_>, need: &Need) -> Result<(), Error> {
        if needs_partner(need) {
            cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Overdue(self.id))?;
        }
        self.wait_for(cx, need)
    }

    /// How long a write may wait for company: real-time work a moment, scheduled work longer.
    fn linger(&self, cx: &Context<'_>) -> Duration {
        match (self.bulk, self.sync.priority) {
            (true, _) => cx.settings.linger_bulk,
            (false, Priority::High) => cx.settings.linger,
            (false, _) => Duration(cx.settings.linger.0 * 3 / 2),
        }
    }

    /// Queues a write of a record, unless one is queued or on its way.
    pub(crate) fn queue(&mut self, cx: &mut Context<'_>, side: Side, kind: LaneKind) {
        let again = planted(Mutant::PlannedInFlight) && matches!(self.writes[side], WriteState::InFlight(_));
        if self.writes[side] == WriteState::Idle || again {
            let lane = Lane { system: self.entity(side).system.clone(), bulk: self.bulk, kind };
            let (pause, priority) = (self.linger(cx), self.sync.priority);
            self.queue_in(cx, side, lane, pause, priority);
        }
    }

    /// Queues a write of a record in this lane, after a pause.
    pub(crate) fn queue_in(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        lane: Lane,
        pause: Duration,
        priority: Priority,
    ) {
        let work = cx.queue(Owner::Link(self.id, side), lane, cx.now.plus(pause), priority);
        self.writes[side] = WriteState::Queued(work);
    }

    /// Takes back the write that is queued for a side, if there is one.
    pub(crate) fn withdraw_one(&mut self, cx: &mut Context<'_>, side: Side) {
        if let WriteState::Queued(work) = &self.row.writes[side] {
            cx.delete(work.clone());
            self.writes[side] = WriteState::Idle;
        }
    }

    /// Takes back what is queued.
    pub(crate) fn withdraw(&mut self, cx: &mut Context<'_>) {
        self.withdraw_one(cx, Side::Left);
        self.withdraw_one(cx, Side::Right);
    }

    /// Until when a create in doubt may make a record of this side with the key that it was sent with, and that key in
    /// the line's canonical domain; nothing where none may, or the line holds no key.
    pub(crate) fn key_in_doubt(
        &self,
        mapping: &Mapping,
        side: Side,
        now: Timestamp,
    ) -> Option<(Timestamp, &Canonical)> {
        let MappingKind::Field { left, right, .. } = &mapping.kind else { return None };
        let is_key = self.sync.keys.iter().any(|(l, r)| l == left && r == right);
        let attempted = self.attempted.as_ref().filter(|one| is_key && one.side == side && one.until > now)?;
        // Once the record is found, what was sent is the base.
        let sent = attempted.values.get(&mapping.text).and_then(|values| values.last());
        Some((attempted.until, sent.or_else(|| self.base.get(&mapping.text))?))
    }

    /// Gives back the keys that it claims, so that others may take them.
    pub(crate) fn release(&mut self, cx: &mut Context<'_>) {
        for claim in std::mem::take(&mut self.claims) {
            cx.delete(claim);
        }
    }

    /// Nothing is left of the tries that did not succeed.
    pub(crate) fn went_through(&mut self) {
        self.tries.attempts = 0;
        self.tries.not_before = None;
    }

    /// A try did not succeed: the next one waits longer than the one before, and at least as long as its system asks;
    /// in time people are shown it.
    pub(crate) fn tried(
        &mut self,
        cx: &mut Context<'_>,
        system: &str,
        after: Option<Duration>,
        cause: &str,
    ) -> Result<Duration, Error> {
        self.tries.attempts = self.tries.attempts.saturating_add(1);
        let Tries { attempts, .. } = self.tries;
        let usual = retry::backoff(attempts.into(), Duration::seconds(1), Duration::minutes(15), &self.id.to_string());
        let pause = after.unwrap_or_default().max(usual);
        self.pause(cx, pause)?;
        if attempts >= ALERT_AFTER_ATTEMPTS {
            let why = format!("{system} cannot be reached: {cause}");
            self.open_incident(cx, why, "it is tried again by itself")?;
        }
        Ok(pause)
    }

    /// Nothing is sent for it for so long.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>, pause: Duration) -> Result<(), Error> {
        let at = cx.now.plus(pause);
        self.tries.not_before = Some(at);
        cx.arm(at, &TimerRow::Link(self.id))
    }

    /// It is known to be unreachable: that is shown until a write has gone through.
    pub(crate) fn is_shown_unreachable(&self) -> bool {
        self.tries.attempts >= ALERT_AFTER_ATTEMPTS
    }

    /// It waits for a person.
    pub(crate) fn park(&mut self, cx: &mut Context<'_>, why: String) -> Result<(), Error> {
        let advice = "mend the value or the rule; it is taken up by itself, or with `engine resolve`";
        self.open_incident(cx, why.clone(), advice)?;
        self.turn(cx, LinkEvent::Park, LinkState::Parked(why));
        Ok(())
    }

    /// Opens its incident, or renews the cause.
    pub(crate) fn open_incident(&self, cx: &mut Context<'_>, cause: String, advice: &str) -> Result<(), Error> {
        let side = self.known_side();
        let incident = NewIncident {
            subject: Subject::Link(self.id),
            rule: self.sync.name.clone(),
            place: self.sync.place.to_string(),
            entity: self.entity(side).to_string(),
            id: self.record(side),
            cause,
            advice: advice.to_owned(),
            parked: true,
            ..NewIncident::default()
        };
        incidents::open_pair(cx, incident, &self.ids)
    }

    /// Closes its incident, if there is one.
    pub(crate) fn settle_incident(&self, cx: &mut Context<'_>) -> Result<(), Error> {
        incidents::settle(cx, &Subject::Link(self.id))
    }

    /// A line about it for history and log, to be completed.
    pub(crate) fn event(&self, cx: &Context<'_>, action: Action) -> Event {
        Event {
            rule: self.sync.name.clone(),
            place: self.sync.place.to_string(),
            entity: format!("{} ~ {}", self.sync.left, self.sync.right),
            left: self.ids[Side::Left].clone(),
            right: self.ids[Side::Right].clone(),
            subject: self.id.to_string(),
            ..Event::new(cx.now, action)
        }
    }

    /// Adds a line about it to history and log.
    pub(crate) fn log(&self, cx: &mut Context<'_>, action: Action, detail: impl Into<String>) {
        let line = self.event(cx, action);
        cx.log(Event { detail: detail.into(), ..line });
    }
}

/// The row of a link that another row names; an error where it is not there.
pub(crate) fn existing_row(cx: &Context<'_>, id: LinkId) -> Result<LinkRow, Error> {
    let row = cx.get(&key::link(id))?;
    row.ok_or_else(|| Error::Row { key: format!("link {id}"), reason: "it is not there".to_owned() })
}

/// The link of a record under a sync, begun if there is none; it is looked at in this round.
pub(crate) fn ensure(
    cx: &mut Context<'_>,
    sync: &ActiveSync,
    side: Side,
    record: &str,
    bulk: bool,
) -> Result<LinkId, Error> {
    let id = match cx.get(&key::link_of(&sync.name, side, record))? {
        Some(id) => {
            if bulk && let Some(mut link) = OpenLink::open(cx, id)? {
                if !link.bulk {
                    link.bulk = true;
                }
                link.save(cx);
            }
            id
        }
        None => {
            let mut ids = Sides::default();
            ids[side] = Some(record.to_owned());
            let mut link = OpenLink::begin(cx, sync.clone(), ids, LinkState::Matching)?;
            link.bulk = bulk;
            let id = link.id;
            link.save(cx);
            id
        }
    };
    cx.task(Task::Link(id));
    Ok(id)
}
