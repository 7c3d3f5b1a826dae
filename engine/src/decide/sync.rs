//! Three-way merge per field with a stored base (SYNC-MODEL.md section 3), and what is written from it.
//!
//! Always true: nothing is planned for a link while a write of it is in flight; a plan is made anew from
//! (base, left, right) when the lane opens, so what goes out is never older than what is known then.

use std::collections::BTreeMap;

use connectors::port::{Answer, Input, LinkChange, Observed, Refusal};
use dsl::ast::Priority;
use dsl::eval::{Fault, canonical, eval, written};
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Policy, Side};
use dsl::schema::{EntityName, Type};
use dsl::value::{Moment, Span, Value};

use super::context::{Context, Task};
use super::identity::{self, Rule};
use super::observe::{How, observe};
use super::reads::{self, Need};
use super::rows::{LinkRow, LinkState, Owner, SeenValue, TimerRow, Waiter, Written, slot};
use super::scope::{Stop, Variables, bad};
use super::{Event, Lane, LaneKind, incident};
use crate::ids::LinkId;
use crate::ledger::Error;

/// How often a written value may come back as something else before the field waits for a person.
const UNSTABLE: u8 = 2;

/// What a merge leads to.
#[derive(Debug, Default)]
struct Plan {
    writes: [Vec<Written>; 2],
    base: Vec<(String, Value)>,
    park: Vec<(String, String)>,
    needs: Vec<Need>,
    events: Vec<(Side, Event)>,
    leave_out: bool,
    fault: Option<String>,
}

/// One side's value of a mapping.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    value: Value,
    changed: Option<Moment>,
    before: Option<Moment>,
}

enum Got {
    Value(Held),
    /// The line says: leave the target alone.
    Keep,
    /// The line says: leave the record out.
    Skip,
}

/// Merges a link whose two records are known.
pub(super) fn merge(cx: &mut Context<'_>, id: LinkId, mut link: LinkRow, rule: &Rule) -> Result<(), Error> {
    if let LinkState::Parked(_) = link.state {
        // Whatever parked it may have been mended; if not, it is parked again for the same cause.
        link.state = LinkState::Linked;
    }
    let plan = match plan(cx, &link, rule)? {
        Ok(plan) => plan,
        Err(need) => {
            identity::store(cx, id, &link);
            return reads::need(cx, &need, Waiter::Link(id), rule.priority);
        }
    };
    if let Some(fault) = plan.fault {
        withdraw(cx, &mut link);
        park(cx, id, &mut link, rule, fault)?;
        identity::store(cx, id, &link);
        return Ok(());
    }
    for need in &plan.needs {
        reads::need(cx, need, Waiter::Link(id), rule.priority)?;
    }
    link.state = if plan.leave_out { LinkState::LeftOut } else { LinkState::Linked };
    if plan.leave_out {
        withdraw(cx, &mut link);
        incident::settle(cx, &format!("link {id}"))?;
        identity::store(cx, id, &link);
        return Ok(());
    }
    for (mapping, value) in plan.base {
        link.base.insert(mapping, value);
    }
    let mut parked: BTreeMap<String, String> = link
        .unstable
        .iter()
        .filter(|(_, n)| **n >= UNSTABLE)
        .filter_map(|(m, _)| link.parked.get_key_value(m))
        .map(|(m, w)| (m.clone(), w.clone()))
        .collect();
    parked.extend(plan.park.iter().cloned());
    if parked.is_empty() {
        incident::settle(cx, &format!("link {id}"))?;
    } else if link.parked != parked {
        let cause = parked.iter().map(|(m, why)| format!("{m}: {why}")).collect::<Vec<_>>().join("; ");
        open_incident(cx, id, &link, rule, cause, "settle it with `engine resolve`, or change one of the two values")?;
    }
    link.parked = parked;
    for (side, mut event) in plan.events {
        // Once per displaced value: while its write is queued, the same plan comes up again and again.
        if link.queued[slot(side)].is_none() {
            event.subject = id.to_string();
            cx.log(event);
        }
    }
    for side in [Side::Left, Side::Right] {
        if plan.writes[slot(side)].is_empty() {
            if let Some(key) = link.queued[slot(side)].take() {
                cx.delete(key);
            }
        } else if link.queued[slot(side)].is_none() {
            let entity = rule.entity(side);
            let lane = Lane {
                system: entity.system.clone(),
                bulk: link.bulk,
                kind: LaneKind::Update { entity: entity.entity.clone() },
            };
            let deadline = cx.now.plus(hold(cx, rule, link.bulk));
            link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
        }
    }
    if link.queued == [None, None] {
        link.bulk = false;
    }
    identity::store(cx, id, &link);
    Ok(())
}

