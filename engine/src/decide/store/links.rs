//! Links as rows: found or made, queued, parked, tried again.
//!
//! Always true: a link whose write does not go through waits longer with each try, and in time people are shown that
//! none does; a link that waits for a person has an incident that says so.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use dsl::ast::Priority;
use dsl::eval::eval;
use dsl::program::{Program, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::event::Event;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::need::Blocked;
use crate::decide::model::run::Var;
use crate::decide::model::task::Task;
use crate::decide::model::work::{Owner, TimerRow};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, retry};
use crate::ids::LinkId;
use crate::ledger::Error;

/// How long a link or run may wait for a partner or key before people are shown it.
pub(crate) const PARTNER_TIMEOUT: Duration = Duration::minutes(15);

/// How often a written value may come back as something else before the field waits for a person.
pub(crate) const UNSTABLE_AFTER: u8 = 2;

/// How often a write is tried before people are shown that it does not go through.
pub(crate) const ALERT_AFTER_ATTEMPTS: u32 = 20;

/// A sync of the active program, held with it.
#[derive(Clone)]
pub(crate) struct ActiveSync {
    pub(crate) program: Arc<Program>,
    pub(crate) index: usize,
}

impl Deref for ActiveSync {
    type Target = Sync;
    fn deref(&self) -> &Sync {
        &self.program.syncs[self.index]
    }
}

pub(crate) fn rule(cx: &Context<'_>, link: &LinkRow) -> Option<ActiveSync> {
    rule_named(cx, &link.sync)
}

pub(crate) fn rule_named(cx: &Context<'_>, name: &str) -> Option<ActiveSync> {
    let program = cx.program();
    let index = program.syncs.iter().position(|sync| sync.name == name)?;
    Some(ActiveSync { program, index })
}

pub(crate) fn load(cx: &Context<'_>, id: LinkId) -> Result<LinkRow, Error> {
    cx.get(&key::link(id))?
        .ok_or_else(|| Error::Row { key: format!("link {id}"), reason: "it is not there".to_owned() })
}

pub(crate) fn store(cx: &mut Context<'_>, id: LinkId, link: &LinkRow) {
    cx.put(key::link(id), link);
}

/// Adds a line about a link to history and log.
pub(crate) fn log(cx: &mut Context<'_>, id: LinkId, link: &LinkRow, action: &str, detail: impl Into<String>) {
    let (place, entity) = match rule(cx, link) {
        Some(rule) => (rule.place.to_string(), format!("{} ~ {}", rule.left, rule.right)),
        None => (String::new(), String::new()),
    };
    cx.log(Event {
        at: cx.now,
        action: action.to_owned(),
        rule: link.sync.clone(),
        place,
        entity,
        left: link.left.clone(),
        right: link.right.clone(),
        subject: id.to_string(),
        detail: detail.into(),
        ..Event::default()
    });
}

/// The link of a record under a sync, made if there is none.
pub(crate) fn ensure(
    cx: &mut Context<'_>,
    rule: &ActiveSync,
    side: Side,
    record: &str,
    bulk: bool,
) -> Result<LinkId, Error> {
    let key = key::link_of(&rule.name, side, record);
    if let Some(id) = cx.get(&key)? {
        if bulk {
            let mut link = load(cx, id)?;
            if !link.bulk {
                link.bulk = true;
                store(cx, id, &link);
            }
        }
        cx.task(Task::Link(id));
        return Ok(id);
    }
    let id = LinkId(cx.next()?);
    let mut link = LinkRow {
        sync: rule.name.clone(),
        left: None,
        right: None,
        state: LinkState::Matching,
        base: BTreeMap::new(),
        parked: BTreeMap::new(),
        unstable: BTreeMap::new(),
        in_flight: [None, None],
        queued: [None, None],
        claims: Default::default(),
        bulk,
        since: cx.now,
        attempts: 0,
        not_before: None,
        send_alone: false,
        restores: BTreeMap::new(),
        creates: 0,
    };
    link.set_id(side, Some(record.to_owned()));
    cx.put(key, &id);
    store(cx, id, &link);
    cx.task(Task::Link(id));
    Ok(id)
}

/// Gives back what a link holds, so that others may take it.
pub(crate) fn release(cx: &mut Context<'_>, link: &mut LinkRow) {
    for claim in std::mem::take(&mut link.claims) {
        cx.delete(claim);
    }
}

