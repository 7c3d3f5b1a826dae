//! Which records are the same thing: links, claims, and the search for the other side (SYNC-MODEL.md section 8).
//!
//! Always true: one link per record and sync, one link per claimed key. A key that is taken joins or parks,
//! it never makes a second record. Search is never used: keys are found in the engine's index, by a point
//! read of a unique field, or in a whole listing.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use dsl::eval::eval;
use dsl::program::{MappingKind, Program, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use super::context::{Context, Task};
use super::reads::{self, Need};
use super::rows::{Key, Kind, LinkRow, LinkState, TimerRow, Var, Waiter, value_key};
use super::scope::{Stop, Variables};
use super::{Event, incident, sync};
use crate::ids::LinkId;
use crate::ledger::Error;

/// How long a link or run may wait for a partner or key before people are shown it.
pub(super) const OVERDUE: Duration = Duration::minutes(15);

pub(super) fn link_key(id: LinkId) -> Vec<u8> {
    Key::new(Kind::Link).number(id.0).bytes()
}

pub(super) fn link_of(sync: &str, side: Side, id: &str) -> Vec<u8> {
    Key::new(Kind::LinkOf).text(sync).number(super::rows::slot(side) as u64).text(id).bytes()
}

/// A sync of the active program, held with it.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) program: Arc<Program>,
    pub(super) index: usize,
}

impl Deref for Rule {
    type Target = Sync;
    fn deref(&self) -> &Sync {
        &self.program.syncs[self.index]
    }
}

pub(super) fn rule(cx: &Context<'_>, link: &LinkRow) -> Option<Rule> {
    rule_named(cx, &link.sync)
}

pub(super) fn rule_named(cx: &Context<'_>, name: &str) -> Option<Rule> {
    let program = cx.program();
    let index = program.syncs.iter().position(|sync| sync.name == name)?;
    Some(Rule { program, index })
}

pub(super) fn load(cx: &Context<'_>, id: LinkId) -> Result<LinkRow, Error> {
    cx.get(&link_key(id))?.ok_or_else(|| Error::Row { key: format!("link {id}"), reason: "it is not there".to_owned() })
}

pub(super) fn store(cx: &mut Context<'_>, id: LinkId, link: &LinkRow) {
    cx.put(link_key(id), link);
}