/// The values on which both sides of a pair agree, by the mapping's text.
pub(super) fn agreed(cx: &Context<'_>, link: &LinkRow, rule: &Rule) -> Result<BTreeMap<String, Value>, Error> {
    let mut base = BTreeMap::new();
    for mapping in rule.fields.iter().filter(|mapping| !mapping.on_create) {
        let mut sides = [Side::Left, Side::Right].map(|side| side_value(cx, link, rule, mapping, side)).into_iter();
        match (sides.next(), sides.next()) {
            (Some(Err(Stop::Ledger(error))), _) | (_, Some(Err(Stop::Ledger(error)))) => return Err(error),
            (Some(Ok(Got::Value(left))), Some(Ok(Got::Value(right)))) if left.value == right.value => {
                base.insert(mapping.text.clone(), left.value);
            }
            // What is not known, not understood or not the same has no base: it is as at a first link.
            _ => {}
        }
    }
    Ok(base)
}

/// How long a write may wait for company: real-time work a moment, scheduled work longer.
fn hold(cx: &Context<'_>, rule: &Rule, bulk: bool) -> Span {
    match (bulk, rule.priority) {
        (true, _) => cx.knobs.hold_bulk,
        (false, Priority::High) => cx.knobs.hold,
        (false, _) => Span(cx.knobs.hold.0 * 3 / 2),
    }
}

/// Queues the making of the record on `side`.
pub(super) fn queue_create(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
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
    let deadline = cx.now.plus(hold(cx, rule, link.bulk));
    link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
    Ok(())
}

/// Takes back what is queued for a link.
pub(super) fn withdraw(cx: &mut Context<'_>, link: &mut LinkRow) {
    for key in link.queued.iter_mut().filter_map(Option::take) {
        cx.delete(key);
    }
}

