//! Fills one request from a lane: the earliest deadlines first, each item as it is now.

use connectors::port::{Input, Request, Verb};
use dsl::value::Timestamp;

use crate::decide::isolation::{self, Isolated};
use crate::decide::links::write;
use crate::decide::model::instance::Instance;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::slot;
use crate::decide::model::outcome::Command;
use crate::decide::model::row::RowKey;
use crate::decide::model::work::{CallItem, CallRow, Owner, WorkRow};
use crate::decide::model::written::Written;
use crate::decide::runs::effect;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records, runs};
use crate::ids::CallId;
use crate::ledger::Error;

/// Takes up to `max` items out of a lane and sends them as one request.
pub(crate) fn open(cx: &mut Context<'_>, lane: &Lane, max: usize) -> Result<(), Error> {
    let prefix = key::work_of(lane);
    let mut inputs: Vec<Input> = Vec::new();
    let mut items: Vec<CallItem> = Vec::new();
    let mut cacheable = true;
    let mut since = None;
    let alone = matches!(lane.kind, LaneKind::List { .. });
    let mut max = if alone { 1 } else { max.max(1) };
    let mut left = 0usize;
    let mut rest = None;
    for (key, work) in cx.scan(&prefix, max.saturating_mul(2).saturating_add(1))? {
        if inputs.len() >= max || (work.deadline > cx.now && failed_before(cx, &work)?) {
            left += 1;
            rest.get_or_insert((work.deadline, work.priority));
            continue;
        }
        // An id may stand only once in a request; the second write waits for the next one.
        let instance = Instance::of(&work.owner);
        let item = match isolation::run(cx, &instance, |cx| compose(cx, lane, &work))? {
            Isolated::Done(item) => item,
            Isolated::Broken(why) => {
                isolation::stop(cx, &instance, &why)?;
                None
            }
        };
        let Some(Composed { input, written, cacheable: may, since: from }) = item else {
            cx.delete(key);
            continue;
        };
        let item = CallItem { owner: work.owner, written, priority: work.priority };
        let twice = input.id.is_some() && !alone && inputs.iter().any(|other| other.id == input.id);
        let solo = goes_alone(cx, &item.owner)?;
        if twice || (solo && !inputs.is_empty()) {
            left += 1;
            rest.get_or_insert((work.deadline, work.priority));
            restore(cx, &key, &item.owner)?;
            continue;
        }
        cx.delete(key);
        cacheable &= may;
        since = from;
        inputs.push(input);
        items.push(item);
        if solo {
            max = 1;
        }
    }
    if left > 0
        && let Some((deadline, priority)) = rest
    {
        cx.announce(lane.clone(), deadline, priority);
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let call = CallId(cx.next()?);
    for item in &items {
        match &item.owner {
            Owner::Link(id, side) => write::sent(cx, *id, *side, call)?,
            Owner::Read(entity, by, value) => {
                let key = key::read(entity, by, value);
                if let Some(mut row) = cx.get(&key)? {
                    row.in_flight = Some(call);
                    cx.put(key, &row);
                }
            }
            Owner::Run(_) | Owner::Listing(_) => {}
        }
    }
    let program = cx.program();
    let used = |entity: &str| {
        let name = dsl::schema::EntityName::new(&lane.system, entity);
        let used = program.used.get(&name).cloned().unwrap_or_default();
        let mut fields: Vec<String> = used.fields.into_iter().collect();
        if let Some(dsl::schema::ChangedAt::Field(at)) = program.entity(&name).map(|e| &e.changed_at)
            && !fields.contains(at)
        {
            fields.push(at.clone());
        }
        // Fields that find records must come back with them.
        if let Some(lock) = program.entity(&name) {
            for (field, _) in lock.fields.iter().filter(|(f, _)| records::is_indexed(&program, &name, f)) {
                if field != "id" && !fields.contains(field) {
                    fields.push(field.clone());
                }
            }
        }
        (fields, used.links.into_iter().collect::<Vec<_>>())
    };
    let verb = match &lane.kind {
        LaneKind::Read { entity, by } => {
            let (fields, links) = used(entity);
            Verb::Read { entity: entity.clone(), by: by.clone(), fields, links }
        }
        LaneKind::Create { entity } => Verb::Create { entity: entity.clone() },
        LaneKind::Update { entity } => Verb::Update { entity: entity.clone() },
        LaneKind::Delete { entity } => Verb::Delete { entity: entity.clone() },
        LaneKind::List { entity } => {
            let (fields, links) = used(entity);
            Verb::List { entity: entity.clone(), fields, links, since }
        }
        LaneKind::Operation { name } => Verb::Operation { name: name.clone() },
    };
    let request = Request { verb, inputs };
    let row = CallRow {
        lane: lane.clone(),
        sent: cx.now,
        request: serde_json::to_vec(&request).expect("a request is plain data"),
        items,
    };
    cx.put(key::call(call), &row);
    let cacheable = cacheable && matches!(lane.kind, LaneKind::Read { .. });
    cx.command(Command::Call { call, lane: lane.clone(), request, cacheable });
    Ok(())
}

/// What the owner of work wants to send now.
#[derive(Default)]
struct Composed {
    input: Input,
    /// What a link's write holds.
    written: Vec<Written>,
    /// A cache may answer it.
    cacheable: bool,
    /// A listing asks for what changed since then.
    since: Option<Timestamp>,
}

/// What the owner of work wants to send now; nothing where it wants nothing any more.
fn compose(cx: &mut Context<'_>, lane: &Lane, work: &WorkRow) -> Result<Option<Composed>, Error> {
    Ok(match &work.owner {
        Owner::Link(id, side) => {
            let made = write::input(cx, *id, *side, lane)?;
            made.map(|(input, written)| Composed { input, written, ..Composed::default() })
        }
        Owner::Run(id) => effect::input(cx, *id)?.map(|input| Composed { input, ..Composed::default() }),
        Owner::Read(entity, by, value) => {
            let key = key::read(entity, by, value);
            let Some(mut row) = cx.get(&key)? else { return Ok(None) };
            row.work = None;
            cx.put(key, &row);
            let input = Input { key: value.clone(), id: Some(value.clone()), ..Input::default() };
            Some(Composed { input, cacheable: row.cacheable && by == "id", ..Composed::default() })
        }
        Owner::Listing(name) => {
            let Some(row) = cx.get(&key::listing(name))? else { return Ok(None) };
            let input = Input { key: name.clone(), id: row.cursor, ..Input::default() };
            Some(Composed { input, since: row.since, ..Composed::default() })
        }
    })
}

/// What did not succeed before stands in its lane from its time on, not before: it is no company for others.
fn failed_before(cx: &Context<'_>, work: &WorkRow) -> Result<bool, Error> {
    Ok(match &work.owner {
        Owner::Link(id, _) => matches!(work.lane.kind, LaneKind::Delete { .. }) && links::load(cx, *id)?.attempts > 0,
        Owner::Run(_) => false,
        Owner::Read(entity, by, value) => cx.get(&key::read(entity, by, value))?.is_some_and(|row| row.attempts > 0),
        Owner::Listing(name) => cx.get(&key::listing(name))?.is_some_and(|row| row.attempts > 0),
    })
}

/// A request that was refused as a whole without a word about its inputs is asked again one by one.
fn goes_alone(cx: &Context<'_>, owner: &Owner) -> Result<bool, Error> {
    Ok(match owner {
        Owner::Link(id, _) => links::load(cx, *id)?.send_alone,
        Owner::Run(id) => runs::load(cx, *id)?.pending.is_some_and(|effect| effect.send_alone),
        Owner::Read(entity, by, value) => cx.get(&key::read(entity, by, value))?.is_some_and(|row| row.send_alone),
        Owner::Listing(_) => false,
    })
}

/// An item that had to stay: its owner still points at its work row.
fn restore(cx: &mut Context<'_>, key: &RowKey<WorkRow>, owner: &Owner) -> Result<(), Error> {
    match owner {
        Owner::Link(id, side) => {
            let mut link = links::load(cx, *id)?;
            link.queued[slot(*side)] = Some(key.clone());
            links::store(cx, *id, &link);
        }
        Owner::Run(id) => {
            let mut run = runs::load(cx, *id)?;
            if let Some(effect) = &mut run.pending {
                effect.work = Some(key.clone());
            }
            cx.put(key::run(*id), &run);
        }
        Owner::Read(entity, by, value) => {
            let row_key = key::read(entity, by, value);
            if let Some(mut row) = cx.get(&row_key)? {
                row.work = Some(key.clone());
                cx.put(row_key, &row);
            }
        }
        Owner::Listing(_) => {}
    }
    Ok(())
}