/// Variables of a sync: its two records, as far as there are any.
pub(crate) fn variables(rule: &Sync, link: &LinkRow) -> BTreeMap<String, Var> {
    let var = |side: Side| match link.id(side) {
        Some(id) => Var::Record(rule.entity(side).clone(), id.clone()),
        None => Var::Nothing,
    };
    BTreeMap::from([("left".to_owned(), var(Side::Left)), ("right".to_owned(), var(Side::Right))])
}

/// Does `only where` hold for the pair?
pub(crate) fn passes_filter(cx: &Context<'_>, rule: &ActiveSync, link: &LinkRow) -> Result<bool, Blocked> {
    let Some(only) = &rule.only else { return Ok(true) };
    let vars = variables(rule, link);
    let scope = Variables { cx, program: &rule.program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
    Ok(eval(&rule.program, only, &scope)? == Value::Flag(true))
}

/// Queues the making of the record on `side`.
pub(crate) fn queue_create(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    side: Side,
) -> Result<(), Error> {
    if link.queued[slot(side)].is_some() {
        return Ok(());
    }
    let entity = rule.entity(side);
    let lane = Lane {
        system: entity.system.clone(),
        bulk: link.bulk,
        kind: LaneKind::Create { entity: entity.entity.clone() },
    };
    let deadline = cx.now.plus(linger(cx, rule, link.bulk));
    link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
    Ok(())
}

/// How long a write may wait for company: real-time work a moment, scheduled work longer.
pub(crate) fn linger(cx: &Context<'_>, rule: &ActiveSync, bulk: bool) -> Duration {
    match (bulk, rule.priority) {
        (true, _) => cx.settings.linger_bulk,
        (false, Priority::High) => cx.settings.linger,
        (false, _) => Duration(cx.settings.linger.0 * 3 / 2),
    }
}

/// Takes back what is queued for a link.
pub(crate) fn withdraw(cx: &mut Context<'_>, link: &mut LinkRow) {
    for key in link.queued.iter_mut().filter_map(Option::take) {
        cx.delete(key);
    }
}

/// Nothing is left of the tries that did not succeed.
pub(crate) fn went_through(link: &mut LinkRow) {
    link.attempts = 0;
    link.not_before = None;
}

/// A try did not succeed: the next one waits, as long as its system asks or longer than the one before, and in time
/// people are shown it.
pub(crate) fn tried(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    entity: &EntityName,
    after: Option<Duration>,
    cause: &str,
) -> Result<Duration, Error> {
    link.attempts = link.attempts.saturating_add(1);
    let pause = after.unwrap_or_else(|| {
        retry::backoff(link.attempts.into(), Duration::seconds(1), Duration::minutes(15), &id.to_string())
    });
    wait(cx, id, link, pause)?;
    if link.attempts >= ALERT_AFTER_ATTEMPTS {
        let why = format!("{} cannot be reached: {cause}", entity.system);
        open_incident(cx, id, link, rule, why, "it is tried again by itself")?;
    }
    Ok(pause)
}

/// Nothing is sent for the link for so long.
pub(crate) fn wait(cx: &mut Context<'_>, id: LinkId, link: &mut LinkRow, pause: Duration) -> Result<(), Error> {
    let at = cx.now.plus(pause);
    link.not_before = Some(at);
    cx.arm(at, &TimerRow::Link(id))
}

pub(crate) fn span(wait: std::time::Duration) -> Duration {
    Duration(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// The link waits for a person.
pub(crate) fn park(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    why: String,
) -> Result<(), Error> {
    open_incident(
        cx,
        id,
        link,
        rule,
        why.clone(),
        "mend the value or the rule; it is taken up by itself, or with `engine resolve`",
    )?;
    if !matches!(&link.state, LinkState::Parked(old) if *old == why) {
        link.since = cx.now;
    }
    link.state = LinkState::Parked(why);
    Ok(())
}

pub(crate) fn open_incident(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &LinkRow,
    rule: &ActiveSync,
    cause: String,
    advice: &str,
) -> Result<(), Error> {
    let side = if link.right.is_some() && link.left.is_none() { Side::Right } else { Side::Left };
    let row = incidents::row(
        format!("link {id}"),
        &rule.name,
        rule.place.to_string(),
        rule.entity(side).to_string(),
        link.id(side).cloned().unwrap_or_default(),
        cause,
        advice,
        true,
        cx.now,
    );
    incidents::open_pair(cx, row, &rule.name, link)
}