/// The link waits for a person.
pub(super) fn park(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
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

fn open_incident(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &LinkRow,
    rule: &Rule,
    cause: String,
    advice: &str,
) -> Result<(), Error> {
    let side = if link.right.is_some() && link.left.is_none() { Side::Right } else { Side::Left };
    let row = incident::row(
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
    incident::open(cx, row, &rule.name)
}

fn plan(cx: &Context<'_>, link: &LinkRow, rule: &Rule) -> Result<Result<Plan, Need>, Error> {
    let mut plan = Plan::default();
    match identity::takes_part(cx, rule, link) {
        Ok(true) => {}
        Ok(false) => {
            plan.leave_out = true;
            return Ok(Ok(plan));
        }
        Err(Stop::Need(need)) => return Ok(Err(need)),
        Err(Stop::Fault(fault)) => {
            plan.fault = Some(fault.to_string());
            return Ok(Ok(plan));
        }
        Err(Stop::Ledger(error)) => return Err(error),
    }
    for mapping in &rule.fields {
        if mapping.on_create {
            continue;
        }
        match merge_field(cx, link, rule, mapping, &mut plan) {
            Ok(()) => {}
            Err(Stop::Need(need)) if identity::needs_partner(&need) => plan.needs.push(need),
            Err(Stop::Need(need)) => return Ok(Err(need)),
            Err(Stop::Fault(fault)) => {
                if mapping.on_empty == Outcome::Fail
                    || matches!(fault, Fault::Unspelled { .. })
                    || fault.to_string().contains("which no row of")
                {
                    plan.fault = Some(format!("{}: {fault}", mapping.text));
                    return Ok(Ok(plan));
                }
                plan.park.push((mapping.text.clone(), fault.to_string()));
            }
            Err(Stop::Ledger(error)) => return Err(error),
        }
    }
    Ok(Ok(plan))
}

fn merge_field(cx: &Context<'_>, link: &LinkRow, rule: &Rule, mapping: &Mapping, plan: &mut Plan) -> Result<(), Stop> {
    if link.unstable.get(&mapping.text).is_some_and(|n| *n >= UNSTABLE) {
        return Ok(());
    }
    let mut held = Vec::with_capacity(2);
    for side in [Side::Left, Side::Right] {
        match side_value(cx, link, rule, mapping, side)? {
            Got::Value(value) => held.push(value),
            Got::Keep => return Ok(()),
            Got::Skip => {
                plan.leave_out = true;
                return Ok(());
            }
        }
    }
    let right = held.pop().expect("two sides were read");
    let left = held.pop().expect("two sides were read");
    let base = link.base.get(&mapping.text);
    let target = match (mapping.direction, decide_field(cx, mapping, base, &left, &right)) {
        (_, Decision::Same(value)) => {
            if base != Some(&value) {
                plan.base.push((mapping.text.clone(), value));
            }
            return Ok(());
        }
        (_, Decision::Review) => {
            let why = format!(
                "both changed: `{}` in {}, `{}` in {}",
                left.value, rule.left.system, right.value, rule.right.system
            );
            plan.park.push((mapping.text.clone(), why));
            return Ok(());
        }
        (_, Decision::Write(side)) => side,
    };
    let (source, displaced) = match target {
        Side::Right => (&left, &right),
        Side::Left => (&right, &left),
    };
    let write = match writing(cx, link, rule, mapping, target, &source.value)? {
        Some(write) => write,
        None => return Ok(()),
    };
    let overwrites = match base {
        Some(base) => displaced.value != *base,
        None => !displaced.value.is_empty(),
    };
    if overwrites && !mapping.implicit {
        let action = match (mapping.direction, base) {
            (_, None) => "first link",
            (Direction::Both, Some(_)) => "conflict",
            (_, Some(_)) => "drift",
        };
        // Planned again when the lane opens; the history keeps one line per displaced value, written then.
        plan.events.push((
            target,
            Event {
                at: cx.now,
                action: action.to_owned(),
                rule: rule.name.clone(),
                place: mapping.place.to_string(),
                entity: rule.entity(target).to_string(),
                left: link.left.clone(),
                right: link.right.clone(),
                field: Some(write.field.clone()),
                subject: String::new(),
                value: Some(source.value.to_string()),
                displaced: Some(displaced.value.to_string()),
                detail: format!("{} is written over in {}", mapping.text, rule.entity(target).system),
            },
        ));
    }
    plan.writes[slot(target)].push(write);
    Ok(())
}

enum Decision {
    /// Nothing to write; this is the common value.
    Same(Value),
    /// Write the other side's value to this side.
    Write(Side),
    /// A person decides.
    Review,
}

fn decide_field(cx: &Context<'_>, mapping: &Mapping, base: Option<&Value>, left: &Held, right: &Held) -> Decision {
    if left.value == right.value {
        return Decision::Same(left.value.clone());
    }
    match mapping.direction {
        Direction::ToRight => return Decision::Write(Side::Right),
        Direction::ToLeft => return Decision::Write(Side::Left),
        Direction::Both => {}
    }
    let empty = Value::Empty;
    let base = base.unwrap_or(&empty);
    match (left.value != *base, right.value != *base) {
        (true, false) => Decision::Write(Side::Right),
        (false, true) => Decision::Write(Side::Left),
        // Both differ from the base; that neither does is impossible, since they differ from each other.
        _ => match mapping.policy {
            Policy::Wins(side) => Decision::Write(side.other()),
            Policy::Review => Decision::Review,
            Policy::Newest { tie } => Decision::Write(newest(cx, left, right).unwrap_or(tie).other()),
        },
    }
}

/// The side whose outside change is later; `None` where the order is unknown or inside the skew guard.
fn newest(cx: &Context<'_>, left: &Held, right: &Held) -> Option<Side> {
    let (l, r) = (left.changed?, right.changed?);
    let (later, side, before) = if l >= r { (l, Side::Left, left.before) } else { (r, Side::Right, right.before) };
    let earlier = l.min(r);
    // A change lies between two observations of its record: if the other side's time lies between too, the
    // order is unknown.
    let between = before.is_some_and(|before| earlier > before) && later.since(earlier).0 < cx.knobs.clock_skew.0;
    if later.since(earlier).0 <= cx.knobs.clock_skew.0 || between { None } else { Some(side) }
}

fn source_of(mapping: &Mapping) -> Option<Side> {
    match mapping.direction {
        Direction::Both => None,
        Direction::ToRight => Some(Side::Left),
        Direction::ToLeft => Some(Side::Right),
    }
}

fn side_value(cx: &Context<'_>, link: &LinkRow, rule: &Rule, mapping: &Mapping, side: Side) -> Result<Got, Stop> {
    let is_source = source_of(mapping) == Some(side);
    let held = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            let field = if side == Side::Left { left } else { right };
            field_value(cx, link, rule, mapping, side, field)?
        }
        MappingKind::Computed { source, target } if is_source => {
            let vars = identity::variables(rule, link);
            let scope =
                Variables { cx, program: &rule.program, vars: &vars, fresh: Moment(i64::MIN), cacheable: false };
            let value = eval(&rule.program, source, &scope)?;
            let _ = target;
            Held {
                value: canonical(&rule.program, rule, mapping, side, &value).map_err(Stop::Fault)?,
                changed: None,
                before: None,
            }
        }
        MappingKind::Computed { target, .. } => field_value(cx, link, rule, mapping, side, target)?,
        MappingKind::Link { left, right, via, straight } => {
            let path = if side == Side::Left { left } else { right };
            match link_value(cx, link, rule, side, path, *via, *straight) {
                Ok(held) => held,
                Err(Stop::Need(need))
                    if identity::needs_partner(&need) && source_of(mapping).is_none_or(|s| s == side) =>
                {
                    match mapping.on_empty {
                        Outcome::Clear if source_of(mapping).is_some() => {
                            Held { value: Value::Empty, changed: None, before: None }
                        }
                        Outcome::Keep => return Ok(Got::Keep),
                        Outcome::Skip => return Ok(Got::Skip),
                        _ => return Err(Stop::Need(need)),
                    }
                }
                // The target links to something that has no partner: a link that is not ours to judge.
                Err(Stop::Need(need)) if identity::needs_partner(&need) => {
                    Held { value: Value::Text("?".to_owned()), changed: None, before: None }
                }
                Err(stop) => return Err(stop),
            }
        }
    };
    if is_source && held.value.is_empty() {
        match mapping.on_empty {
            Outcome::Clear => {}
            Outcome::Keep => return Ok(Got::Keep),
            Outcome::Skip => return Ok(Got::Skip),
            Outcome::Fail => {
                return Err(Stop::Fault(Fault::Arithmetic(
                    "there is no value, and the line says `else fail`".to_owned(),
                )));
            }
            Outcome::Never if matches!(mapping.kind, MappingKind::Link { .. }) => {}
            Outcome::Never => return Ok(Got::Keep),
        }
    }
    Ok(Got::Value(held))
}