/// Adds a line about a link to history and log.
pub(super) fn log(cx: &mut Context<'_>, id: LinkId, link: &LinkRow, action: &str, detail: impl Into<String>) {
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

/// The value of a match key in the domain in which keys are compared.
pub(super) fn normal(program: &Program, entity: &EntityName, field: &str, value: &Value) -> Value {
    for rule in &program.syncs {
        for (left, right) in &rule.keys {
            let side = if rule.left == *entity && left == field {
                Side::Left
            } else if rule.right == *entity && right == field {
                Side::Right
            } else {
                continue;
            };
            let mapping = rule.fields.iter().find(|mapping| {
                matches!(&mapping.kind, MappingKind::Field { left: l, right: r, .. } if l == left && r == right)
            });
            if let Some(mapping) = mapping
                && let Ok(value) = dsl::eval::canonical(program, rule, mapping, side, value)
            {
                return value;
            }
        }
    }
    value.clone()
}

/// The link of a record under a sync, made if there is none.
pub(super) fn ensure(cx: &mut Context<'_>, rule: &Rule, side: Side, record: &str, bulk: bool) -> Result<LinkId, Error> {
    let key = link_of(&rule.name, side, record);
    if let Some(id) = cx.get::<LinkId>(&key)? {
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
        state: LinkState::Looking,
        base: BTreeMap::new(),
        parked: BTreeMap::new(),
        unstable: BTreeMap::new(),
        flight: [None, None],
        queued: [None, None],
        claims: Default::default(),
        bulk,
        since: cx.now,
        attempts: 0,
        not_before: None,
        alone: false,
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
pub(super) fn release(cx: &mut Context<'_>, link: &mut LinkRow) {
    for claim in std::mem::take(&mut link.claims) {
        cx.delete(claim);
    }
}

/// Variables of a sync: its two records, as far as there are any.
pub(super) fn variables(rule: &Sync, link: &LinkRow) -> BTreeMap<String, Var> {
    let var = |side: Side| match link.id(side) {
        Some(id) => Var::Record(rule.entity(side).clone(), id.clone()),
        None => Var::Nothing,
    };
    BTreeMap::from([("left".to_owned(), var(Side::Left)), ("right".to_owned(), var(Side::Right))])
}

/// Does `only where` hold for the pair?
pub(super) fn takes_part(cx: &Context<'_>, rule: &Rule, link: &LinkRow) -> Result<bool, Stop> {
    let Some(only) = &rule.only else { return Ok(true) };
    let vars = variables(rule, link);
    let scope = Variables { cx, program: &rule.program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
    Ok(eval(&rule.program, only, &scope)? == Value::Flag(true))
}

/// Takes a link one step further; called whenever something about it changed.
pub(super) fn advance(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(mut link) = cx.get::<LinkRow>(&link_key(id))? else { return Ok(()) };
    let Some(rule) = rule(cx, &link) else { return Ok(()) };
    if link.flight.iter().any(Option::is_some) || link.state == LinkState::Gone {
        return Ok(());
    }
    for side in [Side::Left, Side::Right] {
        if let Some(record) = link.id(side)
            && let Some(row) = cx.record(rule.entity(side), record)?
            && !matches!(row.life, super::rows::Life::Live)
        {
            // Existence has decided already; fields are not moved for what is gone.
            return Ok(());
        }
    }
    if link.left.is_some() && link.right.is_some() {
        return sync::merge(cx, id, link, &rule);
    }
    if link.not_before.is_some_and(|at| at > cx.now) || sync::is_read_back(cx, id, &link, &rule)? {
        return Ok(());
    }
    match look(cx, id, &mut link, &rule) {
        Ok(()) => {
            // `look` may have joined this link to another one and removed it.
            if cx.raw(&link_key(id))?.is_some() {
                store(cx, id, &link);
            }
            Ok(())
        }
        Err(Stop::Need(need)) => {
            store(cx, id, &link);
            reads::need(cx, &need, Waiter::Link(id), rule.priority)
        }
        Err(Stop::Fault(fault)) => {
            sync::park(cx, id, &mut link, &rule, fault.to_string())?;
            store(cx, id, &link);
            Ok(())
        }
        Err(Stop::Ledger(error)) => Err(error),
    }
}

fn look(cx: &mut Context<'_>, id: LinkId, link: &mut LinkRow, rule: &Rule) -> Result<(), Stop> {
    let side = if link.left.is_some() { Side::Left } else { Side::Right };
    let other = side.other();
    if !takes_part(cx, rule, link)? {
        settle(cx, id, link, LinkState::LeftOut)?;
        return Ok(());
    }
    let record = link.id(side).cloned().unwrap_or_default();
    if let Some(holder) = sync::made_for(cx, rule, side, &record)?
        && holder != id
    {
        return join(cx, id, link, rule, side, holder, "our own key");
    }
    let mut has_key = false;
    for (number, (left, right)) in rule.keys.iter().enumerate() {
        let (mine, theirs) = match side {
            Side::Left => (left, right),
            Side::Right => (right, left),
        };
        let value = {
            let vars = variables(rule, link);
            let scope =
                Variables { cx, program: &rule.program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
            let name = if side == Side::Left { "left" } else { "right" };
            dsl::eval::Scope::field(&scope, name, &[], mine)?
        };
        let value = normal(&rule.program, rule.entity(side), mine, &value);
        if value.is_empty() {
            // A key that is the other system's id is filled by the engine after a create.
            has_key |= theirs == "id";
            continue;
        }
        has_key = true;
        let claim = Key::new(Kind::Claim).text(&rule.name).number(number as u64).text(&value_key(&value)).bytes();
        match cx.get::<LinkId>(&claim)? {
            Some(holder) if holder != id => {
                return join(cx, id, link, rule, side, holder, &format!("{mine} `{value}`"));
            }
            Some(_) => {}
            None => {
                cx.put(claim.clone(), &id);
                link.claims.insert(claim);
            }
        }
        let since = link.since;
        let found = match reads::find(cx, rule.entity(other), theirs, &value, since)? {
            Ok(found) => found,
            Err(need) => return Err(Stop::Need(need)),
        };
        match found.as_slice() {
            [] => {}
            [one] => {
                if let Some(holder) = cx.get::<LinkId>(&link_of(&rule.name, other, one))?
                    && holder != id
                {
                    return join(cx, id, link, rule, side, holder, &format!("{mine} `{value}`"));
                }
                pair(cx, id, link, rule, other, one.clone())?;
                return Ok(());
            }
            [first, second, ..] => {
                let why = format!("{} `{value}` fits {} records: {first} and {second}", theirs, rule.entity(other));
                sync::park(cx, id, link, rule, why)?;
                return Ok(());
            }
        }
    }
    if !has_key {
        if link.state != LinkState::WaitingForKey {
            settle(cx, id, link, LinkState::WaitingForKey)?;
            cx.arm(cx.now.plus(OVERDUE), &TimerRow::Overdue(id))?;
        }
        return Ok(());
    }
    if !rule.create.contains(&other) {
        settle(cx, id, link, LinkState::Alone)?;
        return Ok(());
    }
    if link.state != LinkState::Creating(other) {
        settle(cx, id, link, LinkState::Creating(other))?;
    }
    sync::queue_create(cx, id, link, rule, other)?;
    Ok(())
}

fn settle(cx: &mut Context<'_>, id: LinkId, link: &mut LinkRow, state: LinkState) -> Result<(), Error> {
    if link.state != state {
        link.state = state;
        link.since = cx.now;
        // That a system cannot be reached is shown until the record is made.
        if link.attempts < sync::PATIENCE || !matches!(link.state, LinkState::Creating(_)) {
            incident::settle(cx, &format!("link {id}"))?;
        }
    }
    Ok(())
}

/// The key is taken: the holder takes our record if it has none, otherwise a person must look.
fn join(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    side: Side,
    holder: LinkId,
    key: &str,
) -> Result<(), Stop> {
    let mut held = load(cx, holder)?;
    let record = link.id(side).cloned().unwrap_or_default();
    if held.id(side).is_none() && held.state != LinkState::Gone {
        if held.flight.iter().any(Option::is_some) || matches!(held.state, LinkState::Creating(_)) {
            // It may be making the very record we hold; its answer wakes us.
            cx.put(
                reads::partner_wait(
                    &rule.name,
                    side.other(),
                    &held.id(side.other()).cloned().unwrap_or_default(),
                    Waiter::Link(id),
                ),
                &Waiter::Link(id),
            );
            return Ok(());
        }
        sync::withdraw(cx, link);
        release(cx, link);
        cx.delete(link_key(id));
        cx.put(link_of(&rule.name, side, &record), &holder);
        pair_row(cx, holder, &mut held, rule, side, record)?;
        store(cx, holder, &held);
        return Ok(());
    }
    if held.id(side) == Some(&record) {
        cx.delete(link_key(id));
        cx.task(Task::Link(holder));
        return Ok(());
    }
    if held.state == LinkState::Gone {
        // The partner it had may find another one; what they agreed on means nothing to a new pair.
        release(cx, &mut held);
        if let Some(partner) = held.id(side.other()).cloned() {
            cx.delete(link_of(&rule.name, side.other(), &partner));
            held.set_id(side.other(), None);
            held.base.clear();
        }
        store(cx, holder, &held);
        cx.task(Task::Link(id));
        return Ok(());
    }
    let why = format!(
        "{key} belongs to {} already: two {} records want one partner",
        held.id(side).cloned().unwrap_or_default(),
        rule.entity(side)
    );
    sync::park(cx, id, link, rule, why)?;
    Ok(())
}

/// The other side is found or made.
pub(super) fn pair(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    side: Side,
    record: String,
) -> Result<(), Error> {
    pair_row(cx, id, link, rule, side, record)
}

fn pair_row(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    side: Side,
    record: String,
) -> Result<(), Error> {
    cx.put(link_of(&rule.name, side, &record), &id);
    link.set_id(side, Some(record));
    link.state = LinkState::Linked;
    link.since = cx.now;
    link.attempts = 0;
    link.not_before = None;
    incident::settle(cx, &format!("link {id}"))?;
    log(cx, id, link, "link", "the two records are the same thing");
    for side in [Side::Left, Side::Right] {
        if let Some(record) = link.id(side).cloned() {
            reads::partner_found(cx, &rule.name, side, &record)?;
        }
    }
    cx.task(Task::Link(id));
    Ok(())
}

/// A link waited too long: people are shown it.
pub(super) fn overdue(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(link) = cx.get::<LinkRow>(&link_key(id))? else { return Ok(()) };
    let Some(rule) = rule(cx, &link) else { return Ok(()) };
    let (cause, advice) = match &link.state {
        LinkState::WaitingForKey => {
            ("it has no value of its match key yet", "fill in the key; it is taken up by itself")
        }
        LinkState::Creating(_) if link.queued == [None, None] && link.flight == [None, None] && link.attempts == 0 => {
            ("a record it links to has no partner yet", "it is taken up by itself when the partner comes")
        }
        _ => return Ok(()),
    };
    let side = if link.left.is_some() { Side::Left } else { Side::Right };
    let row = incident::row(
        format!("link {id}"),
        &rule.name,
        rule.place.to_string(),
        rule.entity(side).to_string(),
        link.id(side).cloned().unwrap_or_default(),
        cause.to_owned(),
        advice,
        true,
        cx.now,
    );
    incident::open_pair(cx, row, &rule.name, &link)
}

/// What a waiting link needs, for tests of the invariant that everything unfinished names its waker.
pub(super) fn needs_partner(need: &Need) -> bool {
    matches!(need, Need::Partner { .. })
}
