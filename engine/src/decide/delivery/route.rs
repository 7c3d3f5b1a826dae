//! What a delivery means: repetitions are dropped, records observed, syncs, reactions and waits notified.
//!
//! Always true: what a delivery leads to is one round with its receipt; nothing of it is dropped without a row or a
//! line. Not here: what counts as a repetition (`dedupe`), what waits for its system's pace (`inbox`), what nobody can
//! read (`parked`), where Kafka is read on (`offsets`).

use std::collections::BTreeMap;

use connectors::port::{Body, Message, Spoilt};
use dsl::decode::decode_field;
use dsl::program::{Door, Program, Route, Run};
use dsl::schema::{Change, EntityName};
use dsl::value::{Timestamp, Value};

use crate::decide::delivery::{dedupe, inbox, offsets, parked};
use crate::decide::isolation;
use crate::decide::links::existence;
use crate::decide::model::event::Event;
use crate::decide::model::input::Source;
use crate::decide::model::instance::Instance;
use crate::decide::model::need::Blocked;
use crate::decide::model::outcome::Command;
use crate::decide::model::run::Var;
use crate::decide::records::observe;
use crate::decide::records::observe::{How, observe};
use crate::decide::runs::{start, wake};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads, records};
use crate::ledger::Error;

/// Takes a delivery in. What of it cannot be read is kept for people, and takes nothing else with it.
pub(crate) fn delivery(
    cx: &mut Context<'_>,
    system: &str,
    messages: &[Message],
    spoilt: &[Spoilt],
    source: &Source,
) -> Result<(), Error> {
    if !offsets::take(cx, system, source)? {
        return Ok(());
    }
    for spoilt in spoilt {
        parked::spoilt(cx, system, source, spoilt)?;
    }
    let echo = messages.iter().all(|message| message.own);
    if *source == Source::Webhook && !echo {
        return inbox::deliver(cx, system, messages);
    }
    decided(cx, system, source, 0, messages)
}

/// Makes of messages what the rules say. `number` is that of their stored delivery, 0 where they just came.
pub(crate) fn decided(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    number: u64,
    messages: &[Message],
) -> Result<(), Error> {
    let program = cx.program();
    let Some(door) = program.doors.get(system) else {
        // Their rules are gone since these came: stored deliveries, or records that were on their way.
        let cause = format!("the rules have no `events from {system}` any more");
        for message in messages {
            let whole = serde_json::to_vec(message).expect("messages are plain data");
            parked::park(cx, system, source, &cause, "let the rules take these messages again", &whole)?;
        }
        return Ok(());
    };
    let mut after = After::default();
    for (index, message) in messages.iter().enumerate() {
        if let Some(why) = isolation::begin(cx, &Instance::Message(number, index)) {
            let whole = serde_json::to_vec(message).expect("messages are plain data");
            let cause = format!("a decision about a message broke off, which is a defect of the engine: {why}");
            parked::park(cx, system, source, &cause, "report it with the log", &whole)?;
            continue;
        }
        one(cx, &program, system, door, source, message, &mut after)?;
        cx.isolation.leave();
    }
    for ((entity, id), syncs) in after.touched {
        if !isolation::enter(cx, &Instance::Record(entity.clone(), id.clone()))? {
            continue;
        }
        for index in syncs {
            let rule = ActiveSync { program: cx.program(), index };
            if let Some(side) = records::side_of(&rule, &entity) {
                let link = links::ensure(cx, &rule, side, &id, false)?;
                cx.visited.insert(link, entity.clone());
            }
        }
        cx.isolation.leave();
    }
    for (index, entity, id, at) in after.starts {
        if !isolation::enter(cx, &Instance::Record(entity.clone(), id.clone()))? {
            continue;
        }
        // A workflow whose key cannot be read yet begins without one: its first step will read what it needs.
        if let Err(Blocked::Ledger(error)) = start::start(cx, &program, index, &entity, &id, at)? {
            return Err(error);
        }
        cx.isolation.leave();
    }
    Ok(())
}

/// What follows once all messages of a delivery are observed.
#[derive(Default)]
struct After {
    /// Syncs of the records that it speaks of.
    touched: BTreeMap<(EntityName, String), Vec<usize>>,
    /// Workflows that it starts, each for a record as of a time.
    starts: Vec<(usize, EntityName, String, Timestamp)>,
}