fn field_value(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &Rule,
    mapping: &Mapping,
    side: Side,
    field: &str,
) -> Result<Held, Stop> {
    let entity = rule.entity(side);
    let Some(id) = link.id(side) else {
        return Ok(Held { value: Value::Empty, changed: None, before: None });
    };
    if field == "id" {
        return Ok(Held { value: Value::Text(id.clone()), changed: None, before: None });
    }
    let row = cx.record(entity, id)?;
    let complete = row.as_ref().is_some_and(|row| row.complete_at.is_some());
    match row.as_ref().and_then(|row| row.fields.get(field)) {
        Some(seen) => {
            let value = match &seen.value {
                SeenValue::Is(value) => value,
                SeenValue::Bad(found, why) => return Err(Stop::Fault(bad(entity, field, found, why))),
            };
            let value = canonical(&rule.program, rule, mapping, side, value).map_err(Stop::Fault)?;
            Ok(Held { value, changed: Some(seen.changed), before: seen.before })
        }
        None if complete => Ok(Held { value: Value::Empty, changed: None, before: None }),
        None => Err(unknown(entity, id)),
    }
}

fn unknown(entity: &EntityName, id: &str) -> Stop {
    Stop::Need(Need::Record {
        entity: entity.clone(),
        by: "id".to_owned(),
        value: id.to_owned(),
        not_before: Moment(i64::MIN),
        cacheable: false,
    })
}

/// The link's value in the domain in which links compare: the pair that its record belongs to.
fn link_value(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &Rule,
    side: Side,
    path: &[String],
    via: usize,
    straight: bool,
) -> Result<Held, Stop> {
    let nothing = Held { value: Value::Empty, changed: None, before: None };
    let mut entity = rule.entity(side).clone();
    let Some(mut id) = link.id(side).cloned() else { return Ok(nothing) };
    let mut changed = None;
    let mut before = None;
    for name in path {
        let Some(row) = cx.record(&entity, &id)? else { return Err(unknown(&entity, &id)) };
        match row.links.get(name) {
            Some(seen) => {
                changed = Some(seen.changed);
                before = seen.before;
                match &seen.id {
                    Some(target) => {
                        let to = rule.program.entity(&entity).and_then(|e| e.links.get(name)).map(|l| l.to.clone());
                        entity = EntityName::new(&entity.system, to.unwrap_or_default());
                        id = target.clone();
                    }
                    None => return Ok(Held { value: Value::Empty, changed, before }),
                }
            }
            None if row.complete_at.is_some() => return Ok(nothing),
            None => return Err(unknown(&entity, &id)),
        }
    }
    let via_side = if straight == (side == Side::Left) { Side::Left } else { Side::Right };
    let via = &rule.program.syncs[via];
    match reads::partner(cx, &via.name, via_side, &id)? {
        Some((pair, _)) => Ok(Held { value: Value::Text(pair.to_string()), changed, before }),
        None => Err(Stop::Need(Need::Partner { sync: via.name.clone(), side: via_side, id })),
    }
}

