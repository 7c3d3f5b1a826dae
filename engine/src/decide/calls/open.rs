//! Fills one request from a lane: the earliest deadlines first, each item as it is now.
//!
//! Always true: an id stands only once in a request, because the second write must see what the first one leads to;
//! all items of a request are of one group.

use std::collections::BTreeSet;

use connectors::port::{Request, Verb};
use dsl::schema::{ChangedAt, EntityName};
use dsl::value::Timestamp;

use crate::decide::calls::owners;
use crate::decide::isolation::{self, Isolated};
use crate::decide::model::instance::Instance;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::outcome::Command;
use crate::decide::model::work::{CallItem, CallRow, Group, WorkRow};
use crate::decide::store::records;
use crate::decide::store::transaction::Context;
use crate::decide::store::work::Composed;
use crate::ids::CallId;
use crate::ledger::Error;

/// A request that is being filled.
struct Filling<'l> {
    lane: &'l Lane,
    /// Its number, once something is composed for it.
    call: Option<CallId>,
    /// How many items it may hold.
    max: usize,
    /// The one that its items are of; it counts once there is one.
    group: Group,
    request: Vec<Composed>,
    items: Vec<CallItem>,
    /// Records that it is about.
    records: BTreeSet<String>,
}

/// What becomes of an item of the lane.
enum Item {
    /// It cannot go with this request; it waits for the next one.
    Stays,
    /// Its owner wants nothing any more.
    Over,
    Goes(Composed),
}

/// Takes up to `max` items out of a lane and sends them as one request.
pub(crate) fn open(cx: &mut Context<'_>, lane: &Lane, max: usize) -> Result<(), Error> {
    let max = if lane.kind.is_paged() { 1 } else { max.max(1) };
    let work = cx.scan(&key::work_of(lane), max.saturating_mul(2).saturating_add(1))?;
    let mut filling = Filling {
        lane,
        call: None,
        max,
        group: Group::default(),
        request: Vec::new(),
        items: Vec::new(),
        records: BTreeSet::new(),
    };
    let mut rest = None;
    for (key, work) in work {
        match next(cx, &mut filling, &work)? {
            Item::Stays => {
                rest.get_or_insert((work.deadline, work.priority));
                continue;
            }
            Item::Over => {}
            Item::Goes(composed) => {
                let written = composed.written.clone();
                filling.items.push(CallItem { owner: work.owner, written, priority: work.priority });
                filling.request.push(composed);
            }
        }
        cx.delete(key);
    }
    if let Some((deadline, priority)) = rest {
        cx.announce(lane.clone(), deadline, priority);
    }
    if let Some(call) = filling.call
        && !filling.request.is_empty()
    {
        send(cx, call, filling);
    }
    Ok(())
}

/// Looks at an item of the lane, and composes it where it may go.
fn next(cx: &mut Context<'_>, filling: &mut Filling<'_>, work: &WorkRow) -> Result<Item, Error> {
    if filling.request.len() >= filling.max {
        return Ok(Item::Stays);
    }
    let instance = Instance::of(&work.owner);
    match isolation::run(cx, &instance, |cx| compose(cx, filling, work))? {
        Isolated::Done(item) => Ok(item),
        Isolated::Broken(why) => {
            isolation::stop(cx, &instance, &why)?;
            Ok(Item::Over)
        }
    }
}

fn compose(cx: &mut Context<'_>, filling: &mut Filling<'_>, work: &WorkRow) -> Result<Item, Error> {
    let owner = owners::of(&work.owner);
    let outlook = owner.outlook(cx, filling.lane)?;
    let early = outlook.failed_before && work.deadline > cx.now;
    let twice = outlook.record.as_ref().is_some_and(|record| filling.records.contains(record));
    let strange = outlook.group != filling.group && !filling.request.is_empty();
    if early || twice || strange {
        return Ok(Item::Stays);
    }
    let call = match filling.call {
        Some(call) => call,
        None => CallId(cx.next()?),
    };
    filling.call = Some(call);
    let Some(composed) = owner.compose(cx, filling.lane, call)? else { return Ok(Item::Over) };
    filling.records.extend(outlook.record);
    filling.group = outlook.group;
    Ok(Item::Goes(composed))
}

fn send(cx: &mut Context<'_>, call: CallId, filling: Filling<'_>) {
    let Filling { lane, request, items, .. } = filling;
    let cacheable = matches!(lane.kind, LaneKind::Read { .. }) && request.iter().all(|item| item.cacheable);
    let verb = verb(cx, lane, request.last().and_then(|item| item.since));
    let request = Request { verb, inputs: request.into_iter().map(|item| item.input).collect() };
    let row = CallRow {
        lane: lane.clone(),
        sent: cx.now,
        request: serde_json::to_vec(&request).expect("a request is plain data"),
        items,
    };
    cx.put(key::call(call), &row);
    cx.command(Command::Call { call, lane: lane.clone(), request, cacheable });
}

fn verb(cx: &Context<'_>, lane: &Lane, since: Option<Timestamp>) -> Verb {
    match &lane.kind {
        LaneKind::Read { entity, by } => {
            let (fields, links) = used(cx, &EntityName::new(&lane.system, entity));
            Verb::Read { entity: entity.clone(), by: by.clone(), fields, links }
        }
        LaneKind::Create { entity } => Verb::Create { entity: entity.clone() },
        LaneKind::Update { entity } => Verb::Update { entity: entity.clone() },
        LaneKind::Delete { entity } => Verb::Delete { entity: entity.clone() },
        LaneKind::List { entity } => {
            let (fields, links) = used(cx, &EntityName::new(&lane.system, entity));
            Verb::List { entity: entity.clone(), fields, links, since }
        }
        LaneKind::Archived { entity } => Verb::Archived { entity: entity.clone() },
        LaneKind::Identify => Verb::Identify,
        LaneKind::Operation { name } => Verb::Operation { name: name.clone() },
    }
}

/// The fields and links of an entity that the rules use, and those by which its records are found.
fn used(cx: &Context<'_>, entity: &EntityName) -> (Vec<String>, Vec<String>) {
    let program = cx.program();
    let used = program.used.get(entity).cloned().unwrap_or_default();
    let mut fields: Vec<String> = used.fields.into_iter().collect();
    let mut also = |field: &String| {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    };
    if let Some(lock) = program.entity(entity) {
        if let ChangedAt::Field(at) = &lock.changed_at {
            also(at);
        }
        // Fields that find records must come back with them.
        for field in lock.fields.keys().filter(|field| *field != "id" && records::is_indexed(&program, entity, field)) {
            also(field);
        }
    }
    (fields, used.links.into_iter().collect())
}