/// Makes of one message what the rules say.
fn one(
    cx: &mut Context<'_>,
    program: &Program,
    system: &str,
    door: &Door,
    source: &Source,
    message: &Message,
    after: &mut After,
) -> Result<(), Error> {
    if dedupe::before(cx, system, &message.dedupe, door.dedupe_for)? {
        let line = event(cx, system, message, "duplicate", "it has come before");
        cx.command(Command::Log(line));
        return Ok(());
    }
    let route = door.routes.get(&message.name);
    if route.is_none() || matches!(message.body, Body::Foreign) {
        let line = event(cx, system, message, "foreign", "the lock has no message of this name");
        cx.log(line);
        return Ok(());
    }
    match &message.body {
        Body::Record { entity, change, observed } => {
            let entity = EntityName::new(system, entity);
            match change {
                Change::Deleted => observe::deleted(cx, &entity, &observed.id, message.at, false)?,
                Change::Erased => observe::deleted(cx, &entity, &observed.id, message.at, true)?,
                Change::Restored => {
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    existence::restored(cx, &entity, &observed.id)?;
                }
                _ => {
                    observe(cx, &entity, observed, How::Message(*change), message.at)?;
                    let syncs = after.touched.entry((entity.clone(), observed.id.clone())).or_default();
                    match route {
                        Some(Route::Sync(index)) if program.syncs[*index].run == Run::OnChange => syncs.push(*index),
                        Some(Route::Workflow(index)) => {
                            after.starts.push((*index, entity, observed.id.clone(), message.at))
                        }
                        _ => {}
                    }
                }
            }
        }
        Body::Merged { entity, into, gone } => {
            let entity = EntityName::new(system, entity);
            for gone in gone {
                observe::merged(cx, &entity, into, gone, message.at)?;
            }
        }
        Body::Linked { entity, id } => {
            let entity = EntityName::new(system, entity);
            if !message.own && program.used.get(&entity).is_some_and(|used| !used.links.is_empty()) {
                reads::refresh(cx, &entity, id)?;
            }
        }
        Body::Event { event: name, fields } => {
            let what = EntityName::new(system, name);
            let declared =
                program.systems.get(system).and_then(|s| s.lock.events.get(name)).cloned().unwrap_or_default();
            let mut members = BTreeMap::new();
            for (field, wire) in fields {
                let Some(ty) = declared.get(field) else { continue };
                match decode_field(ty, wire) {
                    Ok(value) => {
                        members.insert(field.clone(), value);
                    }
                    Err(fault) => {
                        let whole = serde_json::to_vec(fields).expect("members are plain data");
                        parked::member(cx, system, source, &what, field, &fault.to_string(), &whole)?;
                    }
                }
            }
            for (field, value) in &members {
                if *value != Value::Empty {
                    wake::happened(cx, &what, field, value, Var::Members(members.clone()), message.at)?;
                }
            }
        }
        Body::Foreign => {}
    }
    Ok(())
}

fn event(cx: &Context<'_>, system: &str, message: &Message, action: &str, detail: &str) -> Event {
    let (entity, left) = match &message.body {
        Body::Record { entity, observed, .. } => (format!("{system}.{entity}"), Some(observed.id.clone())),
        Body::Linked { entity, id } => (format!("{system}.{entity}"), Some(id.clone())),
        Body::Merged { entity, into, .. } => (format!("{system}.{entity}"), Some(into.clone())),
        Body::Event { event, .. } => (format!("{system}.{event}"), None),
        Body::Foreign => (system.to_owned(), None),
    };
    Event {
        at: cx.now,
        action: action.to_owned(),
        rule: message.name.clone(),
        entity,
        left,
        detail: detail.to_owned(),
        ..Event::default()
    }
}

/// A delivery of which nothing could be read is kept for people; its source goes on.
pub(crate) fn unreadable(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    reason: &str,
    payload: &[u8],
) -> Result<(), Error> {
    if offsets::take(cx, system, source)? { parked::delivery(cx, system, source, reason, payload) } else { Ok(()) }
}