/// What is written to `side` so that it holds `value`; `None` where that side cannot hold it.
fn writing(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &Rule,
    mapping: &Mapping,
    side: Side,
    value: &Value,
) -> Result<Option<Written>, Stop> {
    let _ = link;
    let (field, raw, is_link) = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            let field = if side == Side::Left { left } else { right };
            (field.clone(), written(&rule.program, rule, mapping, side, value).map_err(Stop::Fault)?, false)
        }
        MappingKind::Computed { target, .. } => {
            (target.clone(), written(&rule.program, rule, mapping, side, value).map_err(Stop::Fault)?, false)
        }
        MappingKind::Link { left, right, straight, .. } => {
            let path = if side == Side::Left { left } else { right };
            let Some(name) = path.last() else { return Ok(None) };
            let id = match value {
                Value::Text(pair) => {
                    let number: u64 = pair.trim_start_matches('l').parse().unwrap_or_default();
                    let row = identity::load(cx, LinkId(number))?;
                    let via_side = if *straight == (side == Side::Left) { Side::Left } else { Side::Right };
                    row.id(via_side).cloned().map_or(Value::Empty, Value::Text)
                }
                _ => Value::Empty,
            };
            (name.clone(), id, true)
        }
    };
    if raw.is_empty() && !is_link {
        let optional = rule.program.field(rule.entity(side), &field).is_none_or(|f| f.optional);
        if !optional && mapping.direction == Direction::Both {
            return Ok(None);
        }
    }
    Ok(Some(Written { mapping: mapping.text.clone(), canonical: value.clone(), field, value: raw, link: is_link }))
}

/// What a link sends, when its lane opens; `None` where nothing is left to send.
pub(super) fn input(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
) -> Result<Option<(Input, Vec<Written>)>, Error> {
    let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))? else { return Ok(None) };
    let Some(rule) = identity::rule(cx, &link) else { return Ok(None) };
    link.queued[slot(side)] = None;
    let key = format!("{}-{id}", cx.ledger()?);
    let made = match &lane.kind {
        LaneKind::Delete { .. } => {
            let input = link.id(side).map(|record| Input { key, id: Some(record.clone()), ..Input::default() });
            identity::store(cx, id, &link);
            return Ok(input.map(|input| (input, Vec::new())));
        }
        LaneKind::Create { .. } if link.state == LinkState::Creating(side) => {
            compose(cx, &mut link, &rule, id, side, key)?
        }
        LaneKind::Update { .. } if link.id(side).is_some() && link.flight == [None, None] => {
            change(cx, &link, &rule, side, key)?
        }
        _ => Ok(None),
    };
    match made {
        Ok(made) => {
            identity::store(cx, id, &link);
            Ok(made)
        }
        Err(need) => {
            identity::store(cx, id, &link);
            if identity::needs_partner(&need) {
                cx.arm(cx.now.plus(Span::minutes(15)), &TimerRow::Overdue(id))?;
            }
            reads::need(cx, &need, Waiter::Link(id), rule.priority)?;
            Ok(None)
        }
    }
}

type Made = Result<Option<(Input, Vec<Written>)>, Need>;

fn change(cx: &mut Context<'_>, link: &LinkRow, rule: &Rule, side: Side, key: String) -> Result<Made, Error> {
    let mut plan = match plan(cx, link, rule)? {
        Ok(plan) => plan,
        Err(need) => return Ok(Err(need)),
    };
    let writes = std::mem::take(&mut plan.writes[slot(side)]);
    if writes.is_empty() || plan.leave_out || plan.fault.is_some() {
        return Ok(Ok(None));
    }
    let entity = rule.entity(side);
    let record = link.id(side).cloned().unwrap_or_default();
    let row = cx.record(entity, &record)?.unwrap_or_default();
    let number = cx.next()?;
    let mut input = Input { key: format!("{key}-u{number}"), id: Some(record), ..Input::default() };
    for write in &writes {
        if write.link {
            let now = row.links.get(&write.field).and_then(|l| l.id.clone());
            // Only links the engine made are ever removed.
            let ours = link.base.get(&write.mapping).is_some_and(|base| !base.is_empty());
            let add = write.value.as_text().map(str::to_owned);
            let to_one = entity.system != "crm" || ours;
            input.links.insert(write.field.clone(), LinkChange { remove: now.filter(|_| to_one && ours), add });
        } else {
            input
                .values
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, entity, &write.field, &write.value));
        }
    }
    Ok(Ok(Some((input, writes))))
}

/// The whole new record for `side`.
fn compose(
    cx: &mut Context<'_>,
    link: &mut LinkRow,
    rule: &Rule,
    id: LinkId,
    side: Side,
    key: String,
) -> Result<Made, Error> {
    let entity = rule.entity(side).clone();
    let source = side.other();
    let mut writes = Vec::new();
    let outcome = (|| -> Result<bool, Stop> {
        if !identity::takes_part(cx, rule, link)? {
            return Ok(false);
        }
        for mapping in &rule.fields {
            if !mapping.direction.writes(side) {
                continue;
            }
            match side_value(cx, link, rule, mapping, source)? {
                Got::Value(held) if held.value.is_empty() => {}
                Got::Value(held) => writes.extend(writing(cx, link, rule, mapping, side, &held.value)?),
                Got::Keep => {}
                Got::Skip => return Ok(false),
            }
        }
        Ok(true)
    })();
    match outcome {
        Ok(true) => {}
        Ok(false) => {
            link.state = LinkState::LeftOut;
            return Ok(Ok(None));
        }
        Err(Stop::Need(need)) => {
            return Ok(Err(need));
        }
        Err(Stop::Fault(fault)) => {
            park(cx, id, link, rule, fault.to_string())?;
            return Ok(Ok(None));
        }
        Err(Stop::Ledger(error)) => return Err(error),
    }
    let mut input = Input { key: format!("{key}-n{}", link.creates), ..Input::default() };
    for write in &writes {
        if write.link {
            let add = write.value.as_text().map(str::to_owned);
            input.links.insert(write.field.clone(), LinkChange { remove: None, add });
        } else if !write.value.is_empty() {
            input
                .values
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, &entity, &write.field, &write.value));
        }
    }
    // Records without a natural key carry our own, so that a create whose answer was lost can be found again.
    if own_key(rule, &entity) {
        input.values.insert("engine_link_id".to_owned(), format!("{}-{id}", cx.ledger()?).into());
    }
    Ok(Ok(Some((input, writes))))
}

/// The entity has `engine_link_id`, and no unique field that this sync writes can find a lost create again.
fn own_key(rule: &Rule, entity: &EntityName) -> bool {
    let has = rule.program.field(entity, "engine_link_id").is_some_and(|f| f.ty == Type::Text);
    let side = super::observe::side_of(rule, entity);
    let natural = rule.keys.iter().any(|(left, right)| {
        let field = if side == Some(Side::Left) { left } else { right };
        field != "id" && rule.program.field(entity, field).is_some_and(|f| f.unique)
    });
    has && !natural
}

/// Marks a link's side as in flight.
pub(super) fn sent(cx: &mut Context<'_>, id: LinkId, side: Side, call: crate::ids::CallId) -> Result<(), Error> {
    let mut link = identity::load(cx, id)?;
    link.flight[slot(side)] = Some(call);
    identity::store(cx, id, &link);
    Ok(())
}

/// Takes the answer to a link's write.
pub(super) fn answered(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
    writes: &[Written],
    answer: &Answer,
) -> Result<(), Error> {
    let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))? else { return Ok(()) };
    let Some(rule) = identity::rule(cx, &link) else { return Ok(()) };
    link.flight[slot(side)] = None;
    link.alone = matches!(answer, Answer::Split);
    let entity = rule.entity(side).clone();
    match answer {
        Answer::Record(observed) => {
            link.attempts = 0;
            link.not_before = None;
            let creating = matches!(lane.kind, LaneKind::Create { .. });
            let record = observed.id.clone();
            let asked = link.id(side).cloned();
            let told = acknowledged(&rule, &entity, writes, observed);
            if creating {
                link.creates += 1;
                if link.id(side).is_none() {
                    identity::store(cx, id, &link);
                    identity::pair(cx, id, &mut link, &rule, side, record.clone())?;
                }
            }
            for write in writes {
                link.base.insert(write.mapping.clone(), write.canonical.clone());
            }
            identity::store(cx, id, &link);
            observe(cx, &entity, &told, if creating { How::Made } else { How::Changed }, cx.now)?;
            if !creating && asked.as_deref() != Some(record.as_str()) {
                observe_merge(cx, &entity, &record, asked.as_deref())?;
            }
            let mut link = identity::load(cx, id)?;
            check_stable(cx, &mut link, &rule, &entity, &record, side, writes)?;
            identity::store(cx, id, &link);
            let fields = writes.iter().map(|w| w.field.as_str()).collect::<Vec<_>>().join(", ");
            let action = if creating { "create" } else { "update" };
            cx.log(Event {
                at: cx.now,
                action: action.to_owned(),
                rule: rule.name.clone(),
                place: rule.place.to_string(),
                entity: entity.to_string(),
                left: link.left.clone(),
                right: link.right.clone(),
                field: Some(fields),
                subject: id.to_string(),
                value: Some(printed(writes)),
                displaced: None,
                detail: String::new(),
            });
        }
        Answer::Done => {
            identity::log(cx, id, &link, "archive", format!("archived in {}", entity.system));
            identity::store(cx, id, &link);
        }
        Answer::Missing => {
            if let Some(record) = link.id(side).cloned() {
                identity::store(cx, id, &link);
                return super::observe::deleted(cx, &entity, &record, cx.now, false);
            }
            identity::store(cx, id, &link);
        }
        Answer::Refused { reason, refusal: Refusal::Exists(existing) } => {
            adopt(cx, id, &mut link, &rule, side, existing.as_deref(), reason, writes)?;
            identity::store(cx, id, &link);
        }
        Answer::Refused { reason, refusal } => {
            let why = match refusal {
                Refusal::Invalid(Some(field)) => format!("{} refuses `{field}`: {reason}", entity.system),
                _ => format!("{} refuses: {reason}", entity.system),
            };
            park(cx, id, &mut link, &rule, why)?;
            identity::store(cx, id, &link);
            return Ok(());
        }
        Answer::Unknown { cause } => {
            identity::log(
                cx,
                id,
                &link,
                "in doubt",
                format!("{}: {cause}; read back before anything is sent again", entity.system),
            );
            identity::store(cx, id, &link);
            return in_doubt(cx, id, link, &rule, side, writes);
        }
        Answer::Retry { after, .. } | Answer::RateLimited { after, .. } => {
            let limited = matches!(answer, Answer::RateLimited { .. });
            if !limited {
                link.attempts += 1;
            }
            let pause = after.map_or_else(
                || {
                    if limited {
                        Span(0)
                    } else {
                        super::backoff(link.attempts.into(), Span::seconds(1), Span::minutes(15), &id.to_string())
                    }
                },
                |d| Span(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            );
            if pause.0 > 0 {
                let at = cx.now.plus(pause);
                link.not_before = Some(at);
                cx.arm(at, &TimerRow::Link(id))?;
            }
            if link.attempts == 20 {
                open_incident(
                    cx,
                    id,
                    &link,
                    &rule,
                    format!("{} cannot be reached: {answer:?}", entity.system),
                    "it is tried again by itself",
                )?;
            }
            identity::store(cx, id, &link);
        }
        Answer::Page { .. } | Answer::Result(_) | Answer::Split => {
            identity::store(cx, id, &link);
        }
    }
    cx.task(Task::Link(id));
    Ok(())
}

fn printed(writes: &[Written]) -> String {
    let mut text: String = writes.iter().map(|w| format!("{} = {}", w.field, w.value)).collect::<Vec<_>>().join(", ");
    if text.len() > 400 {
        let cut = (0..=400).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What an answer says of the record, with what was sent where the answer is silent about it.
fn acknowledged(rule: &Rule, entity: &EntityName, writes: &[Written], observed: &Observed) -> Observed {
    let mut told = observed.clone();
    for write in writes {
        if write.link {
            told.links.entry(write.field.clone()).or_insert_with(|| write.value.as_text().map(str::to_owned));
        } else if !told.fields.contains_key(&write.field) {
            told.fields
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, entity, &write.field, &write.value));
        }
    }
    told
}

fn observe_merge(cx: &mut Context<'_>, entity: &EntityName, into: &str, gone: Option<&str>) -> Result<(), Error> {
    match gone {
        Some(gone) => super::observe::merged(cx, entity, into, gone, cx.now),
        None => Ok(()),
    }
}

/// Law L1: what was written reads back as the same. A field that breaks it twice waits for a person.
fn check_stable(
    cx: &mut Context<'_>,
    link: &mut LinkRow,
    rule: &Rule,
    entity: &EntityName,
    record: &str,
    side: Side,
    writes: &[Written],
) -> Result<(), Error> {
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes.iter().filter(|w| !w.link) {
        let Some(mapping) = rule.fields.iter().find(|m| m.text == write.mapping) else { continue };
        let Some(seen) = row.fields.get(&write.field) else { continue };
        let SeenValue::Is(value) = &seen.value else { continue };
        let same = canonical(&rule.program, rule, mapping, side, value).is_ok_and(|held| held == write.canonical);
        if same {
            link.unstable.remove(&write.mapping);
        } else if seen.at <= cx.now {
            let count = link.unstable.entry(write.mapping.clone()).or_insert(0);
            *count += 1;
            if *count >= UNSTABLE {
                let why = format!("{} keeps `{value}` instead of `{}`", entity.system, write.value);
                link.parked.insert(write.mapping.clone(), why);
            }
        }
    }
    Ok(())
}

/// The record exists already: it is the one we meant, and its values are looked at before anything is written.
fn adopt(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    side: Side,
    existing: Option<&str>,
    reason: &str,
    writes: &[Written],
) -> Result<(), Error> {
    let entity = rule.entity(side).clone();
    if link.id(side).is_some() {
        // An update that would take another record's key.
        return park(cx, id, link, rule, format!("{} refuses: {reason}", entity.system));
    }
    match existing {
        Some(existing) => {
            if let Some(holder) = cx.get::<LinkId>(&identity::link_of(&rule.name, side, existing))?
                && holder != id
            {
                let why = format!(
                    "{} has this record as {existing} already, and it is paired with another one",
                    entity.system
                );
                return park(cx, id, link, rule, why);
            }
            identity::log(cx, id, link, "adopt", format!("{} had the record already: {existing}", entity.system));
            identity::pair(cx, id, link, rule, side, existing.to_owned())?;
            identity::store(cx, id, link);
            reads::need(
                cx,
                &Need::Record {
                    entity,
                    by: "id".to_owned(),
                    value: existing.to_owned(),
                    not_before: cx.now,
                    cacheable: false,
                },
                Waiter::Link(id),
                rule.priority,
            )
        }
        None => {
            // It exists, but the system does not say where: the key finds it.
            link.state = LinkState::Looking;
            link.since = cx.now.plus(Span(1));
            link.attempts += 1;
            let _ = writes;
            if link.attempts > 5 {
                return park(cx, id, link, rule, format!("{} refuses: {reason}", entity.system));
            }
            Ok(())
        }
    }
}

/// It may or may not have happened: read first.
fn in_doubt(
    cx: &mut Context<'_>,
    id: LinkId,
    mut link: LinkRow,
    rule: &Rule,
    side: Side,
    writes: &[Written],
) -> Result<(), Error> {
    let entity = rule.entity(side).clone();
    let _ = writes;
    let need = match link.id(side).cloned() {
        Some(record) => {
            // Everything about it is doubtful until it is read.
            if let Some(mut row) = cx.record(&entity, &record)? {
                row.complete_at = None;
                cx.put(super::observe::key(&entity, &record), &row);
            }
            // Nothing is sent until the read has come; the timer only guards against a read that never does.
            let guard = cx.now.plus(Span::minutes(1));
            link.not_before = Some(guard);
            cx.arm(guard, &TimerRow::Link(id))?;
            Need::Record { entity, by: "id".to_owned(), value: record, not_before: cx.now, cacheable: false }
        }
        None if own_key(rule, &entity) => {
            let value = format!("{}-{id}", cx.ledger()?);
            link.state = LinkState::Looking;
            link.since = cx.now;
            Need::Record { entity, by: "engine_link_id".to_owned(), value, not_before: cx.now, cacheable: false }
        }
        None => {
            // A unique key finds it; what was read before the doubt does not count.
            link.state = LinkState::Looking;
            link.since = cx.now.plus(Span(1));
            link.attempts += 1;
            let pause = super::backoff(link.attempts.into(), Span(200), Span::minutes(5), &id.to_string());
            link.not_before = Some(cx.now.plus(pause));
            cx.arm(cx.now.plus(pause), &TimerRow::Link(id))?;
            identity::store(cx, id, &link);
            return Ok(());
        }
    };
    link.attempts += 1;
    identity::store(cx, id, &link);
    reads::need(cx, &need, Waiter::Link(id), rule.priority)
}

/// A point read by our own key has found the record that a lost create made.
pub(super) fn found_own(cx: &mut Context<'_>, entity: &EntityName, value: &str, record: &str) -> Result<(), Error> {
    let ledger = cx.ledger()?;
    let Some(number) = value.strip_prefix(&format!("{ledger}-l")).and_then(|n| n.parse().ok()) else { return Ok(()) };
    let id = LinkId(number);
    let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))? else { return Ok(()) };
    let Some(rule) = identity::rule(cx, &link) else { return Ok(()) };
    let Some(side) = super::observe::side_of(&rule, entity) else { return Ok(()) };
    if link.id(side).is_none() {
        identity::pair(cx, id, &mut link, &rule, side, record.to_owned())?;
        identity::store(cx, id, &link);
    }
    Ok(())
}

/// Would the next write put another value into `field` on the side of `entity`? Then a change of it does not stand.
pub(super) fn overwrites(cx: &Context<'_>, entity: &EntityName, id: &str, field: &str) -> Result<bool, Error> {
    for link_id in super::observe::links_of(cx, entity, id)? {
        let link = identity::load(cx, link_id)?;
        let Some(rule) = identity::rule(cx, &link) else { continue };
        let Some(side) = super::observe::side_of(&rule, entity) else { continue };
        if link.state != LinkState::Linked || link.left.is_none() || link.right.is_none() {
            continue;
        }
        if let Ok(plan) = plan(cx, &link, &rule)?
            && plan.writes[slot(side)].iter().any(|write| write.field == field)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What one side holds of each mapping, as far as it is known.
pub(super) fn values(cx: &Context<'_>, link: &LinkRow, rule: &Rule, side: Side) -> Result<Vec<(String, Value)>, Error> {
    let mut values = Vec::new();
    for mapping in &rule.fields {
        match side_value(cx, link, rule, mapping, side) {
            Ok(Got::Value(held)) => values.push((mapping.text.clone(), held.value)),
            Err(Stop::Ledger(error)) => return Err(error),
            _ => {}
        }
    }
    Ok(values)
}
